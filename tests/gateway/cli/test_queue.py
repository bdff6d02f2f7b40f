"""What ``spangate queue`` promises: to show and save what waits, and to change nothing."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.config.exporting import QueueConfig
from gateway.queue.base import Record
from gateway.queue.store import Store
from gateway.testing import batch
from tests.gateway.cli.support import GOOD, call


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    """Return the options that name a configuration with three waiting requests."""
    (tmp_path / "gateway.yaml").write_text(GOOD)
    asyncio.run(fill(tmp_path / "data" / "queue"))
    return ["-c", str(tmp_path / "gateway.yaml"), "--set", f"service.data_dir={tmp_path / 'data'}"]


async def fill(folder: Path) -> None:
    """Commit requests for two exporters."""
    store = Store(folder)
    for name in ("mlflow", "otlp_http"):
        store.open(name, QueueConfig())
    await store.start()
    for queue, destination in (("mlflow", "7"), ("mlflow", "8"), ("otlp_http", "")):
        sent = batch({"to": destination}, {})
        await store.commit(
            [
                Record(
                    queue=queue,
                    lane=1,
                    destination=destination,
                    payload=sent.encode(),
                    spans=2,
                    trace_ids=frozenset(span.trace_id for span in sent),
                    tenant="",
                    received_unix_ns=time.time_ns() - 90 * 10**9,
                )
            ]
        )
    await store.close()


def test_status_lists_what_waits(options: list[str]) -> None:
    """A line for each exporter, lane and destination, with its age, and the sum."""
    shown = call("queue", "status", *options)
    assert 0 == shown.exit_code
    lines = shown.stdout.splitlines()
    assert ["mlflow", "1", "7", "1", "2", "0.0", "1.5", "min"] == lines[1].split()
    assert "6 spans wait in" in lines[-1]


def test_status_as_json(options: list[str]) -> None:
    """The same for scripts."""
    shown = json.loads(call("queue", "status", *options, "--output", "json").stdout)
    assert [2, 2, 2] == [one["spans"] for one in shown["waiting"]]
    assert 0 == shown["damaged_records"]


def test_export_writes_requests(options: list[str], tmp_path: Path) -> None:
    """OTLP JSON, a request a line, into a file for us alone; what waits stays."""
    path = tmp_path / "waiting.jsonl"
    for _ in range(2):
        path.unlink(missing_ok=True)
        done = call("queue", "export", *options, "--exporter", "mlflow", "--to", path)
        assert 0 == done.exit_code
        requests = [json.loads(line) for line in path.read_text().splitlines()]
        spans = [one["resourceSpans"][0]["scopeSpans"][0]["spans"] for one in requests]
        assert [2, 2] == [len(some) for some in spans]
    assert 0o600 == path.stat().st_mode & 0o777


def test_export_as_protobuf(options: list[str]) -> None:
    """Each request behind its length, for one destination."""
    done = call("queue", "export", *options, "--destination", "8", "--format", "protobuf")
    data = done.stdout_bytes
    size = int.from_bytes(data[:4])
    assert len(data) == size + 4
    request = ExportTraceServiceRequest.FromString(data[4:])
    assert 2 == len(request.resource_spans[0].scope_spans[0].spans)


def test_a_file_that_exists_is_left_alone(options: list[str], tmp_path: Path) -> None:
    """An export never writes over a file."""
    path = tmp_path / "precious"
    path.write_text("mine")
    done = call("queue", "export", *options, "--to", path)
    assert 1 == done.exit_code
    assert "precious" in done.stderr
    assert "mine" == path.read_text()


def test_a_newer_format_is_told(options: list[str], tmp_path: Path) -> None:
    """A folder of a newer version ends in 1 with a sentence."""
    (tmp_path / "data" / "queue" / "FORMAT").write_text("spangate queue, format 9\n")
    done = call("queue", "status", *options)
    assert 1 == done.exit_code
    assert "newer Spangate" in done.stderr
