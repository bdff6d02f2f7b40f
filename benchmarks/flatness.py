"""
Measure whether a span costs the same when there is more: ``python -m benchmarks.flatness``.

CPU time a span as the backlog, the tenants, the lanes and the open traces of tail sampling become
ten and a hundred times as many; and the memory of open traces. ``--record`` writes RESULTS.md.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple

from benchmarks import page
from benchmarks.rig import PROCESSORS, Rig, Setup, rig, tell
from gateway.bench.load import Order

TITLE = "Flatness"
SPANS = 100
"""In a request; plain ones, of which 5 make a trace."""
OF_A_TRACE = 5
CONNECTIONS = 8
PROBES = 3
"""Of each figure; the best counts, since whatever else runs on the machine only ever adds."""
_WARM_UP = 50
_NO_END_S = 600.0

PAGE = """\
Recorded with `python -m benchmarks.flatness --record` on {machine}: microseconds of CPU time of all
processes of the gateway for a plain span ({spans} a request, eight connections, default pipeline,
queue on disk), of {probes} measurements of {probe:,} spans the best, when there is more and more of
one thing:

- **backlog**: spans that wait on disk since the destination does not answer: accepting some more,
  and delivering all of them once it answers again;
- **tenants**, each with its token, that take turns;
- **lanes** of the exporter: a request is split into as many records, as far as it has traces, and a
  measurement leaves in as many requests, which are smaller then;
- **open traces**, those that `tail_sampling` has yet to decide on: gathering some more.

{table}

{traces:,} open traces of {of_a_trace} plain spans take {mib:.1f} MiB of memory for each 10,000.
"""


class Sizes(NamedTuple):
    """How much there is of each thing."""

    backlog: tuple[int, ...] = (3_000, 30_000, 300_000)
    tenants: tuple[int, ...] = (1, 10, 100)
    lanes: tuple[int, ...] = (1, 8, 64)
    traces: tuple[int, ...] = (1_000, 10_000, 100_000)
    probe: int = 3_000
    """Spans of a measurement."""


class Line(NamedTuple):
    """How the cost of a span develops."""

    what: str
    counts: tuple[int, ...]
    cpu_us: tuple[float, ...]


class Growth(NamedTuple):
    """What open traces take."""

    traces: int
    mib: float


async def backlog(sizes: Sizes) -> list[Line]:
    """Return what accepting costs behind a backlog, and delivering all of it."""
    accepting, delivering = [], []
    async with rig(Setup()) as running:
        await _send(running, _WARM_UP * SPANS)
        await running.drain()
        for waiting in sizes.backlog:
            await running.target.hold()
            before = running.accepted
            await _send(running, waiting)
            accepting.append(await _least(running, sizes, partial(_send, running, sizes.probe)))
            await running.target.go()
            cost = await _cost(running, running.drain)
            delivering.append(cost / (running.accepted - before))
            tell(f"backlog of {waiting}: {accepting[-1]:.1f}, delivering {delivering[-1]:.1f} us")
    return [
        Line("backlog, accepting", sizes.backlog, tuple(accepting)),
        Line("backlog, delivering", sizes.backlog, tuple(delivering)),
    ]


async def several(what: str, setups: Mapping[int, Setup], sizes: Sizes) -> Line:
    """Return what accepting and delivering cost with each of several gateways."""
    costs = []
    for count, setup in setups.items():
        async with rig(setup) as running:

            async def both(running: Rig = running, tenants: int = setup.tenants) -> None:
                await _send(running, sizes.probe, tenants)
                await running.drain()

            await _send(running, _WARM_UP * SPANS, setup.tenants)
            await running.drain()
            costs.append(await _least(running, sizes, both))
            tell(f"{count} {what}: {costs[-1]:.1f} us")
    return Line(what, tuple(setups), tuple(costs))


async def open_traces(sizes: Sizes) -> tuple[Line, Growth]:
    """Return what gathering costs while so many traces are open, and what memory they take."""
    costs = []
    grown = Growth(0, 0.0)
    async with rig(Setup(processors=(*PROCESSORS, "tail_sampling"))) as running:
        await _send(running, _WARM_UP * SPANS)
        before, rss_mib = running.accepted, running.used().rss_mib
        for traces in sizes.traces:
            await _send(running, traces * OF_A_TRACE - (running.accepted - before))
            opened = (running.accepted - before) // OF_A_TRACE
            grown = Growth(opened, running.used().rss_mib - rss_mib)
            costs.append(await _least(running, sizes, partial(_send, running, sizes.probe)))
            tell(f"{traces} open traces: {costs[-1]:.1f} us, {grown.mib:.0f} MiB more")
    return Line("open traces", sizes.traces, tuple(costs)), grown


async def _send(running: Rig, spans: int, tenants: int = 0) -> None:
    """Send so many spans, as fast as they are accepted."""
    await running.load(
        Order(
            protocol="http",
            kind="plain",
            spans=SPANS,
            seconds=_NO_END_S,
            connections=CONNECTIONS,
            requests=spans // SPANS,
            tenants=tenants,
        )
    )


async def _cost(running: Rig, work: Callable[[], Awaitable[None]]) -> float:
    """Return the microseconds of CPU time that the gateway uses until something is done."""
    before = running.used().cpu_s
    await work()
    return (running.used().cpu_s - before) * 1e6


async def _least(running: Rig, sizes: Sizes, probe: Callable[[], Awaitable[None]]) -> float:
    """Return the least that a span of a probe takes."""
    return min([await _cost(running, probe) for _ in range(PROBES)]) / sizes.probe


async def measure_all(sizes: Sizes) -> tuple[list[Line], Growth]:
    """Return all lines of the table, and what open traces take."""
    lines = await backlog(sizes)
    tenants = {count: Setup(tenants=count) for count in sizes.tenants}
    lines.append(await several("tenants", tenants, sizes))
    lanes = {count: Setup(lanes=count) for count in sizes.lanes}
    lines.append(await several("lanes", lanes, sizes))
    line, growth = await open_traces(sizes)
    return [*lines, line], growth


def _cells(line: Line) -> list[str]:
    counts = " / ".join(f"{count:,}" for count in line.counts)
    growth = line.cpu_us[-1] / line.cpu_us[0] if line.cpu_us[0] else 0.0
    return [line.what, counts, *(f"{cost:.1f}" for cost in line.cpu_us), f"{growth:.2f}"]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flatness", description=__doc__)
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    options = parser.parse_args()
    sizes = Sizes()
    lines, growth = asyncio.run(measure_all(sizes))
    heads = ("more of", "few / some / many", "us with few", "some", "many", "many : few")
    text = PAGE.format(
        machine=page.machine(),
        spans=SPANS,
        probes=PROBES,
        probe=sizes.probe,
        table=page.table(heads, [_cells(line) for line in lines]),
        traces=growth.traces,
        of_a_trace=OF_A_TRACE,
        mib=growth.mib / growth.traces * 10_000,
    )
    if options.record:
        page.put(TITLE, text)
    print(text)


if __name__ == "__main__":
    main()
