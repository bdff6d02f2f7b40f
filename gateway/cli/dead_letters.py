"""``spangate dead-letters``: what could not be delivered, why, and again."""

import asyncio
import getpass
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from gateway.cli.options import ConfigFiles, Overrides
from gateway.cli.queue import failed, framed, json_line, target
from gateway.config.loader import load
from gateway.config.settings import Settings
from gateway.numbers import several
from gateway.queue.dead_letters import DeadLetter, LetterFile

dead_letters = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What could not be delivered, why, and again; with the gateway up or down.",
    epilog="Example: spangate dead-letters list --config gateway.yaml",
)

_Exporter = Annotated[str | None, typer.Option(help="Only those of this exporter.")]
_Trace = Annotated[str | None, typer.Option("--trace", help="Only those of this trace id.")]
_Ids = Annotated[list[str] | None, typer.Argument(help="Ids, as `list` shows them.")]
_All = Annotated[bool, typer.Option("--all", help="All that the other options leave.")]


@dead_letters.command("list")
def list_(
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    exporter: _Exporter = None,
    trace: _Trace = None,
    limit: Annotated[int, typer.Option(help="The newest so many; 0 for all.")] = 100,
    output: Annotated[Literal["table", "json"], typer.Option(help="How to print.")] = "table",
) -> None:
    """
    List the dead letters, the newest last.

    Example: spangate dead-letters list --config gateway.yaml --exporter mlflow
    """
    found = _chosen(_file(_load(config, overrides)), None, exporter, trace)
    shown = found[-limit:] if limit else found
    if output == "json":
        listed = [_facts(letter) for letter in shown]
        typer.echo(msgspec.json.format(msgspec.json.encode(listed)).decode())
        return
    from rich.console import Console  # noqa: PLC0415 - not needed for JSON
    from rich.table import Table  # noqa: PLC0415 - not needed for JSON

    table = Table(box=None, pad_edge=False)
    for column in ("id", "time", "span id"):
        table.add_column(column, no_wrap=True)
    for column in ("name", "destination", "tries", "reason"):
        table.add_column(column, overflow="fold")
    for letter in shown:
        where = f"{letter.exporter} {letter.destination}".strip()
        table.add_row(
            letter.id,
            _time(letter),
            letter.span_id,
            letter.name,
            where,
            str(letter.attempts),
            letter.reason,
        )
    console = Console(width=None if sys.stdout.isatty() else 200, markup=False)
    if shown:
        console.print(table)
    console.print(several(len(found), "dead letter") + _but(len(shown), len(found)))


@dead_letters.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")],
    config: ConfigFiles = None,
    overrides: Overrides = None,
) -> None:
    """
    Print one dead letter as JSON, with its span as OTLP JSON.

    Example: spangate dead-letters show 1f3a5c7e9b0d --config gateway.yaml
    """
    letter = _chosen(_file(_load(config, overrides)), [letter_id], None, None)[0]
    request = msgspec.json.decode(json_line(letter.payload))
    document = {**_facts(letter), "request": request}
    typer.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


@dead_letters.command()
def export(
    ids: _Ids = None,
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    exporter: _Exporter = None,
    trace: _Trace = None,
    form: Annotated[
        Literal["json", "protobuf"],
        typer.Option(
            "--format",
            help="json: one OTLP JSON request a line; protobuf: each request behind its length "
            "(4 bytes, big-endian).",
        ),
    ] = "json",
    to: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None,
) -> None:
    """
    Write the spans of dead letters as requests; the letters stay.

    Example: spangate dead-letters export --to dead.jsonl
    """
    letters = _chosen(_file(_load(config, overrides)), ids, exporter, trace)
    encode = json_line if form == "json" else framed
    try:
        with target(to) as file:
            for letter in letters:
                file.write(encode(letter.payload))
    except OSError as error:
        raise failed(error) from None
    typer.echo(several(len(letters), "span") + " written", err=True)


@dead_letters.command()
def drop(
    ids: _Ids = None,
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    exporter: _Exporter = None,
    trace: _Trace = None,
    everything: _All = False,
) -> None:
    """
    Remove dead letters for good.

    Example: spangate dead-letters drop --exporter mlflow
    """
    _require_choice(ids, exporter, trace, everything)
    settings = _load(config, overrides)
    file = _file(settings)
    letters = _chosen(file, ids, exporter, trace)
    try:
        dropped = file.remove({letter.id for letter in letters})
    except OSError as error:
        raise failed(error) from None
    _audit(settings, "dead letters dropped", letters, dropped)
    typer.echo(several(dropped, "dead letter") + " dropped")


@dead_letters.command()
def replay(
    ids: _Ids = None,
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    exporter: _Exporter = None,
    trace: _Trace = None,
    everything: _All = False,
) -> None:
    """
    Send dead letters again through their exporter; those that arrive are removed.

    Exits with 1 where some could not be sent; they stay, and the reason is told.

    Example: spangate dead-letters replay --all --config gateway.yaml
    """
    _require_choice(ids, exporter, trace, everything)
    settings = _load(config, overrides)
    file = _file(settings)
    letters = _chosen(file, ids, exporter, trace)
    reasons = asyncio.run(_replay(settings, file, letters))
    sent = len(letters) - sum(reasons.values())
    _audit(settings, "dead letters replayed", letters, sent)
    typer.echo(f"{sent:,} of {len(letters):,} dead letters sent")
    for reason, count in reasons.items():
        typer.secho(f"{count:,} stay: {reason}", err=True, fg="red")
    if reasons:
        raise typer.Exit(1)


async def _replay(
    settings: Settings, file: LetterFile, letters: list[DeadLetter]
) -> dict[str, int]:
    """Send letters and remove what arrived; return how many were left, by reason."""
    from rich.console import Console  # noqa: PLC0415 - keeps `--help` quick
    from rich.progress import Progress  # noqa: PLC0415 - keeps `--help` quick

    from gateway.clock import SystemClock  # noqa: PLC0415 - keeps `--help` quick
    from gateway.components import Components  # noqa: PLC0415 - keeps `--help` quick
    from gateway.delivery.replay import Replay  # noqa: PLC0415 - keeps `--help` quick
    from gateway.lifecycle import StartError  # noqa: PLC0415 - keeps `--help` quick
    from gateway.telemetry import logs  # noqa: PLC0415 - keeps `--help` quick

    clock = SystemClock()
    parts = Components(settings, clock, Path(settings.service.data_dir))
    reasons: dict[str, int] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("sending", total=len(letters))

        def settled(some: Sequence[DeadLetter], reason: str | None) -> None:
            progress.advance(task, len(some))
            if reason is None:
                file.remove({letter.id for letter in some})
            else:
                reasons[reason] = reasons.get(reason, 0) + len(some)

        try:
            await parts.start_receivers()  # they know the tenants, which exporters ask about
            await parts.start_exporters()
            await Replay(parts.exporters, clock, settled).run(letters)
        except (StartError, OSError) as error:
            raise failed(error) from None
        finally:
            await parts.stop(logs.get("replay"))
    return reasons


def _load(config: list[Path] | None, overrides: list[str] | None) -> Settings:
    settings = load(config or (), overrides or ())
    from gateway.telemetry import logs  # noqa: PLC0415 - keeps `--help` quick

    logs.configure("warn", "auto")
    return settings


def _file(settings: Settings) -> LetterFile:
    return LetterFile(Path(settings.service.data_dir) / "dead-letters")


def _chosen(
    file: LetterFile, ids: Sequence[str] | None, exporter: str | None, trace: str | None
) -> list[DeadLetter]:
    wanted = set(ids or ())
    trace_id = None if trace is None else _trace_id(trace)
    try:
        letters = [
            letter
            for letter in file.read()
            if (not wanted or letter.id in wanted)
            and exporter in (None, letter.exporter)
            and trace_id in (None, letter.trace_id)
        ]
    except OSError as error:
        raise failed(error) from None
    missing = wanted - {letter.id for letter in letters}
    if missing:
        typer.secho(f"spangate: no dead letter {', '.join(sorted(missing))}", err=True, fg="red")
        raise typer.Exit(1)
    return letters


def _trace_id(text: str) -> str:
    from gateway.why import parse  # noqa: PLC0415 - keeps `--help` quick

    try:
        return parse(text).hex()
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--trace") from None


def _require_choice(
    ids: list[str] | None, exporter: str | None, trace: str | None, everything: bool
) -> None:
    if not (ids or exporter or trace or everything):
        raise typer.BadParameter("say which: ids, --exporter, --trace, or --all")


def _facts(letter: DeadLetter) -> dict[str, object]:
    facts: dict[str, object] = msgspec.to_builtins(letter)
    del facts["request"], facts["key"]
    return {"id": letter.id, "time": _time(letter), **facts}


def _time(letter: DeadLetter) -> str:
    at = datetime.fromtimestamp(letter.time_unix_ns / 1e9, UTC)
    return at.isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")


def _but(shown: int, found: int) -> str:
    return f"; the newest {shown:,} are listed (--limit)" if shown < found else ""


def _audit(settings: Settings, event: str, letters: Sequence[DeadLetter], done: int) -> None:
    from gateway.audit import Audit  # noqa: PLC0415 - keeps `--help` quick
    from gateway.clock import SystemClock  # noqa: PLC0415 - keeps `--help` quick
    from gateway.telemetry import logs  # noqa: PLC0415 - keeps `--help` quick

    path = settings.service.telemetry.audit.path
    logs.configure("info", "auto")
    audit = Audit(logs.get("audit"), SystemClock(), Path(path) if path else None)
    exporters = sorted({letter.exporter for letter in letters})
    audit.changed(
        event, actor=getpass.getuser(), letters=done, of=len(letters), exporters=exporters
    )
    audit.close()
