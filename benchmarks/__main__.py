"""
Measure every kind of work and print a table: ``python -m benchmarks`` (or ``make bench``).

``--record`` writes it to RESULTS.md, beside what one must know to read it.
"""

import argparse
import asyncio
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import processors
from gateway.bench import report
from gateway.bench.load import Protocol
from gateway.bench.payload import Kind
from gateway.bench.processes import BenchError
from gateway.bench.scenario import Figures, Scenario, measure
from gateway.version import __version__

RESULTS = Path(__file__).with_name("RESULTS.md")

PROTOCOLS: tuple[Protocol, ...] = ("http", "grpc")
KINDS: tuple[Kind, ...] = ("llm", "plain")
SCENARIOS = [
    Scenario(protocol=protocol, kind=kind, spans=spans)
    for protocol in PROTOCOLS
    for kind in KINDS
    for spans in (1, 100, 500)
] + [
    Scenario(protocol=protocol, kind="llm", spans=100, exporter="mlflow") for protocol in PROTOCOLS
]

PAGE = """\
# Throughput

Recorded with `make bench ARGS=--record`, version {version}, on {machine}: medians of {rounds}
measurements of {seconds:g} s each.

A gateway without processors, its queue in memory, takes traces from eight connections and
forwards them, gzipped, to a sink that counts them; every span sent has arrived. Spans of an LLM
agent are about 6.5 KB, plain ones 0.4 KB. (Towards `mlflow` the sink answers as MLflow does; the
exporter then also routes each trace, sorts and removes spans sent twice.)

- **CPU-s** is a second of CPU time of all processes of the gateway, from the first request until
  the last span has arrived. This is the figure to compare: it depends least on the load generator.
- **spans/s** is by the clock. Gateway, load generator and sink share this machine, and the
  generator is Python too, so with small requests it is the generator that sets the limit.
- p50 and p99 are the times until a request is answered, with eight under way all the time.

{table}{notes}"""


def main() -> int:
    """Measure as the command line says."""
    options = _parse()
    wanted = [s for s in SCENARIOS if not options.only or options.only in str(s)]
    console = Console(stderr=True)
    if not wanted:
        console.print(f"nothing matches --only {options.only!r}; there are:")
        console.print("\n".join(map(str, SCENARIOS)))
        return 2
    try:
        results = asyncio.run(_measure(wanted, options.seconds, options.rounds, console))
    except BenchError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    section = "" if options.only else processors.report()
    if options.record:
        RESULTS.write_text(_page(results, options.rounds, options.seconds))
        processors.record(section or processors.report())
    print(report.as_markdown(results), section, sep="\n\n")
    print("\n".join(report.warnings(results)), file=sys.stderr)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.5, help="of load for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements, of which the median")
    parser.add_argument("--only", default="", help='rows that contain this, such as "LLM spans"')
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    return parser.parse_args()


async def _measure(
    wanted: Sequence[Scenario], seconds: float, rounds: int, console: Console
) -> list[Figures]:
    results = []
    with console.status("") as status:
        for number, scenario in enumerate(wanted, 1):

            def on_step(step: str, title: str = f"{number}/{len(wanted)} {scenario}") -> None:
                status.update(f"{title}: {step}")

            results.append(
                report.middle([await measure(scenario, seconds, on_step) for _ in range(rounds)])
            )
    return results


def _page(results: Sequence[Figures], rounds: int, seconds: float) -> str:
    machine = f"{os.cpu_count()} shared vCPUs, {platform.machine().replace('_', '-')}, CPython "
    notes = "".join(f"- {note}\n" for note in report.warnings(results))
    return PAGE.format(
        version=__version__,
        machine=machine + platform.python_version(),
        rounds=rounds,
        seconds=seconds,
        table=report.as_markdown(results),
        notes=f"\nNotes of this recording:\n{notes}" if notes else "",
    )


if __name__ == "__main__":
    sys.exit(main())
