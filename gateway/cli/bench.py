"""``spangate bench``: a quick throughput figure of this machine."""

import asyncio
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from gateway.bench import report
from gateway.bench.processes import BenchError
from gateway.bench.scenario import Figures, Scenario, measure

SCENARIOS = (
    Scenario(protocol="http", kind="llm", spans=100),
    Scenario(protocol="http", kind="plain", spans=100),
    Scenario(protocol="grpc", kind="llm", spans=100),
    Scenario(protocol="grpc", kind="plain", spans=1),
)


def bench(
    *,
    seconds: Annotated[
        float, typer.Option(min=0.5, help="How long each of the four kinds of work is loaded.")
    ] = 2.5,
    output: Annotated[
        Literal["table", "json"], typer.Option(help="How the figures are written to stdout.")
    ] = "table",
) -> None:
    """
    Measure the throughput of this machine in about 20 seconds.

    A gateway without processors, its queue in memory, forwards generated traces to a sink; each
    runs in a process of its own. CPU time is that of the gateway, until all spans have arrived.

    Example: spangate bench --seconds 5
    """
    try:
        results = asyncio.run(_measure_all(seconds))
    except BenchError as error:
        typer.secho(f"spangate: {error}", err=True, fg="red")
        raise typer.Exit(1) from None
    if output == "json":
        typer.echo(report.as_json(results))
        return
    Console().print(report.as_table(results))
    for warning in report.warnings(results):
        typer.secho(f"note: {warning}", err=True)


async def _measure_all(seconds: float) -> list[Figures]:
    results = []
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        task = progress.add_task("", total=len(SCENARIOS) * len(_STEPS))
        for scenario in SCENARIOS:

            def on_step(step: str, scenario: Scenario = scenario) -> None:
                progress.update(task, description=f"{scenario}: {step}", advance=1)

            results.append(await measure(scenario, seconds, on_step))
    return results


_STEPS = ("starting", "warming up", "loading", "draining")
