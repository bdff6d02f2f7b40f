"""All spans of a request at once."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from gateway.batch import Batch
from gateway.otlp.values import Value, key_value

USUAL = Span(trace_id=b"t" * 16, span_id=b"s" * 8, name="a name")
CHILD = Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=b"p" * 8, name="ä" * 90)
NO_PARENT = Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=bytes(8))
HALF = Span(trace_id=b"t" * 16, span_id=b"s" * 8, parent_span_id=bytes(7) + b"\1", name="\0")
EVENTFUL = Span(trace_id=b"t" * 16, span_id=b"s" * 8, events=[Span.Event(name="e")])
LONG = Span(name="long", attributes=[key_value(f"k{number}", 1) for number in range(400)])


def request(*spans: Span) -> bytes:
    """Return a request of these spans, each of a resource of its own."""
    return ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[span])]) for span in spans]
    ).SerializeToString()


@pytest.mark.parametrize("span", [USUAL, CHILD, NO_PARENT, HALF, EVENTFUL, LONG, Span()])
def test_name_and_parent_are_those_of_the_message(span: Span) -> None:
    """What is read from the bytes is what protobuf says."""
    batch = Batch(request(span))

    ((_, fields),) = batch.fields()

    assert span.name.encode() == fields.name()
    assert batch.spans[0].is_root == fields.is_root()
    assert len(span.events) == 0 or fields.may_have_events


def test_the_last_name_counts() -> None:
    """A name that stands twice is read as protobuf does."""
    twice = USUAL.SerializeToString() + Span(name="another").SerializeToString()
    scope = b"\x12" + bytes([len(twice)]) + twice
    inner = b"\x12" + bytes([len(scope)]) + scope

    ((_, fields),) = Batch(b"\x0a" + bytes([len(inner)]) + inner).fields()

    assert b"another" == fields.name()


def test_sizes_are_those_of_texts() -> None:
    """The size of a value is that of its text in UTF-8, 0 where it is none."""
    values: list[Value] = ["", "text", "ä" * 200, 7, ["a"]]
    span = Span(attributes=[key_value(f"k{at}", value) for at, value in enumerate(values)])

    ((_, fields),) = Batch(request(span)).fields()

    assert [0, 4, 400, 0, 0] == [fields.size(at) for at in range(len(values))]


def test_each_resource_is_named_once() -> None:
    """Resources come in order, whether or not their spans are neighbours."""
    batch = Batch(request(USUAL, CHILD, HALF))

    assert [span.resource for span in batch.spans] == batch.resources


def test_what_reads_a_span_is_kept_while_it_is_true() -> None:
    """Whoever comes later reads what was found, until somebody writes or looks by himself."""
    batch = Batch(request(USUAL, CHILD, HALF))
    found = [fields for _, fields in batch.fields()]
    read, written, renamed = batch.spans

    read.append(b"\x4a\x08\x0a\x01a\x12\x03\x0a\x01v", {"a": "v"})
    written.attributes["a"] = "b"
    renamed.name = "another"

    assert [found[0], None, None] == [span.fields for span in batch.spans]


def test_a_value_is_told_as_it_is_encoded() -> None:
    """Where it is known where values stand, so is their encoding."""
    span = Span(attributes=[key_value("a", "text"), key_value("b", None)])

    ((_, fields),) = Batch(request(span)).fields()

    assert [fields.raw(0), fields.raw(1)] in ([b"\x0a\x04text", b""], [None, None])
