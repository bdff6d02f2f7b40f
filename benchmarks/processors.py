"""
Measure the processors, and where a span's microseconds go: ``python -m benchmarks.processors``.

``--record`` writes the figures to RESULTS.md. CPU time of this process, the system's included, at
100 spans a request; of each request the best of all rounds, since whatever else runs on the machine
only ever adds, and of these the mean.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from zlib import crc32

from isal import igzip
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks import page
from benchmarks.requests import KINDS, bodies
from gateway.batch import Batch
from gateway.config.exporting import QueueConfig
from gateway.guard import Guard
from gateway.otlp import validate, wire
from gateway.plugin import Processor
from gateway.queue.base import Record
from gateway.queue.store import Store
from gateway.telemetry import logs
from gateway.testing import processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping
from processors.probabilistic_sampler import ProbabilisticSampler
from processors.redaction import Redaction

TITLE = "Processors"
ROUNDS = 15
LANES = 4

T = TypeVar("T")
Figures = dict[str, float]
"""Microseconds a span, by step."""

PAGE = f"""\
Recorded with `python -m benchmarks.processors --record`: microseconds of CPU time a span, at 100
spans a request, of each request the best of {ROUNDS} rounds, of all the mean: eight made
requests of an LLM agent (6.5 KB a span), eight of a web service (0.4 KB), and the sixteen recorded
of real instrumentations (0.5 to 3 KB; mostly calls of models, whose conversations are rebuilt).
Figures rise by up to a half while others use the machine; its load was {{load}}.

## Each processor

"Alone" gets requests as they were received. "Together" is one pipeline of all of them, each under
its guard; `probabilistic_sampler` keeps a quarter.

{{processors}}

## Where a span's microseconds go

The default pipeline with its queue on disk, step by step; what is left of the figures above is
HTTP, the event loop and threads.

{{way}}
"""


class Timer:
    """Note what steps take."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[bytes, list[float]]] = {}
        self._body = b""
        self._spans = 1

    def begin(self, body: bytes, spans: int) -> None:
        """Say what the next steps are about."""
        self._body, self._spans = body, spans

    def run(self, step: str, work: Callable[..., T], *arguments: Any) -> T:
        """Return what a step returns."""
        started = time.process_time_ns()
        result = work(*arguments)
        taken = (time.process_time_ns() - started) / 1000 / self._spans
        self._taken.setdefault(step, {}).setdefault(self._body, []).append(taken)
        return result

    def figures(self) -> Figures:
        """Return the figures, in the order of the steps."""
        return {
            step: statistics.mean(min(taken) for taken in by_body.values())
            for step, by_body in self._taken.items()
        }


def _processors() -> dict[str, Processor[Any]]:
    return {
        "redaction": processor(Redaction),
        "mlflow_mapping": processor(MlflowMapping),
        "cost": processor(Cost),
        "probabilistic_sampler": processor(ProbabilisticSampler, sampling_percentage=25),
    }


def _guards(names: Sequence[str]) -> list[Guard]:
    made = _processors()
    return [Guard(name, made[name], pipeline="bench", logger=logs.get("bench")) for name in names]


def measure_processors(kind: str) -> Figures:
    """Return what each processor takes alone, and what several take together."""
    timer = Timer()
    made = _processors()
    made["mlflow_mapping, moving"] = processor(MlflowMapping, keep_source_attributes=False)
    cases = {f"{name} alone": one.process for name, one in made.items()}
    for wanted in (("mlflow_mapping", "cost"), tuple(_processors())):
        cases[" + ".join(wanted)] = partial(_run, _guards(wanted))
    requests = bodies(kind)
    for _ in range(ROUNDS):
        for body in requests:
            for title, work in cases.items():
                batch = Batch(body)
                batch.entries()  # as a receiver hands it over
                timer.begin(body, len(batch.spans))
                timer.run(title, work, batch)
    return timer.figures()


def _run(guards: Sequence[Guard], batch: Batch) -> Batch:
    for guard in guards:
        batch = guard.run(batch)
    return batch


def measure_way(kind: str) -> Figures:
    """Return what each step of the default pipeline takes, from the body to the bytes to send."""
    timer = Timer()
    guards = _guards(("redaction", "mlflow_mapping", "cost"))
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        store = Store(Path(folder))
        queue = store.open("sink", QueueConfig(num_lanes=LANES))
        runner.run(store.start())
        requests = bodies(kind)
        for _ in range(ROUNDS):
            for body in requests:
                records = _until_records(timer, guards, body)
                timer.run("commit", runner.run, store.commit(records))
                runner.run(_take_all(queue))
                payload = b"".join(record.payload for record in records)
                sent = timer.run("sort, dedupe", _sorted, payload)
                timer.run("gzip", igzip.compress, sent, 0)
        runner.run(store.close())
    return timer.figures()


def _until_records(timer: Timer, guards: Sequence[Guard], body: bytes) -> list[Record]:
    timer.begin(body, len(Batch(body)))
    request = timer.run("decode", ExportTraceServiceRequest.FromString, body)
    checked = timer.run("check, index", validate.check, body, request)
    batch = Batch(checked.data, None, request, checked.entries)
    timer.run("views", lambda: batch.spans)
    for guard in guards:
        batch = timer.run(guard.component_id, guard.run, batch)
    timer.run("encode", batch.entries)
    return timer.run("split into lanes", _records, batch)


def _records(batch: Batch) -> list[Record]:
    lanes: dict[int, list[wire.Entry]] = {}
    for entry in batch.entries():
        lanes.setdefault(crc32(entry.trace_id) % LANES, []).append(entry)
    return [
        Record(
            queue="sink",
            lane=lane,
            destination="",
            payload=wire.assemble(entries),
            spans=len(entries),
            trace_ids=frozenset(entry.trace_id for entry in entries),
            tenant="",
            received_unix_ns=time.time_ns(),
        )
        for lane, entries in lanes.items()
    ]


async def _take_all(queue: Any) -> None:
    for lane in queue.lanes:
        line = lane.line("")
        while line:
            for record in await queue.take(line, max_spans=500, max_bytes=8 << 20):
                queue.ack(record)


def _sorted(payload: bytes) -> bytes:
    return wire.assemble(wire.arrange(wire.index(payload), unique=True))


def _table(head: str, columns: Mapping[str, Figures]) -> str:
    steps = {step: None for figures in columns.values() for step in figures}
    lines = [f"| {head} | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
    for step in steps:
        cells = (f"{figures[step]:.1f}" for figures in columns.values())
        lines.append(f"| {step} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report() -> str:
    """Return the section of RESULTS.md."""
    way = {kind: measure_way(kind) for kind in KINDS}
    for figures in way.values():
        figures["**sum**"] = sum(figures.values())
    return PAGE.format(
        load=f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors",
        processors=_table("us a span", {kind: measure_processors(kind) for kind in KINDS}),
        way=_table("us a span", way),
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processors", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    options = parser.parse_args()
    section = report()
    if options.record:
        page.put(TITLE, section)
    print(section)


if __name__ == "__main__":
    main()
