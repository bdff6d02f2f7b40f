"""What the gateway keeps of its promises whatever a plugin does, and what it says about it."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.lifecycle import StartError
from gateway.telemetry import logs
from gateway.testing import batch
from tests.gateway.plugins_for_tests import Rubbish
from tests.gateway.running import Gateway, gateway

PLUGIN = '''
import asyncio
import sys

from gateway.plugin import Batch, Config, Exporter, ExporterConfig, Processor


class Faulty(Processor[Config]):
    """Fail as the batch says."""

    async def start(self, context):
        self.counted = context.meter.count

    def process(self, batch):
        self.counted("faulty_batches")
        for span in batch:
            match span.name:
                case "raises":
                    raise KeyError("my secret prompt")
                case "exits":
                    sys.exit("my secret prompt")
                case "cancels":
                    raise asyncio.CancelledError
                case "nothing":
                    return None
                case "bytes":
                    return Batch(b"not protobuf at all")
                case "drops":
                    return Batch(b"")
                case "stripped":
                    span.proto.trace_id = b""
        return batch


class Leaky(Processor[Config]):
    """Start a task for every batch and forget it."""

    async def process(self, batch):
        self.task = asyncio.create_task(self.work())
        self.failing = asyncio.create_task(self.fail())
        return batch

    async def work(self):
        await asyncio.Event().wait()

    async def fail(self):
        raise ValueError("my secret prompt")


class Unstartable(Processor[Config]):
    """Cannot start."""

    async def start(self, context):
        self.token = {}["token"]

    def process(self, batch):
        return batch


class Lost(Exporter[ExporterConfig]):
    """Cannot tell where spans go."""

    def route(self, context, resource):
        return {}["team"]

    async def export(self, batch):
        pass
'''

CONFIG = """
receivers: {{otlp: }}
processors:
  {processor}
exporters:
  file: {{path: {folder}/out.jsonl}}
  lost: {{use: "./faulty.py:Lost", sending_queue: {{storage: memory}}}}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: [faulty], exporters: [{exporter}]}}
"""


@asynccontextmanager
async def running(
    folder: Path, processor: str = "Faulty", exporter: str = "file", on_error: str = "reject"
) -> AsyncIterator[Gateway]:
    logs.configure("info", "json")
    (folder / "faulty.py").write_text(PLUGIN)
    one = f"faulty: {{use: './faulty.py:{processor}', on_error: {on_error}}}"
    text = CONFIG.format(folder=folder, processor=one, exporter=exporter)
    async with gateway(folder, text) as started:
        yield started


def events(capsys: pytest.CaptureFixture[str], event: str) -> list[dict[str, Any]]:
    """Return the logged events of that name; none of the log quotes a span."""
    logged = capsys.readouterr().err
    assert "my secret prompt" not in logged
    return [one for line in logged.splitlines() if (one := json.loads(line))["event"] == event]


def delivered(folder: Path) -> int:
    request = (folder / "out.jsonl").read_text() if (folder / "out.jsonl").exists() else ""
    return request.count("spanId")


@pytest.mark.parametrize("fault", ["raises", "exits", "cancels", "nothing", "bytes", "stripped"])
async def test_one_request_fails_and_the_next_goes_through(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sender is told, the log names plugin, file, line and what to do, and life goes on."""
    async with running(tmp_path) as started:
        status, body, _ = await started.post(batch({}, name=fault).encode())
        assert 400 == status
        assert b"processor faulty failed" in body
        assert b"secret" not in body
        assert 200 == (await started.post(batch({}).encode()))[0]

    assert 1 == delivered(tmp_path)
    [failure] = events(capsys, "processor failed")
    assert "faulty" == failure["processor"]
    assert "at faulty.py:" in failure["reason"]
    assert "mend the plugin; the batch was refused to the sender" == failure["advice"]


@pytest.mark.parametrize(("on_error", "arrives"), [("pass", 1), ("drop", 0)])
@pytest.mark.parametrize("fault", ["raises", "exits", "nothing", "bytes", "stripped"])
async def test_the_policy_holds_for_every_fault(
    fault: str, on_error: str, arrives: int, tmp_path: Path
) -> None:
    """Passed on as it was, or dropped; accepted in both cases."""
    async with running(tmp_path, on_error=on_error) as started:
        assert 200 == (await started.post(batch({}, name=fault).encode()))[0]

    assert arrives == delivered(tmp_path)


async def test_what_a_plugin_drops_is_counted(tmp_path: Path) -> None:
    """Spans that vanish, with a word or without, show as the difference of two counters."""
    async with running(tmp_path) as started:
        before = await lost(started)
        assert 200 == (await started.post(batch({}, {}, name="drops").encode()))[0]
        assert before + 2 == await lost(started)

    assert 0 == delivered(tmp_path)


async def lost(started: Gateway) -> float:
    async with started.http.get(started.url("/metrics", "metrics")) as answer:
        lines = (await answer.text()).splitlines()
    label = '_spans_total{pipeline="traces",processor="faulty"} '
    found = {name: float(line.partition(label)[2])
             for line in lines for name in ("incoming", "outgoing")
             if line.startswith(f"spangate_processor_{name}{label}")}  # fmt: skip
    return found.get("incoming", 0) - found.get("outgoing", 0)


async def test_leaked_tasks_are_named_and_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a plugin leaves running ends with the gateway; a failure in it quotes nothing."""
    async with running(tmp_path, "Leaky") as started:
        assert 200 == (await started.post(batch({}).encode()))[0]
    await asyncio.sleep(0)

    logged = capsys.readouterr().err
    assert "my secret prompt" not in logged
    [leak] = [
        line for line in map(json.loads, logged.splitlines()) if "left a task" in line["event"]
    ]
    assert leak["task"].startswith("Leaky.work at faulty.py:")
    assert "cancel it in stop()" in leak["advice"]


async def test_one_that_cannot_start_stops_the_start(tmp_path: Path) -> None:
    """Nothing is accepted, and the message names component, file and line."""
    with pytest.raises(ExceptionGroup) as failed:
        async with running(tmp_path, "Unstartable"):
            pass
    [error] = failed.value.exceptions
    assert isinstance(error, StartError)
    assert re.fullmatch(r"processors\.faulty: KeyError: 'token' at faulty\.py:\d+", str(error))


async def test_an_exporter_that_cannot_route_loses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sender is told to come back, and why is in the log."""
    async with running(tmp_path, exporter="lost") as started:
        status, body, headers = await started.post(batch({}).encode())
        assert 503 == status
        assert b"exporter Lost cannot tell where spans go" in body
        assert "Retry-After" in headers

    [failure] = events(capsys, "exporter failed to route")
    assert "at faulty.py:" in failure["reason"]


async def test_a_receiver_that_delivers_rubbish(tmp_path: Path) -> None:
    """What cannot be read is rejected by name, before any processor sees it."""
    text = """
receivers: {rubbish: {use: "tests.gateway.plugins_for_tests:Rubbish"}}
exporters: {debug: {}}
service: {pipelines: {traces: {receivers: [rubbish], processors: [], exporters: [debug]}}}
"""
    async with gateway(tmp_path, text):
        [said] = Rubbish.said
    assert "no request of OTLP in protobuf" in said
