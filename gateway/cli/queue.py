"""``spangate queue``: what waits on disk, whether the gateway runs or not."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec
import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load
from gateway.numbers import several

queue = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Show or save what waits on disk, whether the gateway runs or not.",
    epilog="Example: spangate queue status --config gateway.yaml",
)

_Exporter = Annotated[str | None, typer.Option(help="Only what waits for this exporter.")]


@queue.command()
def status(
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    output: Annotated[Literal["table", "json"], typer.Option(help="How to print.")] = "table",
) -> None:
    """
    Show what waits, by exporter, lane and destination.

    Beside a running gateway it is a moment old.

    Example: spangate queue status --config gateway.yaml --output json
    """
    from gateway.queue.scanner import Scanner  # noqa: PLC0415 - keeps `spangate --help` quick

    folder = _folder(config, overrides)
    try:
        found = Scanner(folder).overview()
    except OSError as error:
        raise failed(error) from None
    if output == "json":
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - not needed for JSON

    table = Table(box=None, pad_edge=False)
    for column in ("exporter", "lane", "destination"):
        table.add_column(column, overflow="fold")
    for column in ("records", "spans", "MiB", "oldest"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in found.waiting:
        table.add_row(
            one.exporter,
            str(one.lane),
            one.destination or "-",
            f"{one.records:,}",
            f"{one.spans:,}",
            f"{one.bytes / (1 << 20):,.1f}",
            _age(one.oldest_unix_ns),
        )
    console = Console(width=None if sys.stdout.isatty() else 160, markup=False)
    if found.waiting:
        console.print(table)
    spans = sum(one.spans for one in found.waiting)
    console.print(f"{several(spans, 'span')} {'waits' if spans == 1 else 'wait'} in {folder}")
    if found.damaged_records:
        console.print(
            f"{found.damaged_records} records are damaged; the next start sets them aside"
        )


@queue.command()
def export(
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    exporter: _Exporter = None,
    destination: Annotated[
        str | None, typer.Option(help="Only what waits for this destination, as status shows it.")
    ] = None,
    form: Annotated[
        Literal["json", "protobuf"],
        typer.Option(
            "--format",
            help="json: one OTLP JSON request a line; protobuf: each request behind its length "
            "(4 bytes, big-endian).",
        ),
    ] = "json",
    to: Annotated[
        Path | None, typer.Option(help="File to write; standard output if absent.")
    ] = None,
) -> None:
    """
    Write the waiting requests; they stay in the queue.

    Example: spangate queue export --exporter mlflow --to waiting.jsonl
    """
    from gateway.queue.scanner import Scanner  # noqa: PLC0415 - keeps `spangate --help` quick

    folder = _folder(config, overrides)
    spans = 0
    try:
        with target(to) as file:
            for meta, payload in Scanner(folder).records(exporter, destination):
                file.write(json_line(payload) if form == "json" else framed(payload))
                spans += meta.spans
    except OSError as error:
        raise failed(error) from None
    typer.echo(several(spans, "span") + " written", err=True)


def _folder(config: list[Path] | None, overrides: list[str] | None) -> Path:
    return Path(load(config or (), overrides or ()).service.data_dir) / "queue"


@contextmanager
def target(path: Path | None) -> Iterator[BinaryIO]:
    """Open a new file for us alone, or standard output."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with path.open("xb") as file:
        path.chmod(0o600)  # spans may hold what people wrote
        yield file


def json_line(payload: bytes) -> bytes:
    """Return an encoded request as a line of OTLP JSON."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - slow
        ExportTraceServiceRequest,
    )

    from gateway.otlp.json import encode_request  # noqa: PLC0415 - slow to import

    return (
        msgspec.json.encode(encode_request(ExportTraceServiceRequest.FromString(payload))) + b"\n"
    )


def framed(payload: bytes) -> bytes:
    """Return an encoded request behind its length."""
    return len(payload).to_bytes(4) + payload


def _age(unix_ns: int) -> str:
    seconds = max(0.0, time.time() - unix_ns / 1e9)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def failed(error: Exception) -> typer.Exit:
    """Say what went wrong; raise the result to end the command."""
    typer.secho(f"spangate: {error}", err=True, fg="red")
    return typer.Exit(1)
