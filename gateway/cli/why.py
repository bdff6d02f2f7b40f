"""``spangate why``: what became of a trace."""

import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal

import msgspec
import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.cli.queue import failed
from gateway.config.loader import load
from gateway.why import Story, look, parse
from gateway.why_client import Silent, address, ask

_LABELS = {
    "received": "received",
    "refused": "refused to the sender",
    "dropped": "dropped",
    "trimmed": "spans dropped",
    "kept": "kept",
    "sampled_out": "sampled out",
    "sent": "delivered",
    "dead_letter": "dead letter",
}


def why(
    trace: Annotated[
        str,
        typer.Argument(metavar="TRACE_ID", help="Hex digits, MLflow's tr-..., or a traceparent."),
    ],
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    url: Annotated[
        str | None,
        typer.Option(help="Address of the gateway's status page; else that of the configuration."),
    ] = None,
    output: Annotated[Literal["text", "json"], typer.Option(help="How to print.")] = "text",
) -> None:
    """
    Say what became of a trace: received, sampled out, waiting, delivered, or a dead letter.

    The running gateway is asked; without one its queue and dead letters on disk are looked at.

    Example: spangate why 4bf92f3577b34da6a3ce929d0e0e4736 --config gateway.yaml
    """
    settings = load(config or (), overrides or ())
    try:
        trace_id = parse(trace)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="TRACE_ID") from None
    status = settings.service.telemetry.status
    where = url or address(status.endpoint)
    silence = ""
    try:
        try:
            story = ask(where, trace_id, status.auth)
        except Silent as silent:
            silence = str(silent)
            story = look(settings, trace_id)
    except OSError as error:
        raise failed(error) from None
    if output == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(story)).decode())
    else:
        _print(story, silence, settings.service.data_dir)
    if story.state == "unknown":
        raise typer.Exit(1)


def _print(story: Story, silence: str, data_dir: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - not needed for JSON

    console = Console(width=None if sys.stdout.isatty() else 200, markup=False, highlight=False)
    console.print(f"trace {story.trace_id}: {story.summary}")
    table = Table.grid(padding=(0, 2), pad_edge=True)
    for at, what, how in sorted(_rows(story), key=lambda row: row[0]):
        table.add_row(_time(at), what, how)
    console.print(table)
    if silence:
        console.print(f"Only the disk was looked at ({data_dir}): {silence}")
    if story.state == "unknown":
        for advice in _advice(silence):
            console.print(f"- {advice}")


def _rows(story: Story) -> Iterator[tuple[int, str, str]]:
    for fact in story.facts:
        if fact.detail.kind != "dead_letter" or not story.dead_letters:  # which tell more
            yield fact.time_unix_ns, _LABELS[fact.detail.kind], _told(fact.detail)
    for part in story.waiting:
        whose = f"by {part.exporter}" if part.exporter else f"in pipeline {part.pipeline}"
        where = " ".join(filter(None, (whose, part.destination, part.page)))
        trouble = f" - {part.trouble}" if part.trouble else ""
        yield part.since_unix_ns, "waiting", f"{where}, lane {part.lane}{trouble}"
    for letter in story.dead_letters:
        what = f"{letter.id} span {letter.span_id} {letter.name}"
        where = f"{letter.exporter} {letter.destination}, {letter.attempts} tries"
        yield letter.time_unix_ns, "dead letter", f"{what}: {where}: {letter.reason}"


def _told(detail: msgspec.Struct) -> str:
    """Return what is known of an event, each part with the word that explains it."""
    words = {
        "receiver": "by {}",
        "transport": "over {}",
        "peer": "from {}",
        "tenant": "tenant {}",
        "by": "by {}",
        "rule": "rule {}",
        "pipeline": "in pipeline {}",
        "exporter": "by {}",
        "destination": "to {}",
        "page": "{}",
        "reason": "because {}",
    }
    return ", ".join(
        text.format(value) for name, text in words.items() if (value := getattr(detail, name))
    )


def _time(unix_ns: int) -> str:
    at = datetime.fromtimestamp(unix_ns / 1e9).astimezone()
    return at.isoformat(sep=" ", timespec="milliseconds")


def _advice(silence: str) -> Iterator[str]:
    yield "Is the id right? It has 32 hex digits; MLflow shows it as tr-<digits>."
    if silence:
        yield "Start the gateway, or name its status page with --url, so that it can be asked."
    else:
        yield (
            "The gateway remembers its latest traces since it was started; look for older ones "
            "in MLflow."
        )
        yield (
            "Does the sender send here? Look at its OTEL_EXPORTER_OTLP_ENDPOINT and at "
            "spangate_receiver_refused_spans_total; spangate doctor checks the rest."
        )
