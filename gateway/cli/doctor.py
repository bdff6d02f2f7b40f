"""``spangate doctor``: does everything work that the gateway depends on."""

import asyncio
from typing import Annotated, Literal

import msgspec
import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load
from gateway.diagnosis import Finding

_MARKS = {"ok": "[green]ok[/]  ", "warn": "[yellow]warn[/]", "fail": "[red]FAIL[/]"}


def doctor(
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    output: Annotated[Literal["table", "json"], typer.Option(help="How to print.")] = "table",
) -> None:
    """
    Check MLflow, experiments, ports, data directory and clock, and say what to do.

    Nothing is created and no span is sent. Exits with 1 if something fails.

    Example: spangate doctor --config gateway.yaml
    """
    from gateway import doctor as checks  # noqa: PLC0415 - keeps `spangate --help` quick

    settings = load(config or (), overrides or ())
    findings = asyncio.run(checks.examine(settings))
    failed = sum(finding.status == "fail" for finding in findings)
    if output == "json":
        document = {"ok": not failed, "checks": findings}
        typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
    else:
        _show(findings, failed)
    if failed:
        raise typer.Exit(1)


def _show(findings: list[Finding], failed: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.markup import escape  # noqa: PLC0415 - not needed for JSON

    console = Console(highlight=False)
    for finding in findings:
        line = escape(f"{finding.check}: {finding.detail}")
        console.print(f"{_MARKS[finding.status]}  {line}", soft_wrap=True)
        if finding.advice:
            console.print(escape(f"      -> {finding.advice}"), soft_wrap=True)
    warned = sum(finding.status == "warn" for finding in findings)
    console.print(f"{len(findings)} checks: {failed} failed, {warned} to look at")
