"""Requests that would decode to many times their size are refused before they do."""

import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp import weigh
from gateway.otlp.json import encode_request
from gateway.otlp.status import Refusal
from gateway.otlp.weigh import weigh_json, weigh_protobuf

CAPTURE = Path(__file__).parents[2] / "data" / "captures" / "langsmith-01.bin"
EMPTY = {
    "resources": b"\x0a\x00",
    "scopes": b"\x12\x00",
    "spans": b"\x12\x00",
    "attributes": b"\x4a\x00",
}
TAGS = {"resources": b"", "scopes": b"\x0a", "spans": b"\x12\x0a", "attributes": b"\x12\x12\x0a"}


def varint(number: int) -> bytes:
    """Return a number as protobuf writes it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def repeated(kind: str, times: int) -> bytes:
    """Return a request with so many empty messages of a kind."""
    data = EMPTY[kind] * times
    for tag in TAGS[kind]:
        data = bytes([tag]) + varint(len(data)) + data
    return data


@pytest.mark.parametrize("kind", EMPTY)
def test_empty_messages_are_refused(kind: str) -> None:
    """Millions of empty messages on any level are 413."""
    with pytest.raises(Refusal) as caught:
        weigh_protobuf(repeated(kind, 4_200_000))

    assert 413 == caught.value.kind.http


def test_empty_objects_are_refused() -> None:
    """The same in JSON."""
    data = b'{"resourceSpans":[' + b"{}," * 4_000_000 + b"{}]}"

    with pytest.raises(Refusal) as caught:
        weigh_json(data)

    assert 413 == caught.value.kind.http


def test_count_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many messages as allowed pass, one more does not."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.attributes.add(key="k").value.array_value.values.add().int_value = 1
    span.events.add(name="e", time_unix_nano=5).attributes.add(key="k")
    span.status.message = "s"
    data = request.SerializeToString()  # 1 + 1 + 1 + 4 + 2 + 1 messages
    monkeypatch.setattr(weigh, "WEIGHED_BYTES", 0)

    monkeypatch.setattr(weigh, "MAX_MESSAGES", 10)
    weigh_protobuf(data)
    monkeypatch.setattr(weigh, "MAX_MESSAGES", 9)
    with pytest.raises(Refusal):
        weigh_protobuf(data)


def test_real_requests_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large request of a real client passes, in both encodings."""
    monkeypatch.setattr(weigh, "WEIGHED_BYTES", 0)
    data = CAPTURE.read_bytes() * 10

    weigh_protobuf(data)
    text = json.dumps(encode_request(ExportTraceServiceRequest.FromString(data)))
    weigh_json(text.encode())


@pytest.mark.parametrize("tail", [b"\x0a", b"\x0a\xff", b"\x08\x80"])
def test_broken_framing(monkeypatch: pytest.MonkeyPatch, tail: bytes) -> None:
    """Framing that breaks off is malformed."""
    monkeypatch.setattr(weigh, "WEIGHED_BYTES", 0)

    with pytest.raises(Refusal) as caught:
        weigh_protobuf(repeated("resources", 10) + tail)

    assert 400 == caught.value.kind.http
