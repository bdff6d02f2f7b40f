"""What a log says, and what it never says: what is in spans."""

import asyncio
import json
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from gateway.config.settings import LogsConfig
from gateway.plugin import BatchContext
from gateway.telemetry import logs
from gateway.testing import batch
from tests.gateway.real import Gateway
from tests.gateway.running import gateway as running_gateway

MARK = "marked" + "-payload"


@pytest.fixture
def _taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log as a process of ours does, for one test."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.take_over(LogsConfig(level="debug", format="json"))


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was logged."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_exceptions_are_told_without_their_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Kind and way of a fault are there, its text is not: it may quote a span."""
    logs.configure("debug", "json")
    try:
        int(MARK)
    except ValueError as error:
        logs.get("plugin").error("failed", exc_info=error)
        logs.get("plugin").error("failed", exc_info=True)

    first, second = lines(capsys)
    assert first["fault"].startswith("ValueError at test_logs.py:")
    assert ["test_exceptions_are_told_without_their_text"] == [
        frame.split()[-1] for frame in second["frames"]
    ]
    assert MARK not in str((first, second))


@pytest.mark.usefixtures("_taken_over")
def test_libraries_log_without_values(capsys: pytest.CaptureFixture[str]) -> None:
    """What aiohttp, grpc and others log comes as a line of ours, without arguments."""
    try:
        int(MARK)
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling %s", MARK)
    logging.getLogger("grpc").error("Exception calling: %s\n%s", MARK, MARK)
    logging.getLogger("asyncio").warning("Executing took: " + MARK)  # noqa: G003 - as asyncio does
    logging.getLogger("asyncio").debug(MARK)

    found = lines(capsys)
    assert [
        ("aiohttp.server", "Error handling %s", "error"),
        ("grpc", "Exception calling", "error"),
        ("asyncio", "Executing took", "warning"),
    ] == [(line["component"], line["event"], line["level"]) for line in found]
    assert found[0]["fault"].startswith("ValueError at test_logs.py:")
    assert MARK not in str(found)


@pytest.mark.usefixtures("_taken_over")
def test_threads_fail_without_values(capsys: pytest.CaptureFixture[str]) -> None:
    """A thread that nobody watches leaves a line, not a traceback with values."""

    def fail() -> None:
        raise RuntimeError(MARK)

    thread = threading.Thread(target=fail, name="odd")
    thread.start()
    thread.join()

    (line,) = lines(capsys)
    assert ("a thread failed", "odd") == (line["event"], line["thread"])
    assert MARK not in str(line)


def test_a_flood_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """The log of a process holds the first lines of a flood; the status page counts them all."""
    logs.configure("info", "json")
    for _ in range(1000):
        logs.get("flooded").warning("again")

    written = [line for line in lines(capsys) if line["component"] == "flooded"]
    notice = next(one for one in logs.NOTICES.list() if one.component == "flooded")
    assert 30 == len(written)
    assert 1000 == notice.count


def test_lines_are_joined_to_traces() -> None:
    """A line about a batch names its request, its sender and a few of its traces."""
    context = BatchContext(tenant="search", peer="10.0.0.7", received_unix_ns=255)
    many = batch(*({} for _ in range(9)), context=context, one_trace=False)

    told = logs.trace_of(many)

    assert ("search", "10.0.0.7", "ff", 9) == tuple(
        told[key] for key in ("tenant", "peer", "request", "traces")
    )
    assert [span.trace_id.hex() for span in many.spans[:3]] == told["trace_ids"]


@pytest.mark.parametrize(("form", "expected"), [("json", "{"), ("console", "2")])
def test_forms(capsys: pytest.CaptureFixture[str], form: Any, expected: str) -> None:
    """JSON is one object a line, console is for people."""
    logs.configure("info", form)
    logs.get("service").info("started", spans=3)

    (line,) = capsys.readouterr().err.splitlines()
    assert expected == line[0]
    assert "started" in line


PLUGIN = """
from gateway.plugin import Config, Processor

class Failing(Processor[Config]):
    on_error = "pass"

    def process(self, batch):
        for span in batch:
            raise ValueError(f"cannot read {span.name} {dict(span.attributes)}")
"""
CONFIG = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
processors: {failing: {use: "./failing.py:Failing"}}
exporters:
  otlp_http:
    endpoint: BACKEND
    batch: {flush_timeout: 10ms}
    retry_on_failure: {initial_interval: 20ms, max_interval: 50ms, max_elapsed_time: 1s}
service:
  pipelines: {traces: {receivers: [otlp], processors: [failing], exporters: [otlp_http]}}
  telemetry:
    logs: {level: debug, format: json}
    metrics: {endpoint: "127.0.0.1:0"}
    status: {endpoint: "127.0.0.1:0"}
"""


async def _echo(request: web.Request) -> web.Response:
    """Refuse what one span says, and quote it as backends like to do."""
    body = await request.read()
    if b"keep" in body:
        warning = ExportTracePartialSuccess(error_message=f"beware of {MARK}")
        answer = ExportTraceServiceResponse(partial_success=warning)
        return web.Response(body=answer.SerializeToString(), content_type="application/x-protobuf")
    return web.json_response({"message": f"cannot store span {MARK}"}, status=400)


async def test_no_payload_in_the_log(tmp_path: Path) -> None:
    """Whatever fails on a span - sender, plugin, backend - no log line quotes it at any level."""
    (tmp_path / "failing.py").write_text(PLUGIN)
    app = web.Application()
    app.add_routes([web.post("/v1/traces", _echo)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    (tmp_path / "gateway.yaml").write_text(
        CONFIG.replace("BACKEND", url + "\n    compression: none")
    )
    gateway = Gateway(tmp_path)
    try:
        await gateway.start()
        await _misuse(gateway)
    finally:
        await gateway.end(gently=True)
        await runner.cleanup()
    found = await gateway.log()

    events = {line["event"] for line in found}
    assert {
        "processor failed",
        "request refused",
        "spans became dead letters",
        "the backend warns",
    } <= events
    assert MARK not in json.dumps(found)
    failed = next(line for line in found if line["event"] == "processor failed")
    assert 1 == len(failed["trace_ids"])


async def _misuse(gateway: Gateway) -> None:
    """Send spans that are marked everywhere, bodies that are none, and one that is fine."""
    marked = {f"{MARK}.key": MARK, "input": json.dumps({"text": MARK})}
    bad, good = (batch(marked, name=f"{MARK} {word}").encode() for word in ("bad", "keep"))
    protobuf = {"Content-Type": "application/x-protobuf"}
    as_json = {"Content-Type": "application/json"}
    spans = [{"traceId": MARK, "spanId": MARK, "name": MARK, "startTimeUnixNano": MARK}]
    wrong = {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}
    async with aiohttp.ClientSession() as http:
        for headers, body in (
            (as_json, f'{{"{MARK}": {MARK}'.encode()),
            (as_json, json.dumps(wrong).encode()),
            (protobuf, MARK.encode()),
            (protobuf | {"Content-Encoding": "gzip"}, MARK.encode()),
            (protobuf | {"x-mlflow-experiment-id": MARK}, bad),
        ):
            async with http.post(gateway.traces, data=body, headers=headers):
                pass
        status = f"http://{gateway.endpoints['status']}/status.json"
        async with asyncio.timeout(60):
            while True:
                async with http.post(gateway.traces, data=good, headers=protobuf):
                    pass
                async with http.get(status) as answer:
                    if (await answer.json())["dead_letters"]:
                        return
                await asyncio.sleep(0.05)


REFUSING = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0", max_request_body_size_mib: 1}}}}
processors: {strict: {use: "tests.gateway.plugins_for_tests:Say", what: busy}}
exporters: {debug: {}}
service:
  pipelines: {traces: {receivers: [otlp], processors: [strict], exporters: [debug]}}
"""


async def test_a_refusal_says_who_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log names the processor, and the reason where it is the gateway's, not a plugin's."""
    logs.configure("info", "json")
    async with running_gateway(tmp_path, REFUSING) as running:
        capsys.readouterr()
        assert 429 == (await running.post(batch({}).encode()))[0]
        assert 413 == (await running.post(batch({"text": "x" * 2_000_000}).encode()))[0]
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    busy, large = [line for line in lines if line["event"] == "request refused"]

    assert ("busy", "strict") == (busy["reason"], busy["processor"])
    assert "because" not in busy
    assert "too_large" == large["reason"]
    assert "max_request_body_size_mib" in large["because"]
