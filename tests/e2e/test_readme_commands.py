"""What whoever types the README's lines gets: a gateway whose traces are in MLflow."""

import asyncio
import json
import os
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.testing import batch
from tests.docs.test_readme import HOME, SHELL
from tests.e2e.mlflow_server import MlflowApi, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

FREE_PORTS = [
    word
    for setting in (
        "receivers.otlp.protocols.grpc",
        "receivers.otlp.protocols.http",
        "service.telemetry.metrics",
        "service.telemetry.status",
    )
    for word in ("--set", f"{setting}.endpoint=127.0.0.1:0")
]
RUNS = [shlex.split(line, comments=True) for line in SHELL if line.startswith("spangate run")]


@asynccontextmanager
async def started(words: list[str], folder: Path, mlflow_url: str) -> AsyncIterator[Process]:
    """Run a line of the README; it is ended by its own pid."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", *words[1:], *FREE_PORTS,
        cwd=HOME,
        env={
            **os.environ,
            "SPANGATE_DATA_DIR": str(folder / "data"),
            "MLFLOW_TRACKING_URI": mlflow_url,
        },
        stderr=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def announced(process: Process) -> dict[str, Any]:
    """Return the line that says the gateway has started."""
    assert process.stderr is not None
    said = []
    async for line in process.stderr:
        said.append(line.decode())
        if line.startswith(b"{") and json.loads(line)["event"] == "gateway started":
            event: dict[str, Any] = json.loads(line)
            return event
    raise AssertionError("".join(said))


@pytest.mark.parametrize("words", RUNS, ids=" ".join)
async def test_a_trace_arrives(words: list[str], tmp_path: Path, mlflow_url: str) -> None:
    """The page that is announced has the trace; a signal ends all, and the folder is ours alone."""
    sent = batch({"n": 1})
    trace_id = next(iter(sent)).trace_id
    async with started(words, tmp_path, mlflow_url) as process:
        event = await announced(process)
        server, _, page = event["pages"]["experiment llm-traces"].partition("/#/experiments/")
        async with aiohttp.ClientSession() as session:
            headers = {"Content-Type": "application/x-protobuf"}
            url = f"http://{event['endpoints']['http']}/v1/traces"
            async with session.post(url, data=sent.encode(), headers=headers) as answer:
                assert 200 == answer.status
        async with MlflowApi(server) as api:

            async def arrived() -> bool:
                return trace_id.hex() in await api.trace_ids(page.partition("/")[0])

            await eventually(arrived, what="the trace in MLflow")
        process.send_signal(signal.SIGTERM)
        assert 0 == await process.wait()

    assert 0o700 == (tmp_path / "data").stat().st_mode & 0o777


def test_there_is_one_with_mlflow() -> None:
    """The first line needs nothing but this package."""
    assert ["spangate", "run", "--with-mlflow"] in RUNS
