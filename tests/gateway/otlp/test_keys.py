"""The keys of spans' attributes, found for many spans at once."""

from collections.abc import Sequence

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
