"""``spangate try``: run a pipeline's processors over a saved request."""

import asyncio
import contextlib
import gzip
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Annotated, Literal

import typer
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import Batch, BatchContext
from gateway.blame import blame
from gateway.cli.findings import Findings, find
from gateway.cli.options import ConfigFiles, Overrides
from gateway.clock import SystemClock
from gateway.components import Components
from gateway.config.loader import load
from gateway.config.settings import Settings
from gateway.errors import Flow, Reject
from gateway.gathering.offline import Verdict, decide_all
from gateway.lifecycle import StartError
from gateway.otlp.json import JsonError, decode_request
from gateway.telemetry import logs
from gateway.threads import Threads


def try_(
    file: Annotated[
        Path,
        typer.Argument(
            help="A saved request: protobuf or OTLP JSON, also .gz; - reads from stdin.",
            allow_dash=True,
        ),
    ],
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    pipeline: Annotated[
        str | None, typer.Option(help="Which pipeline, where the configuration has several.")
    ] = None,
    output: Annotated[
        Literal["table", "json"],
        typer.Option(help="What to print: before and after, or the resulting OTLP JSON alone."),
    ] = "table",
) -> None:
    """
    Run a pipeline's processors over a saved request and show before and after.

    Nothing is sent. Example: spangate try --config gateway.yaml request.json
    """
    settings = load(config or (), overrides or ())
    logs.configure("warning", "auto")
    name = _choose(pipeline, settings)
    before = _read(file)
    try:
        after, findings, verdicts = asyncio.run(_process(settings, name, before))
    except (Flow, StartError, OSError) as failure:
        typer.secho(f"spangate: {failure}{_cause(failure)}", err=True, fg="red")
        raise typer.Exit(1) from None
    if output == "json":
        typer.echo(after.to_json())
        return
    from gateway.cli.try_table import show  # noqa: PLC0415 - rich is not needed for JSON

    show(before, after, name, findings, verdicts)


def _cause(failure: BaseException) -> str:
    """Return what a plugin failed with; its text, which logs leave out, helps who tries it."""
    cause = failure.__cause__
    if not isinstance(failure, Reject) or cause is None or isinstance(cause, Flow):
        return ""
    return f"\n    {blame(cause)}"


def _choose(wanted: str | None, settings: Settings) -> str:
    names = list(settings.service.pipelines)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted in names:
        return wanted
    problem = "several pipelines" if wanted is None else f'no pipeline "{wanted}"'
    typer.secho(
        f"spangate: {problem} in the configuration; choose with --pipeline: {', '.join(names)}",
        err=True,
        fg="red",
    )
    raise typer.Exit(2)


def _read(file: Path) -> Batch:
    """Return the saved request; exit with a sentence where it is none."""
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise _unusable(f"cannot read {file}: {error.strerror}") from None
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        request = _decode(data)
    except (OSError, EOFError, zlib.error, DecodeError, JsonError) as error:
        raise _unusable(
            f"{file} is no trace request: {error}; expected protobuf or OTLP JSON as an exporter "
            "posts it to /v1/traces"
        ) from None
    return Batch(request, BatchContext(received_unix_ns=SystemClock().time_ns()))


def _decode(data: bytes) -> bytes:
    """
    Return a request in protobuf.

    The first bytes do not tell which it is: a request of 123 bytes begins with a line break and a
    brace in protobuf too.

    Raises:
        JsonError: it looks like JSON and is neither.
        DecodeError: it is no protobuf.

    """
    try:
        if data.lstrip()[:1] == b"{":
            return decode_request(data).SerializeToString()
    except JsonError as error:
        with contextlib.suppress(DecodeError):
            return _checked(data)
        raise error from None
    return _checked(data)


def _checked(data: bytes) -> bytes:
    ExportTraceServiceRequest.FromString(data)
    return data


def _unusable(problem: str) -> typer.Exit:
    typer.secho(f"spangate: {problem}", err=True, fg="red")
    return typer.Exit(2)


async def _process(
    settings: Settings, name: str, before: Batch
) -> tuple[Batch, Findings, list[Verdict]]:
    """Run the pipeline on a copy, with a data folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="spangate-try-") as folder:
        components = Components(settings, SystemClock(), Path(folder))
        threads = Threads()
        try:
            pipeline = await components.pipeline(name, threads)
            after = await pipeline.process(Batch(before.encode(), before.context))
            verdicts: list[Verdict] = []
            if pipeline.judge is not None:
                dropped = after.dropped
                after, verdicts = decide_all(pipeline.judge, after)
                after.dropped = dropped
            return after, find(components.processors, before), verdicts
        finally:
            await components.stop(logs.get("try"))
            threads.close()
