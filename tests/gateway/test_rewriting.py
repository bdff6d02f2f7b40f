"""What becomes of encoded spans where some of a batch were written."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from gateway.batch import Batch
from gateway.otlp import wire
from gateway.rewriting import adopted, fold_tails, rewritten
from gateway.testing import batch


def test_spans_that_nobody_wrote_keep_their_entries() -> None:
    """Only the span that was written is another; what it belongs to stays the same."""
    sent = batch({"a": 1}, {"a": 2}, {"a": 3})
    before = list(sent.entries())
    sent.spans[1].attributes["a"] = 5

    first, second, third = rewritten(before, sent.spans)

    assert before[0] is first
    assert before[2] is third
    assert before[1]._replace(span=sent.spans[1].peek.SerializeToString()) == second


def test_spans_of_a_written_resource_get_its_new_head() -> None:
    """Their own bytes stay, and so do those of their scope."""
    sent = batch({"a": 1}, {"a": 2})
    before = list(sent.entries())
    sent.spans[0].resource.attributes["team"] = "search"

    after = rewritten(before, sent.spans)

    assert [b"search" in entry.resource for entry in after] == [True, True]
    assert [(e.scope, e.span) for e in before] == [(e.scope, e.span) for e in after]


def test_what_was_appended_is_folded_in_once() -> None:
    """The bytes of a span end with what was appended, and nothing of it waits any more."""
    sent = batch({"a": 1}, {"a": 2})
    entries, spans = list(sent.entries()), sent.spans
    before = [entry.span for entry in entries]
    spans[1].append(b"\x3a\x01x")

    fold_tails(entries, spans)
    fold_tails(entries, spans)

    assert [before[0], before[1] + b"\x3a\x01x"] == [entry.span for entry in entries]


def test_an_encoding_made_elsewhere_takes_the_place_of_a_span() -> None:
    """Only that of the span with this number; the entries it was given stay as they are."""
    sent = batch({"a": 1}, {"a": 2})
    before = list(sent.entries())

    after = adopted(before, sent.spans, {1: b"new"})

    assert [before[0], before[1]._replace(span=b"new")] == after
    assert b"new" not in [entry.span for entry in before]
    assert isinstance(after[1], wire.Entry)


@pytest.mark.parametrize("schema", ["", "https://example.org/1"])
@pytest.mark.parametrize("more", [b"", b"\xfa\x3e\x01x", b"\x0a\x02\x10\x03"])
def test_what_stands_beside_a_written_resource_stays(schema: str, more: bytes) -> None:
    """Its schema, fields of the future, and a second part of it are there as they were."""
    spans = [ScopeSpans(spans=[Span(trace_id=b"t" * 16, span_id=b"s" * 8)])]
    group = ResourceSpans(scope_spans=spans, schema_url=schema).SerializeToString() + more
    sent = Batch(b"\x0a" + bytes([len(group)]) + group)
    expected = ExportTraceServiceRequest.FromString(sent.encode())
    expected.resource_spans[0].resource.attributes.add(key="team").value.string_value = "search"

    sent.spans[0].resource.attributes["team"] = "search"

    assert expected == ExportTraceServiceRequest.FromString(sent.encode())
