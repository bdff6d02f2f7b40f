"""
Measure cost and sampling: ``python -m benchmarks.cost``.

Microseconds of process CPU time a span of an LLM agent (about 6.5 KB; half of the spans are calls
of models), alone and behind mapping; medians of many batches.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from gateway.batch import Batch
from gateway.bench.payload import templates
from gateway.testing import processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping
from processors.probabilistic_sampler import ProbabilisticSampler

SPANS = 100
RUNS = 200

Step = tuple[str, Callable[[Batch], Batch]]


def _batches(kind: str) -> Iterator[Batch]:
    bodies = [
        template.fresh() for template in templates("llm" if kind == "llm" else "plain", SPANS)
    ]
    for run in range(RUNS):
        batch = Batch(bodies[run % len(bodies)])
        _ = batch.spans  # decoding is not what is measured
        yield batch


def measure(kind: str, steps: Sequence[Step]) -> list[tuple[str, float]]:
    """Return the steps and their microseconds a span, in order."""
    taken: list[list[int]] = [[] for _ in steps]
    for given in _batches(kind):
        batch = given
        for at, (_, process) in enumerate(steps):
            started = time.process_time_ns()
            batch = process(batch)
            taken[at].append(time.process_time_ns() - started)
    return [
        (name, median(times) / 1000 / SPANS) for (name, _), times in zip(steps, taken, strict=True)
    ]


def main() -> None:
    """Print the figures."""
    mapping: Step = ("mlflow_mapping", processor(MlflowMapping).process)
    cost: Step = ("cost", processor(Cost).process)
    sampler: Step = (
        "probabilistic_sampler",
        processor(ProbabilisticSampler, sampling_percentage=25).process,
    )
    print(f"{'us a span':>32} {'llm':>8} {'plain':>8}")
    for title, steps in (
        ("", [mapping, cost, sampler]),
        ("alone: ", [cost]),
        ("alone: ", [sampler]),
    ):
        llm, plain = measure("llm", steps), measure("plain", steps)
        for (name, us), (_, plain_us) in zip(llm, plain, strict=True):
            print(f"{title + name:>32} {us:8.2f} {plain_us:8.2f}")


if __name__ == "__main__":
    main()
