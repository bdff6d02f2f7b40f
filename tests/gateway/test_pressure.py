"""The table of answers again, with authentication on and the whole gateway under pressure."""

import asyncio
import errno
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped] # no stubs

from gateway.otlp.json import encode_request
from gateway.plugin import Batch
from gateway.queue.disk import Disk
from gateway.testing import batch
from tests.gateway.running import Gateway, gateway

TOKEN = "fake-" + "token-one"
OTHER = "fake-" + "token-two"
FEW = "fake-" + "token-few"
PROTOBUF, JSON = "application/x-protobuf", "application/json"
CONFIG = f"""
receivers:
  otlp:
    auth:
      tenants:
        - {{name: one, tokens: [{TOKEN}]}}
        - {{name: two, tokens: [{OTHER}]}}
        - {{name: few, tokens: [{FEW}], quota: {{spans_per_second: 0.5, burst: 1}}}}
processors: {{memory_limiter: {{limit_mib: LIMIT}}}}
exporters:
  otlp_http:
    endpoint: http://127.0.0.1:9
    sending_queue: {{max_size_mib: 1, num_lanes: 1}}
service:
  shutdown_timeout: 1s
  pipelines: {{traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_http]}}}}
"""


class Answer(NamedTuple):
    """What a sender sees, the same for all protocols."""

    status: int
    """HTTP status, or gRPC code."""
    code: int
    """Code in the Status message; 0 of an accepted request."""
    delay_s: float | None


def of_size(size: int) -> Batch:
    """Return a request of about so many bytes, which do not compress."""
    return batch({"text": os.urandom(size // 2).hex()})


async def by_grpc(running: Gateway, sent: Batch, token: str) -> Answer:
    try:
        await running.call(sent.encode(), {"x-api-key": token})
    except grpc.aio.AioRpcError as error:
        code = error.code().value[0]
        trailing: Any = error.trailing_metadata() or ()
        status = status_pb2.Status.FromString(dict(trailing).get("grpc-status-details-bin", b""))
        return Answer(code, code, in_protobuf(status))
    return Answer(0, 0, None)


def in_protobuf(status: Any) -> float | None:
    """Return the delay in a status message."""
    for detail in status.details:
        info = error_details_pb2.RetryInfo()
        assert detail.Unpack(info)
        return float(info.retry_delay.ToNanoseconds()) / 1e9
    return None


async def by_http(running: Gateway, sent: Batch, token: str) -> Answer:
    status, body, headers = await running.post(sent.encode(), {"x-api-key": token})
    assert PROTOBUF == headers["Content-Type"]
    if status == 200:
        return Answer(200, 0, None)
    message = status_pb2.Status.FromString(body)
    check_header(headers, in_protobuf(message))
    return Answer(status, message.code, in_protobuf(message))


async def by_json(running: Gateway, sent: Batch, token: str) -> Answer:
    body = json.dumps(encode_request(sent.peek)).encode()
    headers = {"x-api-key": token, "Content-Type": JSON}
    status, answer, headers = await running.post(body, headers)
    assert headers["Content-Type"].startswith(JSON)
    if status == 200:
        return Answer(200, 0, None)
    message = json.loads(answer)
    delays = [float(detail["retryDelay"].rstrip("s")) for detail in message.get("details", [])]
    delay_s = delays[0] if delays else None
    check_header(headers, delay_s)
    return Answer(status, message["code"], delay_s)


def check_header(headers: dict[str, str], delay_s: float | None) -> None:
    """``Retry-After`` stands where RetryInfo does, in whole seconds that are long enough."""
    if delay_s is None:
        assert "Retry-After" not in headers
    else:
        assert delay_s <= int(headers["Retry-After"]) < delay_s + 1


Pressure = Callable[[Gateway, pytest.MonkeyPatch], Awaitable[None]]


async def calm(_running: Gateway, _monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave everything as it is."""


async def full_share(running: Gateway, _monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one tenant fill four fifths of the queue."""
    for _ in range(4):
        assert 200 == (await running.post(of_size(200_000).encode(), {"x-api-key": TOKEN}))[0]


async def full_queue(running: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave room for nobody."""
    await full_share(running, monkeypatch)
    assert 200 == (await running.post(of_size(180_000).encode(), {"x-api-key": OTHER}))[0]


async def used_up(running: Gateway, _: pytest.MonkeyPatch) -> None:
    """Use up a quota."""
    assert 200 == (await running.post(batch({}).encode(), {"x-api-key": FEW}))[0]


async def stopping(running: Gateway, _: pytest.MonkeyPatch) -> None:
    """Let nobody in any more."""
    (receiver,) = running.service._components.receivers.values()
    await receiver.refuse()


async def broken_disk(_running: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk take nothing."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Disk, "write", fail)


# pressure, token, bytes, memory limit in MiB, gRPC code, HTTP status, whether there is a delay
TABLE: dict[str, tuple[Pressure, str, int, int, int, int, bool]] = {
    "accepted": (calm, TOKEN, 10, 9999, 0, 200, False),
    "no such credentials": (calm, "none", 10, 9999, 16, 401, False),
    "no such credentials, full": (full_queue, "none", 10, 9999, 16, 401, False),
    "no such credentials, stopping": (stopping, "none", 10, 9999, 16, 401, False),
    "share of the queue": (full_share, TOKEN, 50_000, 9999, 8, 429, True),
    "another tenant's share": (full_share, OTHER, 50_000, 9999, 0, 200, False),
    "queue full": (full_queue, OTHER, 100_000, 9999, 8, 429, True),
    "larger than the queue": (calm, TOKEN, 1_200_000, 9999, 8, 413, False),
    "larger than the queue, full": (full_queue, OTHER, 1_200_000, 9999, 8, 413, False),
    "quota": (used_up, FEW, 10, 9999, 8, 429, True),
    "memory limit": (calm, TOKEN, 10, 1, 8, 429, True),
    "stopping": (stopping, TOKEN, 10, 9999, 14, 503, True),
    "disk failing": (broken_disk, TOKEN, 10, 9999, 14, 503, True),
}


@pytest.mark.parametrize("row", TABLE)
async def test_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row: str) -> None:
    """Over gRPC, HTTP with protobuf and with JSON: code, Status message, and a delay or none."""
    pressure, token, size, limit_mib, code, status, delayed = TABLE[row]
    async with gateway(tmp_path, CONFIG.replace("LIMIT", str(limit_mib))) as running:
        await pressure(running, monkeypatch)
        answers = [
            await send(running, of_size(size), token) for send in (by_grpc, by_http, by_json)
        ]
        monkeypatch.undo()

    assert [code, status, status] == [answer.status for answer in answers]
    assert [code] * 3 == [answer.code for answer in answers]
    assert [delayed] * 3 == [(answer.delay_s or 0) > 0 for answer in answers]


async def test_pressure_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a disk works again, senders are served again; in between nothing was half stored."""
    async with gateway(tmp_path, CONFIG.replace("LIMIT", "9999")) as running:
        await broken_disk(running, monkeypatch)
        refused = await asyncio.gather(*(by_http(running, of_size(10), TOKEN) for _ in range(20)))
        degraded = running.service.status().degraded
        monkeypatch.undo()
        accepted = await by_http(running, of_size(10), TOKEN)
        waiting = running.service.status().exporters[0].waiting_spans
        mended = running.service.status().degraded

    assert {503} == {answer.status for answer in refused}
    assert any("No space left" in reason for reason in degraded)
    assert (200, 1) == (accepted.status, waiting)
    assert not any("No space left" in reason for reason in mended)
