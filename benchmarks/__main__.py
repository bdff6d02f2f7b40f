"""
Measure the kinds of work that matter and print a table: ``python -m benchmarks`` (``make bench``).

Each figure is also given as a ratio to a gateway of the libraries alone, measured in turn with it.
One whose ratio has fallen by more than a fifth since it was recorded is measured again; where it
stays low, the exit code is 1. ``--record`` writes RESULTS.md and the ratios.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
from rich.console import Console
from rich.status import Status

from benchmarks import page, processors
from gateway.bench import report
from gateway.bench.load import Protocol
from gateway.bench.payload import Kind
from gateway.bench.processes import BenchError
from gateway.bench.scenario import Figures, Scenario, stand
from gateway.compiled import flavour
from gateway.version import __version__

TITLE = "Throughput"
RELAY = "benchmarks.relay"
RATIOS = Path(__file__).with_name("ratios.json")
FALL = 0.2
"""How much of a recorded ratio may be missing."""
AGAIN = 5
"""How often a row that has fallen is measured again: others on the machine only ever add."""

SCENARIOS = [
    Scenario(protocol="http", kind="llm", spans=100, pipeline="default"),
    Scenario(protocol="http", kind="llm", spans=100, pipeline="default", exporter="mlflow"),
    Scenario(protocol="grpc", kind="llm", spans=100, pipeline="default"),
    Scenario(protocol="http", kind="llm", spans=1, pipeline="default"),
    Scenario(protocol="http", kind="plain", spans=100, pipeline="default"),
    Scenario(protocol="grpc", kind="plain", spans=1, pipeline="default"),
    Scenario(protocol="http", kind="llm", spans=100),
    Scenario(protocol="http", kind="plain", spans=100),
    Scenario(protocol="grpc", kind="plain", spans=1),
]
"""What is compared with what was recorded."""

PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")
KINDS: tuple[Kind, ...] = ("llm", "plain")
PIPELINES: tuple[Literal["none", "default"], ...] = ("default", "none")
GRID = [
    Scenario(protocol=protocol, kind=kind, spans=spans, pipeline=pipeline)
    for pipeline in PIPELINES
    for protocol in PROTOCOLS
    for kind in KINDS
    for spans in (1, 100, 500)
]
"""Every kind of work; ``--all`` takes a quarter of an hour."""

PAGE = """\
Recorded with `make bench ARGS=--record`, version {version}, on {machine}: of {rounds}
measurements of {seconds:g} s each, the one with most spans a CPU-second.

A gateway takes traces from eight connections and forwards them, gzipped, to a sink that counts
them; every span sent has arrived. With `default` processors it redacts, maps to MLflow's terms and
prices, and has its queue on disk; with `none` its queue is in memory. Spans of an LLM
agent are about 6.5 KB, plain ones 0.4 KB. (Towards `mlflow` the sink answers as MLflow does; the
exporter then also routes each trace, sorts and removes spans sent twice.)

- **CPU-s** is a second of CPU time of all processes of the gateway, from the first request until
  the last span has arrived. This is the figure to compare: it depends least on the load generator.
- **ratio** is spans/CPU-s of the row by that of `benchmarks/relay.py` under the same load, in turn
  with it, the median of all turns: a gateway of the libraries alone, which reads each request,
  writes it, packs it and sends it on. It redacts and maps nothing, and loses what it has when it
  ends. `make bench` fails where a ratio has fallen by more than a fifth since it was recorded.
- **spans/s** is by the clock. Gateway, load generator and sink share this machine, and the
  generator is Python too, so with small requests it is the generator that sets the limit.
- p50 and p99 are the times until a request is answered, with eight under way all the time.

{table}{notes}"""


class Row(NamedTuple):
    """One kind of work, measured."""

    figures: Figures
    ratio: float


def main() -> int:
    """Measure as the command line says."""
    options = _parse()
    known = list(dict.fromkeys([*SCENARIOS, *GRID]))
    rows = known if options.all or options.only else SCENARIOS
    wanted = [s for s in rows if not options.only or options.only in str(s)]
    console = Console(stderr=True)
    if not wanted:
        console.print(f"nothing matches --only {options.only!r}; there are:")
        console.print("\n".join(map(str, known)))
        return 2
    recorded = {} if options.record else _recorded()
    try:
        results = asyncio.run(_Bench(options, recorded, console).run(wanted))
    except BenchError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    section = processors.report() if options.record or options.all else ""
    if options.record:
        _record(results, section, options)
    print(_table(results), section, sep="\n\n")
    print("\n".join(report.warnings([row.figures for row in results])), file=sys.stderr)
    worse = fallen(results, recorded)
    for line in worse:
        console.print(f"SLOWER: {line}", style="bold red", markup=False)
    return 1 if worse else 0


def fallen(results: Sequence[Row], recorded: Mapping[str, float]) -> list[str]:
    """Return what is to be said of rows whose ratio has fallen too far."""
    return [
        f"{row.figures.scenario}: ratio {row.ratio:.3f}, recorded {before:.3f} "
        f"({row.ratio / before - 1:+.0%}); find out why, or record it (ARGS=--record)"
        for row in results
        if (before := recorded.get(str(row.figures.scenario))) and row.ratio < before * (1 - FALL)
    ]


class _Bench:
    """Measures one kind of work after another, in turn with what it is compared with."""

    def __init__(
        self, options: argparse.Namespace, recorded: Mapping[str, float], console: Console
    ) -> None:
        self._seconds: float = options.seconds
        self._rounds: int = options.rounds
        self._recorded = recorded
        self._console = console

    async def run(self, wanted: Sequence[Scenario]) -> list[Row]:
        """Return a row for each; progress is shown."""
        rows = []
        for number, scenario in enumerate(wanted, 1):
            title = f"{number}/{len(wanted)} {scenario}"
            with self._console.status(title) as status:

                def on_step(step: str, status: Status = status, title: str = title) -> None:
                    status.update(f"{title}: {step}")

                row = await self._row(scenario, on_step)
            rate = f"{row.figures.spans_per_cpu_s:,.0f} spans/CPU-s, ratio {row.ratio:.3f}"
            self._console.print(f"{title}: {rate}", soft_wrap=True, highlight=False)
            rows.append(row)
        return rows

    async def _row(self, scenario: Scenario, on_step: Callable[[str], None]) -> Row:
        done: list[Figures] = []
        ratios: list[float] = []

        async def more(rounds: int) -> Row:
            async with (
                stand(scenario, on_step) as running,
                stand(scenario, on_step, instead=RELAY) as relay,
            ):
                for _ in range(rounds):
                    bare = await relay.measure(self._seconds)
                    done.append(await running.measure(self._seconds))
                    ratios.append(_ratio(done[-1], bare))
            return Row(report.best(done), statistics.median(ratios))

        row = await more(self._rounds)
        return await more(AGAIN) if fallen([row], self._recorded) else row


def _ratio(figures: Figures, bare: Figures) -> float:
    """Return 0 where the system does not tell CPU time."""
    return figures.spans_per_cpu_s / bare.spans_per_cpu_s if bare.cpu_s else 0.0


def _recorded() -> dict[str, float]:
    return msgspec.json.decode(RATIOS.read_bytes(), type=dict[str, float])


def _record(results: Sequence[Row], section: str, options: argparse.Namespace) -> None:
    page.put(TITLE, _page(results, options.rounds, options.seconds))
    page.put(processors.TITLE, section)
    ratios = {str(row.figures.scenario): round(row.ratio, 4) for row in results}
    RATIOS.write_bytes(msgspec.json.format(msgspec.json.encode(ratios)) + b"\n")


def _table(results: Sequence[Row]) -> str:
    return report.as_markdown([row.figures for row in results], [row.ratio for row in results])


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5, help="of load for each measurement")
    parser.add_argument("--rounds", type=int, default=8, help="measurements, of which the best")
    parser.add_argument("--all", action="store_true", help="every kind of work, and processors")
    parser.add_argument("--only", default="", help='rows that contain this, such as "LLM spans"')
    parser.add_argument("--record", action="store_true", help="write RESULTS.md and ratios.json")
    options = parser.parse_args()
    if options.record and options.only:
        parser.error("--record writes all rows anew: leave out --only")
    return options


def _page(results: Sequence[Row], rounds: int, seconds: float) -> str:
    machine = f"{os.cpu_count()} shared vCPUs, {platform.machine().replace('_', '-')}, CPython "
    notes = "".join(f"- {note}\n" for note in report.warnings([row.figures for row in results]))
    return PAGE.format(
        version=__version__,
        machine=f"{machine}{platform.python_version()} ({flavour()})",
        rounds=rounds,
        seconds=seconds,
        table=_table(results),
        notes=f"\nNotes of this recording:\n{notes}" if notes else "",
    )


if __name__ == "__main__":
    sys.exit(main())
