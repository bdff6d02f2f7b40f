"""No secret leaves by a side door: log, status page, metrics, files, printed configuration."""

import asyncio
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from gateway.fake_mlflow import FakeMlflow
from gateway.testing import batch
from tests.e2e.mlflow_server import eventually
from tests.gateway.cli.support import call
from tests.gateway.running import EXPORT

HOME = Path(__file__).parents[2]
MARK = "MARKED" + "-fake-secret-"
NAMES = (
    "inline", "environment", "file", "tokens-file", "folder", "basic", "mlflow", "header",
    "status", "metrics", "wrong", "wrong-basic", "url",
)  # fmt: skip
SECRETS = {name: f"{MARK}{name}" for name in NAMES}

CONFIG = """
receivers:
  otlp:
    protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}
    auth:
      tenants:
        - name: a
          tokens: [<inline>, "${env:PLANTED}", "${file:secret.txt}"]
          tokens_file: tokens.txt
          basic: {username: ada, password: <basic>}
      tenants_from: tenants.d
exporters:
  mlflow:
    endpoint: URL
    auth: {username: gateway, password: <mlflow>}
    headers: {x-proxy-key: <header>}
    retry_on_failure: {initial_interval: 20ms, max_interval: 50ms}
    batch: {flush_timeout: 20ms}
  otlp_http:
    endpoint: http://user:<url>@127.0.0.1:1
    retry_on_failure: {max_elapsed_time: 100ms, initial_interval: 20ms, max_interval: 50ms}
service:
  data_dir: data
  pipelines: {traces: {receivers: [otlp], processors: [], exporters: EXPORTERS}}
  telemetry:
    logs: {level: debug, format: json}
    metrics: {endpoint: "127.0.0.1:0", auth: {basic: {username: m, password: <metrics>}}}
    status: {endpoint: "127.0.0.1:0", auth: {token: <status>}}
    audit: {path: audit.jsonl}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a configuration that holds secrets everywhere."""
    (tmp_path / "secret.txt").write_text(SECRETS["file"])
    (tmp_path / "tokens.txt").write_text(SECRETS["tokens-file"])
    (tmp_path / "tenants.d").mkdir()
    (tmp_path / "tenants.d" / "b.yaml").write_text(f"name: b\ntokens: [{SECRETS['folder']}]\n")
    return tmp_path


def write(folder: Path, url: str, exporters: str = "[mlflow, otlp_http]", extra: str = "") -> Path:
    """Write the configuration; return its path."""
    text = CONFIG.replace("URL", url).replace("EXPORTERS", exporters) + extra
    for name, secret in SECRETS.items():
        text = text.replace(f"<{name}>", secret)
    path = folder / "gateway.yaml"
    path.write_text(text)
    return path


def basic(user: str, name: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{SECRETS[name]}".encode()).decode()


class Running:
    """A gateway in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, endpoints: dict[str, str]) -> None:
        self.process = process
        self.endpoints = endpoints


async def start(folder: Path) -> tuple[Running, "asyncio.Task[bytes]", bytes]:
    """Start the gateway; return it, what still reads its log, and the log so far."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli", "run", "--config", "gateway.yaml",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HOME), "PLANTED": SECRETS["environment"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    log = b""
    while line := await asyncio.wait_for(process.stdout.readline(), 30):
        log += line
        event: dict[str, Any] = json.loads(line)
        if event.get("event") == "gateway started":
            reading = asyncio.create_task(process.stdout.read())
            return Running(process, event["endpoints"]), reading, log
    raise AssertionError(log.decode())


async def exercise(running: Running, server: FakeMlflow) -> list[bytes]:
    """Use and misuse the gateway in every way; return what it answered."""
    server.poison = lambda span: span.name == "bad"
    http, status = (f"http://{running.endpoints[name]}" for name in ("http", "status"))
    good, bad = batch({}).encode(), batch({}, name="bad").encode()
    answers: list[bytes] = []
    credentials = [{"x-api-key": SECRETS[name]} for name in (
        "inline", "environment", "file", "tokens-file", "folder", "wrong"
    )]  # fmt: skip
    credentials.append({"Authorization": f"Bearer {SECRETS['wrong']}"})
    credentials.append({"Authorization": basic("ada", "basic")})
    credentials.append({"Authorization": basic("a", "wrong-basic")})
    async with aiohttp.ClientSession() as session:
        statuses = []
        for headers in credentials:
            for body in (good, bad, b"\xff\xff"):
                sent = headers | {"Content-Type": "application/x-protobuf"}
                async with session.post(f"{http}/v1/traces", data=body, headers=sent) as answer:
                    answers.append(await answer.read())
                    statuses.append(answer.status)
        assert {200, 400, 401} == set(statuses)
        assert 9 == statuses.count(401)
        async with grpc.aio.insecure_channel(running.endpoints["grpc"]) as channel:
            export = channel.unary_unary(
                EXPORT, request_serializer=None, response_deserializer=None
            )
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await export(good, metadata=(("x-api-key", SECRETS["wrong"]),), timeout=10)
            answers.append(str(caught.value).encode())

        async def shown() -> bool:
            token = {"Authorization": f"Bearer {SECRETS['status']}"}
            async with session.get(f"{status}/status.json", headers=token) as answer:
                answers.append(await answer.read())
            report = json.loads(answers[-1])
            return bool(report["dead_letters"])

        await eventually(shown, timeout_s=30, what="dead letters")
        metrics = f"http://{running.endpoints['metrics']}/metrics"
        right = {"Authorization": basic("m", "metrics")}
        async with session.get(metrics, headers=right) as answer:
            assert 200 == answer.status
            answers.append(await answer.read())
        wrong = {"Authorization": f"Bearer {SECRETS['wrong']}"}
        async with session.get(metrics, headers=wrong) as answer:
            assert 401 == answer.status
            answers.append(await answer.read())
    return answers


async def test_no_secret_in_any_output(folder: Path) -> None:
    """Secrets of settings and senders appear nowhere but where their owner put them."""
    async with FakeMlflow() as server:
        write(folder, server.url)
        running, reading, log = await start(folder)
        try:
            answers = await exercise(running, server)
            shown = command_line(running.process.pid)
        finally:
            running.process.terminate()
            await asyncio.wait_for(running.process.wait(), 40)
        log += await reading

    written = files(folder)
    assert folder / "audit.jsonl" in written
    assert b"credentials refused" in log
    owned = {"gateway.yaml", "secret.txt", "tokens.txt", "b.yaml"}
    assert [] == [path for path, data in written.items() if path.name not in owned and leaks(data)]
    assert not leaks(log)
    assert not leaks(shown)
    assert [] == [answer for answer in answers if leaks(answer)]


def command_line(pid: int) -> bytes:
    """Return what the process list shows."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


def files(folder: Path) -> dict[Path, bytes]:
    """Return all files in a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leaks(data: bytes) -> bool:
    """Return whether a secret is in it, plainly or as basic authentication writes it."""
    encoded = [
        basic(user, name).split()[1].encode()
        for user, name in (("gateway", "mlflow"), ("ada", "basic"), ("m", "metrics"))
    ]
    return MARK.encode() in data or any(text in data for text in encoded)


@pytest.mark.parametrize(
    "extra", ["", "  workrs: 2\n", "  telemetry: <status>\n"], ids=["good", "bad key", "bad value"]
)
@pytest.mark.parametrize("command", ["print-config", "validate", "schema"])
def test_no_secret_in_what_commands_print(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: str, extra: str
) -> None:
    """Printed configurations and their mistakes hold no secret."""
    monkeypatch.setenv("PLANTED", SECRETS["environment"])
    options = (
        [] if command == "schema" else ["--config", str(write(folder, "http://h", extra=extra))]
    )

    result = call(command, *options)

    assert not leaks(result.output.encode())
    assert result.output
