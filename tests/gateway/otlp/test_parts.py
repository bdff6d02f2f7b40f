"""Messages are counted without decoding, whatever a sender writes."""

import itertools
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import (
    AnyValue,
    ArrayValue,
    KeyValue,
    KeyValueList,
)

from gateway.otlp.parts import CutOffError, count
from tests.gateway.otlp.test_weigh import CAPTURE, repeated, varint

MOST = 1_000_000
RECORDED = [  # others are JSON, or compressed
    path for path in sorted(CAPTURE.parent.glob("*.bin")) if path.read_bytes()[:1] == b"\x0a"
]


def messages(message: object) -> int:
    """Return how many messages one holds, as protobuf decoded it."""
    found = 0
    for field, value in message.ListFields():  # type: ignore[attr-defined]  # any message
        if field.message_type is not None:
            for one in value if field.is_repeated else [value]:
                found += 1 + messages(one)
    return found


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_requests(path: Path) -> None:
    """As many as protobuf finds."""
    data = path.read_bytes()

    assert messages(ExportTraceServiceRequest.FromString(data)) == count(data, MOST)[0]


VALUES = [
    AnyValue(),
    AnyValue(string_value=""),
    AnyValue(string_value="x" * 200),
    AnyValue(string_value="x" * 40_000),
    AnyValue(bool_value=True),
    AnyValue(int_value=7),
    AnyValue(int_value=300),
    AnyValue(int_value=-1),
    AnyValue(double_value=0.5),
    AnyValue(bytes_value=b"ab"),
    AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1)])),
    AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(int_value=1))])),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:40])
@pytest.mark.parametrize("key", ["", "key", "k" * 200])
def test_attributes_of_every_kind(key: str, value: AnyValue) -> None:
    """Each has its messages counted, and so have those beside it."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    for one in (AnyValue(int_value=1), value, AnyValue(bool_value=True)):
        span.attributes.append(KeyValue(key=key, value=one))

    assert messages(request) == count(request.SerializeToString(), MOST)[0]


@pytest.mark.parametrize(
    "value",
    [
        b"\x0a\x81\x00v", b"\x0a\x01v\x0a\x01w", b"\x18\x01\x2a\x02\x0a\x00", b"\x18\x81\x80\x00",
        b"\x0a\x00\x2a\x02\x0a\x00", b"\x32\x00", b"\x10\x01\x32\x02\x0a\x00", b"\x10\x80\x00",
    ],
)  # fmt: skip
def test_attributes_in_unusual_encodings(value: bytes) -> None:
    """Whatever stands beside a value within it counts, as protobuf reads it."""
    inner = b"\x0a\x01k\x12" + bytes([len(value)]) + value
    span = (b"\x4a" + bytes([len(inner)]) + inner) * 2
    scope = b"\x12" + bytes([len(span)]) + span
    data = b"\x0a" + bytes([len(scope) + 2]) + b"\x12" + bytes([len(scope)]) + scope

    assert messages(ExportTraceServiceRequest.FromString(data)) == count(data, MOST)[0]


def test_it_stops_at_the_limit() -> None:
    """What is beyond is not looked at; the messages around count as well."""
    assert 101 + 3 == count(repeated("attributes", 100_000), 100)[0]


def test_spans_take_more() -> None:
    """An empty span takes three times what an attribute takes, as measured."""
    spans, attributes = (count(repeated(kind, 1000), MOST)[1] for kind in ("spans", "attributes"))

    assert 2.5 < spans / attributes < 3.5


def test_groups_and_numbers_are_passed_over() -> None:
    """Unknown fields of every wire type, and numbers of ten bytes."""
    fields = [b"\x08" + b"\xff" * 9 + b"\x01", b"\x21" + bytes(8), b"\x25" + bytes(4)]
    fields += [b"\x1b\x08\x01\x1c", b"\xfa\x01\x02ab", b"\x0a\x00"]
    for order in itertools.permutations(fields):
        assert 1 == count(b"".join(order), MOST)[0]


@pytest.mark.parametrize("levels", [99, 200_000])
def test_nesting(levels: int) -> None:
    """More levels than protobuf reads are refused, before they take the stack."""
    heads: list[bytes] = []
    size = 0
    for level in reversed(range(levels)):
        tag = b"\x0a\x12\x12\x4a\x12"[level : level + 1] or (b"\x2a", b"\x0a")[(level - 5) % 2]
        heads.append(tag + varint(size))
        size += len(heads[-1])
    data = b"".join(reversed(heads))

    if levels < 100:
        ExportTraceServiceRequest.FromString(data)
        assert levels == count(data, MOST)[0]
    else:
        with pytest.raises(CutOffError):
            count(data, MOST)


@pytest.mark.parametrize(
    "tail",
    [b"\x0a\x05", b"\x0a" + b"\xff" * 8 + b"\x7f", b"\x0a" + b"\xff" * 9 + b"\x01", b"\x0f"],
)
def test_broken_framing(tail: bytes) -> None:
    """Lengths that lead anywhere else, backwards too, and unknown wire types are refused."""
    with pytest.raises(CutOffError):
        count(repeated("spans", 10) + tail, MOST)
