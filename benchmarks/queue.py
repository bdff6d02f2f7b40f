"""
Compare the queue on disk with SQLite (WAL, FULL): ``python -m benchmarks.queue``.

Both make the same requests durable and hand them out again; CPU is that of this process, system
time included, which is what a durable answer costs the gateway.
"""

import argparse
import asyncio
import os
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gateway.config.exporting import QueueConfig
from gateway.queue.base import Record
from gateway.queue.store import Store

LANES = 4
SIZES = {"100 plain spans, 32 KB": 32_000, "100 LLM spans, 640 KB": 640_000}


class Cost(NamedTuple):
    """Microseconds a request."""

    cpu: float
    wall: float


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queue", description=__doc__)
    parser.add_argument("--folder", type=Path, help="on the disk to measure")
    parser.add_argument("--mib", type=int, default=400, help="written in each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| request | senders | store | CPU us | wall us |")
    print("| --- | ---: | --- | ---: | ---: |")
    for name, size in SIZES.items():
        requests = max(200, options.mib * 1024 * 1024 // size)
        for senders in (1, 8):
            for store, run in (("segment log", _segment_log), ("SQLite", _sqlite)):
                cost = _median(run, options, size, requests, senders)
                print(f"| {name} | {senders} | {store} | {cost.cpu:.0f} | {cost.wall:.0f} |")


Run = Callable[[Path, Sequence[bytes], int, int], Coroutine[Any, Any, None]]


def _median(run: Run, options: argparse.Namespace, size: int, requests: int, senders: int) -> Cost:
    payloads = [os.urandom(size // LANES) for _ in range(LANES)]
    costs: list[Cost] = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            cpu, wall = _cpu(), time.perf_counter()
            asyncio.run(run(Path(folder), payloads, requests, senders))
            cpu, wall = _cpu() - cpu, time.perf_counter() - wall
            costs.append(Cost(cpu / requests * 1e6, wall / requests * 1e6))
    return statistics.median_low(costs)


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _segment_log(
    folder: Path, payloads: Sequence[bytes], requests: int, senders: int
) -> None:
    store = Store(folder)
    queue = store.open("sink", QueueConfig(num_lanes=LANES))
    await store.start()
    left = iter(range(requests))

    async def send() -> None:
        for _ in left:
            await store.commit([_record(lane, payload) for lane, payload in enumerate(payloads)])

    async def deliver(lane: int) -> None:
        line = queue.lanes[lane].line("")
        while True:
            await queue.lanes[lane].news()
            while line:
                for record in await queue.take(line, max_spans=500, max_bytes=8 << 20):
                    queue.ack(record)

    delivering = [asyncio.create_task(deliver(lane)) for lane in range(LANES)]
    await asyncio.gather(*(send() for _ in range(senders)))
    while queue.spans:  # noqa: ASYNC110 - a moment, at the end of a measurement
        await asyncio.sleep(0)
    for task in delivering:
        task.cancel()
    await store.close()


def _record(lane: int, payload: bytes) -> Record:
    return Record(
        queue="sink",
        lane=lane,
        destination="",
        payload=payload,
        spans=25,
        trace_ids=frozenset([bytes(16)]),
        tenant="",
        received_unix_ns=time.time_ns(),
    )


async def _sqlite(folder: Path, payloads: Sequence[bytes], requests: int, senders: int) -> None:
    """
    Commit and delete as a queue would: one transaction for whatever came together.

    Payloads are deleted as they are delivered, from memory, so that SQLite too reads nothing.
    """
    database = sqlite3.connect(folder / "queue.db", isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE record (id INTEGER PRIMARY KEY, lane INTEGER, payload BLOB)")
    waiting: list[asyncio.Future[None]] = []
    bell = asyncio.Event()
    left = iter(range(requests))

    def write(several: int) -> None:
        database.execute("BEGIN IMMEDIATE")
        database.execute("DELETE FROM record")
        for _ in range(several):
            database.executemany("INSERT INTO record (lane, payload) VALUES (?, ?)",
                                 list(enumerate(payloads)))  # fmt: skip
        database.execute("COMMIT")

    async def commit() -> None:
        while True:
            await bell.wait()
            bell.clear()
            together = waiting[:]
            waiting.clear()
            await asyncio.to_thread(write, len(together))
            for answer in together:
                answer.set_result(None)

    async def send() -> None:
        for _ in left:
            answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting.append(answer)
            bell.set()
            await answer

    committing = asyncio.create_task(commit())
    await asyncio.gather(*(send() for _ in range(senders)))
    committing.cancel()
    database.close()


if __name__ == "__main__":
    main()
