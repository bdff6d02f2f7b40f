"""
Measure what a second worker brings: ``python -m benchmarks.scaling``.

With few connections and many, over HTTP and gRPC. ``--record`` writes the figures to RESULTS.md.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import page
from benchmarks.rig import Rig, Setup, rig, tell
from gateway.bench.load import Order, Protocol

TITLE = "Scaling"
WORKERS = (1, 2)
CONNECTIONS = (1, 2, 16)
PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")
CALLS = 16
"""Under way at once over gRPC, on however many connections."""
SPANS = 100
_WARM_UP_S = 1.0

PAGE = """\
Recorded with `python -m benchmarks.scaling --record` on {machine}: requests of {spans} LLM spans,
default pipeline, queue on disk, {seconds:g} s of load each. Load generator and sink share the
processors with the gateway, so that two workers cannot be twice as fast as one. Over HTTP each
connection has one request under way, over gRPC all connections together have {calls}. Shares are
of the CPU time of the workers: where one connection brings everything to one worker, the other
processes what that one passes on, and delivers half of the lanes.

{table}
"""


class Row(NamedTuple):
    """One measurement."""

    protocol: Protocol
    connections: int
    workers: int
    spans_per_s: float
    """By the clock, until the last span has arrived."""
    cpu_us: float
    """CPU time of all processes a span."""
    shares: Sequence[float]
    """Of the workers."""


async def measure(running: Rig, order: Order, workers: int) -> Row:
    """Load once and wait until all has arrived."""
    cpu, each, start = running.used().cpu_s, running.used_by_worker(), time.perf_counter()
    accepted = running.accepted
    await running.load(order)
    await running.drain()
    took, spans = time.perf_counter() - start, running.accepted - accepted
    used = [after - before for before, after in zip(each, running.used_by_worker(), strict=True)]
    row = Row(
        order.protocol,
        order.connections,
        workers,
        spans / took,
        (running.used().cpu_s - cpu) / spans * 1e6,
        [one / (sum(used) or 1) for one in used],
    )
    tell(" ".join(_cells(row)))
    return row


async def measure_all(seconds: float) -> list[Row]:
    """Return the rows, those to be compared side by side."""
    rows = []
    for workers in WORKERS:
        async with rig(Setup(workers=workers)) as running:
            for protocol in PROTOCOLS:
                await running.load(_order(protocol, CALLS, _WARM_UP_S))
                await running.drain()
                for connections in CONNECTIONS:
                    order = _order(protocol, connections, seconds)
                    rows.append(await measure(running, order, workers))
    return sorted(rows, key=lambda row: (PROTOCOLS.index(row.protocol), row.connections))


def _order(protocol: Protocol, connections: int, seconds: float) -> Order:
    calls = CALLS // connections if protocol == "grpc" else 1
    return Order(
        protocol=protocol,
        kind="llm",
        spans=SPANS,
        seconds=seconds,
        connections=connections,
        calls=calls,
    )


def _cells(row: Row) -> list[str]:
    shares = " + ".join(f"{share:.0%}" for share in row.shares)
    figures = [f"{row.spans_per_s:,.0f}", f"{row.cpu_us:.0f}"]
    return [row.protocol, str(row.connections), str(row.workers), *figures, shares]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.5, help="of load for each figure")
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    options = parser.parse_args()
    rows = asyncio.run(measure_all(options.seconds))
    heads = ("in", "connections", "workers", "spans/s", "CPU us a span", "share of each worker")
    text = PAGE.format(
        machine=page.machine(),
        seconds=options.seconds,
        spans=SPANS,
        calls=CALLS,
        table=page.table(heads, [_cells(row) for row in rows]),
    )
    if options.record:
        page.put(TITLE, text)
    print(text)


if __name__ == "__main__":
    main()
