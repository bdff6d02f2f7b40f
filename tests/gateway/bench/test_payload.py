"""What the generated traces promise to a benchmark."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import Batch
from gateway.bench.payload import Kind, templates


@pytest.mark.parametrize("spans", [1, 100, 500])
@pytest.mark.parametrize(("kind", "least", "most"), [("llm", 5500, 8000), ("plain", 300, 600)])
def test_spans_have_the_size_of_real_ones(kind: Kind, least: int, most: int, spans: int) -> None:
    """A request holds as many spans as asked for, each as large as those of its kind."""
    for template in templates(kind, spans, 2):
        body = template.fresh()
        assert len(Batch(body)) == spans
        assert least < len(body) / spans < most


@pytest.mark.parametrize("kind", ["llm", "plain"])
def test_traces_are_new_each_time(kind: Kind) -> None:
    """No trace id comes twice, spans of a trace stay together, and nothing else changes."""
    template = templates(kind, 100, 1)[0]
    first, second = (ExportTraceServiceRequest.FromString(template.fresh()) for _ in range(2))
    seen = [{span.trace_id for span in Batch(None, None, request)} for request in (first, second)]

    for request in (first, second):
        for span in request.resource_spans[0].scope_spans[0].spans:
            span.trace_id = span.trace_id[8:]

    assert seen[0].isdisjoint(seen[1])
    assert 10 < len(seen[0]) == len(seen[1]) < 100
    assert first == second


def test_traces_are_whole() -> None:
    """Every span but the roots has its parent in the request."""
    spans = Batch(templates("llm", 60, 1)[0].fresh()).spans
    ids = {(span.trace_id, span.span_id) for span in spans}

    assert all(span.is_root or (span.trace_id, span.parent_span_id) in ids for span in spans)
    assert sum(span.is_root for span in spans) == 10
