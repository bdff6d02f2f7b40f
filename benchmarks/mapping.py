"""
Measure mlflow_mapping, alone and with cost: microseconds of CPU time a span, and sizes.

Run it with ``python -m benchmarks.mapping``. Times are process CPU time, the best of several runs
over requests of 100 spans that were parsed before.
"""

import time
from collections.abc import Callable, Iterable

from gateway.batch import Batch
from gateway.bench.payload import Kind, templates
from gateway.testing import processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping

RUNS = 40
KINDS: tuple[Kind, ...] = ("llm", "plain")


def _best(step: Callable[[Batch], object], bodies: Iterable[bytes]) -> float:
    """Return the CPU time in microseconds that a span takes, the best of each request's runs."""
    spent = spans = 0
    for body in bodies:
        times = []
        for _ in range(RUNS):
            batch = Batch(body)
            count = len(batch.spans)
            started = time.process_time_ns()
            step(batch)
            times.append(time.process_time_ns() - started)
        spent += min(times)
        spans += count
    return spent / spans / 1000


def _size(step: Callable[[Batch], object], bodies: Iterable[bytes]) -> int:
    total = spans = 0
    for body in bodies:
        batch = Batch(body)
        step(batch)
        total += len(batch.encode())
        spans += len(batch)
    return total // spans


def main() -> None:
    """Print one line a kind of span and pipeline."""
    copy, move = processor(MlflowMapping), processor(MlflowMapping, keep_source_attributes=False)
    cost = processor(Cost)
    pipelines: dict[str, tuple[Callable[[Batch], object], ...]] = {
        "mlflow_mapping": (copy.process,),
        "mlflow_mapping, moving": (move.process,),
        "mlflow_mapping, cost": (copy.process, cost.process),
    }
    print(f"{'spans':6} {'processors':24} {'us a span':>10} {'bytes in':>9} {'bytes out':>10}")
    for kind in KINDS:
        bodies = [template.fresh() for template in templates(kind, 100)]
        size = _size(lambda _: None, bodies)
        for name, steps in pipelines.items():

            def run(batch: Batch, steps: tuple[Callable[[Batch], object], ...] = steps) -> None:
                for step in steps:
                    step(batch)

            print(f"{kind:6} {name:24} {_best(run, bodies):10.1f} {size:9} {_size(run, bodies):10}")


if __name__ == "__main__":
    main()
