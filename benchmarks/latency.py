"""
Measure how long an answer takes at a part of what is possible: ``python -m benchmarks.latency``.

First the highest rate is measured at which everything accepted also arrives; then requests are sent
at 30 % and 80 % of it, each when it is due, however long others take. ``--record`` writes the
figures to RESULTS.md.
"""

import argparse
import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import page
from benchmarks.rig import tell
from gateway.bench.load import Report
from gateway.bench.scenario import Scenario, stand

TITLE = "Latency"
SHARES = (0.3, 0.8)
SCENARIOS = (
    Scenario(protocol="http", kind="llm", spans=100, pipeline="default"),
    Scenario(protocol="grpc", kind="llm", spans=100, pipeline="default"),
    Scenario(protocol="http", kind="llm", spans=1, pipeline="default"),
    Scenario(protocol="grpc", kind="llm", spans=1, pipeline="default"),
)

PAGE = """\
Recorded with `python -m benchmarks.latency --record` on {machine}: milliseconds until a request is
answered, its spans processed and on disk, by the default pipeline. The gateway has one processor,
load generator and sink the other. "All" is the highest rate at which what is accepted is also
delivered, of eight senders that wait for their answers; at a part of it requests are sent at a
constant rate for {seconds:g} s, and their time runs from when they were due, so that what waits
behind others counts too. "Sender" is how late the generator itself was (p99), which is part of it.

{table}
"""


class Row(NamedTuple):
    """One kind of work at one rate."""

    scenario: Scenario
    share: float
    rate: float
    """Requests a second."""
    report: Report


async def measure(scenario: Scenario, seconds: float) -> list[Row]:
    """Return a row for each share of the highest rate."""
    rows = []
    async with stand(scenario) as running:
        figures = await running.measure(seconds)
        highest = figures.spans_per_s / scenario.spans
        for share in SHARES:
            rate = highest * share
            report = await running.load(seconds, rate)
            await running.drain()
            rows.append(Row(scenario, share, rate, report))
            tell(f"{scenario}, {share:.0%}: p50 {report.p50_ms:.1f}, p99 {report.p99_ms:.1f} ms")
    return rows


def _table(rows: Sequence[Row]) -> str:
    heads = ("in", "spans a request", "load", "requests/s", "p50 ms", "p99 ms", "sender ms")
    return page.table(heads, [_cells(row) for row in rows])


def _cells(row: Row) -> list[str]:
    scenario, report = row.scenario, row.report
    times = (report.p50_ms, report.p99_ms, report.sender_p99_ms)
    work = [scenario.protocol, str(scenario.spans), f"{row.share:.0%}", f"{row.rate:.0f}"]
    return work + [f"{time:.1f}" for time in times]


async def measure_all(seconds: float) -> list[Row]:
    """Return the rows of all kinds of work."""
    return [row for scenario in SCENARIOS for row in await measure(scenario, seconds)]


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load for each figure")
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    options = parser.parse_args()
    rows = asyncio.run(measure_all(options.seconds))
    text = PAGE.format(machine=page.machine(), seconds=options.seconds, table=_table(rows))
    if options.record:
        page.put(TITLE, text)
    print(text)


if __name__ == "__main__":
    main()
