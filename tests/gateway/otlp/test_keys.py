"""The keys of spans' attributes, found for many spans at once."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import keys
from gateway.otlp.values import Value, key_value

VALUES = st.none() | st.text(max_size=300) | st.integers(0, 9) | st.lists(st.text(), max_size=2)
SPANS = st.lists(
    st.tuples(st.text(), st.lists(st.tuples(st.text(max_size=20), VALUES), max_size=5)), max_size=5
)


def encoded(name: str, attributes: Sequence[tuple[str, Value]]) -> bytes:
    """Return a span that has an event and a link beside its attributes."""
    span = Span(name=name, attributes=[key_value(key, value) for key, value in attributes])
    span.events.add(name="e").attributes.append(key_value("of the event", 1))
    span.links.add().attributes.append(key_value("of the link", 1))
    return span.SerializeToString()


@given(SPANS)
def test_keys_stand_as_in_the_span(spans: list[tuple[str, list[tuple[str, Value]]]]) -> None:
    """Every key is found in its order, those that stand twice and empty ones too."""
    expected = [tuple(key for key, _ in attributes) for _, attributes in spans]
    assert expected == keys.names_of([encoded(*span) for span in spans])


def test_equal_keys_are_one_tuple() -> None:
    """Spans with equal keys share them, whatever else they say."""
    one, two, three = keys.names_of(
        [encoded("x", [("a", 1)]), encoded("y", [("a", "text")]), encoded("x", [("b", 1)])]
    )
    assert one is two
    assert ("b",) == three


def test_what_is_remembered_is_bounded() -> None:
    """Senders choose keys: neither many kinds of spans nor long ones fill the memory."""
    for number in range(keys.MOST + 10):
        keys.names_of([encoded("x", [(f"key {number}", 1)])])
    many = [(f"key {number}", 1) for number in range(keys.LONGEST + 1)]
    long = [("k" * keys.LONGEST_BYTES, 1)]
    for attributes in (many, long):
        assert [tuple(key for key, _ in attributes)] == keys.names_of([encoded("x", attributes)])
    assert len(keys.known_shapes) <= keys.MOST
    assert all(len(names) <= keys.LONGEST for names in keys.known_shapes.values())
    assert all(len(shape) <= keys.LONGEST_BYTES for shape in keys.known_shapes)


VALUE = b"\x12\x03\x0a\x01v"
ODD = {
    "usual": b"\x4a\x08\x0a\x01a" + VALUE,
    "long key": b"\x4a\xd0\x01\x0a\xc8\x01" + b"k" * 200 + VALUE + b"\x4a\x08\x0a\x01a" + VALUE,
    "empty attribute": b"\x4a\x00\x0a\x01a",
    "no value": b"\x4a\x03\x0a\x01a",
    "value first": b"\x4a\x08" + VALUE + b"\x0a\x01a",
    "two keys": b"\x4a\x0b\x0a\x01a\x0a\x01b" + VALUE,
    "two values": b"\x4a\x0d\x0a\x01a" + VALUE + VALUE,
    "key behind the value": b"\x4a\x0b\x0a\x01a" + VALUE + b"\x0a\x01b",
    "field of the future": b"\x4a\x0a\x0a\x01a" + VALUE + b"\x18\x01",
    "length in five bytes": b"\x4a\x88\x80\x80\x80\x00\x0a\x01a" + VALUE,
    "long length of a key": b"\x4a\x09\x0a\x81\x00a" + VALUE,
    "long length of a value": b"\x4a\x09\x0a\x01a\x12\x83\x00\x0a\x01v",
    "long tag": b"\xca\x00\x08\x0a\x01a" + VALUE,
    "flags": b"\x85\x01\x01\x00\x00\x00\x4a\x03\x0a\x01a",
    "times": b"\x39" + bytes(8) + b"\x4a\x03\x0a\x01a\x41" + bytes(8),
    "kind": b"\x30\x81\x01\x4a\x03\x0a\x01a",
    "attribute as a number": b"\x48\x01\x4a\x03\x0a\x01a",
    "field 17": b"\x8a\x01\x03\x4a\x01a\x4a\x03\x0a\x01a",
    "field 50": b"\x92\x03\x03\x4a\x01a\x4a\x03\x0a\x01a",
    "group": b"\x83\x01\x4a\x03\x0a\x01x\x84\x01\x4a\x03\x0a\x01a",
    "nothing": b"",
}


@pytest.mark.parametrize("span", ODD.values(), ids=ODD)
def test_keys_of_unusual_encodings_are_protobufs(span: bytes) -> None:
    """However an attribute is encoded, its key is what protobuf says, beside usual spans too."""
    usual = encoded("x", [("b", 1)])
    expected = tuple(field.key for field in Span.FromString(span).attributes)

    assert [("b",), expected, ("b",)] == keys.names_of([usual, span, usual])
