"""The attributes of an encoded span, read by their places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.fields import Fields
from gateway.otlp.keys import outlines_of
from gateway.otlp.values import Value, key_value

VALUES = (
    st.none()
    | st.booleans()
    | st.text(max_size=300)
    | st.integers(-(2**63), 2**63 - 1)
    | st.integers(0, 2**22)
    | st.floats(allow_nan=False)
    | st.binary(max_size=5)
    | st.lists(st.text(max_size=5), max_size=2)
)
ODD = {
    "nothing": b"",
    "empty text": b"\x0a\x00",
    "two texts": b"\x0a\x01a\x0a\x01b",
    "number, then text": b"\x18\x05\x0a\x01b",
    "text, then number": b"\x0a\x01a\x18\x05",
    "two numbers": b"\x18\x05\x18\x06",
    "long number": b"\x18\x85\x80\x00",
    "long length": b"\x0a\x82\x00ab",
    "field of the future": b"\x7a\x01a\x0a\x01b",
    "long tag": b"\x8a\x00\x01a",
}


def read(encoded: bytes) -> list[tuple[str, int]]:
    """Return all attributes, as a text and as a number."""
    message = Span.FromString(encoded)
    ((names, spots),) = outlines_of([encoded])
    fields = Fields(message, encoded, spots)
    places = range(len(names))
    assert [fields.text(place).encode() for place in places] == [*map(fields.utf8, places)]
    return [(fields.text(place), fields.number(place)) for place in places]


def expected(encoded: bytes) -> list[tuple[str, int]]:
    """Return what protobuf says that they are."""
    values = [field.value for field in Span.FromString(encoded).attributes]
    return [(value.string_value, value.int_value) for value in values]


@given(st.lists(VALUES, max_size=8))
def test_values_are_what_protobuf_reads(values: list[Value]) -> None:
    """Whatever an attribute holds, its text and its number are those of its message."""
    attributes = [key_value(f"k{number}", value) for number, value in enumerate(values)]
    encoded = Span(name="x", attributes=attributes).SerializeToString()

    assert expected(encoded) == read(encoded)


@pytest.mark.parametrize("value", ODD.values(), ids=ODD)
def test_values_in_unusual_encodings_are_protobufs(value: bytes) -> None:
    """However a value is encoded, it is read as protobuf does, and so is its neighbour."""
    attribute = b"\x0a\x01k\x12" + bytes([len(value)]) + value
    encoded = b"\x4a" + bytes([len(attribute)]) + attribute + b"\x4a\x07\x0a\x01n\x12\x02\x18\x07"

    assert expected(encoded) == read(encoded)


def test_without_spots_the_message_is_read() -> None:
    """Where nobody knows where values stand, they are taken from the message."""
    span = Span(attributes=[key_value("a", "text"), key_value("b", 7)])

    fields = Fields(span)

    assert ("text", 0) == (fields.text(0), fields.number(0))
    assert ("", 7) == (fields.text(1), fields.number(1))
    assert 7 == fields.value(1).int_value


def test_values_are_read_whether_or_not_they_were_expected_to_be() -> None:
    """Behind many spans whose values nobody reads, and among them, each is read as always."""
    quiet = Span(attributes=[key_value("quiet", "a")]).SerializeToString()
    loud = Span(attributes=[key_value("loud", "text"), key_value("n", 7)]).SerializeToString()
    spans = [quiet, loud, *[quiet] * 10, loud, quiet, loud]
    unread = {id(names) for names, _ in outlines_of([quiet])}

    found = [
        [(fields.text(place), fields.number(place)) for place in range(len(names))]
        for span, (names, spots) in zip(spans, outlines_of(spans, unread), strict=True)
        for fields in [Fields(Span.FromString(span), span, spots)]
    ]

    assert [expected(span) for span in spans] == found


def test_events_are_never_overlooked() -> None:
    """A span with events may have some, however these are encoded; one without is told apart."""
    bare = Span(name="x", attributes=[key_value("a", "text")])
    eventful = Span(name="x", events=[Span.Event(name="e")]).SerializeToString()
    odd = b"\xda\x00\x03\x52\x01e"

    assert not Fields(bare, bare.SerializeToString(), []).may_have_events
    assert 1 == len(Span.FromString(odd).events)
    for span in (eventful, odd):
        ((_, spots),) = outlines_of([span])
        assert Fields(Span.FromString(span), span, spots).may_have_events
