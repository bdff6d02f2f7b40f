"""The way through an encoded span, on which its keys are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import walk
from gateway.otlp.values import key_value


@given(st.lists(st.text(min_size=1, max_size=20), max_size=5))
def test_equal_keys_lead_to_one_step(keys: list[str]) -> None:
    """Spans with the same keys in the same order end at the same place, others elsewhere."""
    one = Span(name="x", attributes=[key_value(key, "text") for key in keys])
    two = Span(kind=Span.SPAN_KIND_CLIENT, attributes=[key_value(key, [1]) for key in keys])
    more = Span(attributes=[key_value(key, 1) for key in [*keys, "one more"]])
    steps = []

    for span in (one, two, more):
        path = walk.Walk()
        assert path.go(span.SerializeToString(), None)
        steps.append(path.step)

    assert steps[0] is steps[1]
    assert steps[2] is not steps[0]


def test_ways_that_part_are_all_remembered() -> None:
    """Whichever key followed last, those that followed before lead where they did."""
    path = walk.Walk()
    spans = [
        Span(attributes=[key_value("fork", 1), key_value(f"prong {number}", 1)])
        for number in range(4)
    ]

    first: list[walk.Step] = []
    second: list[walk.Step] = []
    for ends in (first, second):
        for span in spans:
            assert path.go(span.SerializeToString(), None)
            ends.append(path.step)

    assert 4 == len({id(step) for step in first})
    assert [id(step) for step in first] == [id(step) for step in second]


@pytest.mark.parametrize("parent", [b"", b"\1" * 8])
@pytest.mark.parametrize("name", ["", "a name", "n" * 200])
@pytest.mark.parametrize("events", [0, 1])
def test_name_parent_and_events_are_found(parent: bytes, name: str, events: int) -> None:
    """What else is asked of a span is where the walk says, or is not there."""
    span = Span(
        trace_id=b"t" * 16, name=name, parent_span_id=parent, events=[Span.Event()] * events
    )
    encoded = span.SerializeToString()
    path = walk.Walk()

    assert path.go(encoded, None)
    assert bool(events) == path.has_events
    assert (encoded.find(b"\x2a") if name else -1) == path.name_at
    assert (encoded.find(b"\x22") if parent else -1) == path.parent_at


@pytest.mark.parametrize("field", [b"\x2a\x01a", b"\x22\x08" + b"\1" * 8])
def test_a_field_that_stands_twice_is_unusual(field: bytes) -> None:
    """Of two names the last one counts: that is left to protobuf."""
    path = walk.Walk()

    assert path.go(field, None)
    assert not path.go(field + field, None)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Senders choose keys: neither many of them nor long rows of them fill the memory."""
    monkeypatch.setattr(walk.TREE, "root", walk.Step(b"", 0))
    monkeypatch.setattr(walk.TREE, "size", walk.STEPS - 10)
    path = walk.Walk()
    first = Span(attributes=[key_value("first", 1)]).SerializeToString()
    assert path.go(first, None)
    kept = path.step

    for number in range(20):
        assert path.go(Span(attributes=[key_value(f"k{number}", 1)]).SerializeToString(), None)

    assert walk.TREE.size <= 20
    assert path.go(first, None)
    assert path.step is not kept
    row = [key_value(f"k{number}", 1) for number in range(walk.DEEPEST + 1)]
    assert not path.go(Span(attributes=row).SerializeToString(), None)
