"""Which spans are refused, and that the others are left alone."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.status import Refusal
from gateway.otlp.validate import MAX_ELEMENTS, Checked, check

TRACE = b"\1" * 16
SPAN = b"\2" * 8


def request_of(*spans: Span) -> ExportTraceServiceRequest:
    """Return a request with these spans."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add(schema_url="resource")
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "test"
    scope_spans = resource_spans.scope_spans.add(schema_url="scope")
    scope_spans.scope.name = "scope"
    scope_spans.spans.extend(spans)
    return request


def checked(*spans: Span) -> Checked:
    """Check a request with these spans."""
    request = request_of(*spans)
    return check(request.SerializeToString(), request)


@pytest.mark.parametrize(
    "span",
    [
        Span(trace_id=TRACE, span_id=SPAN),
        Span(trace_id=TRACE, span_id=SPAN, name='with "quotes"'),
        Span(trace_id=TRACE, span_id=SPAN, parent_span_id=SPAN),
        Span(trace_id=TRACE, span_id=SPAN, parent_span_id=bytes(8)),
        Span(trace_id=TRACE, span_id=SPAN, parent_span_id=SPAN, trace_state="a=b"),
    ],
)
def test_valid_spans(span: Span) -> None:
    """Spans with proper ids pass, and their bytes are the same."""
    data = request_of(span).SerializeToString()

    result = check(data, request_of(span))

    assert (data, 1, 0, "") == (result.data, len(result.entries), result.rejected, result.reason)
    assert result.data is data


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (Span(span_id=SPAN), "trace_id has 0 bytes, expected 16"),
        (Span(trace_id=TRACE[:8], span_id=SPAN), "trace_id has 8 bytes, expected 16"),
        (Span(trace_id=bytes(16), span_id=SPAN), "trace_id is all zero"),
        (Span(trace_id=TRACE), "span_id has 0 bytes, expected 8"),
        (Span(trace_id=TRACE, span_id=TRACE), "span_id has 16 bytes, expected 8"),
        (Span(trace_id=TRACE, span_id=bytes(8)), "span_id is all zero"),
        (
            Span(trace_id=TRACE, span_id=SPAN, parent_span_id=b"abc"),
            "parent_span_id has 3 bytes, expected 8 or none",
        ),
        (
            Span(trace_id=TRACE, span_id=SPAN, parent_span_id=b"abc", trace_state="a=b"),
            "parent_span_id has 3 bytes, expected 8 or none",
        ),
    ],
)
def test_invalid_spans(span: Span, reason: str) -> None:
    """A span with improper ids is taken out and named, its neighbours stay whole."""
    good = Span(trace_id=TRACE, span_id=SPAN, name="good")
    span.name = "bad"

    result = checked(good, span, good)

    assert (2, 1, f'span "bad": {reason}') == (len(result.entries), result.rejected, result.reason)
    assert request_of(good, good) == ExportTraceServiceRequest.FromString(result.data)


def test_reasons_are_short() -> None:
    """Of many invalid spans the first few are named, with names cut."""
    result = checked(*(Span(name=f"{number}" * 100) for number in range(10)))

    assert 10 == result.rejected
    assert result.reason.endswith("; and 7 more")
    assert len(result.reason) < 400


@pytest.mark.parametrize(
    ("part", "around"),
    [(b"\x0a\x00", 0), (b"\x12\x00", 1), (b"\x12\x00", 2)],
    ids=["resources", "scopes", "spans"],
)
def test_too_many_parts(part: bytes, around: int) -> None:
    """Empty parts, which cost a sender next to nothing, are refused before they cost us."""
    data = part * (MAX_ELEMENTS + 1)
    for tag in (b"\x12", b"\x0a")[2 - around :]:
        data = tag + _varint(len(data)) + data
    request = ExportTraceServiceRequest.FromString(data)

    with pytest.raises(Refusal) as caught:
        check(data, request)

    assert 413 == caught.value.kind.http


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def test_unusual_encodings() -> None:
    """Legal but unusual encodings are written anew, so that no span hides in them."""
    span = Span(trace_id=TRACE, span_id=SPAN, name="a")
    usual = request_of(span)
    encoded = span.SerializeToString()
    hidden = b"\x92\x00" + bytes([len(encoded)]) + encoded  # the tag in two bytes instead of one
    with_group = b"\x1b\x1c"  # an unknown field of the deprecated group type
    for odd in (hidden, with_group + b"\x12" + bytes([len(encoded)]) + encoded):
        scope = b"\x12" + bytes([len(odd)]) + odd
        data = b"\x0a" + bytes([len(scope)]) + scope
        request = ExportTraceServiceRequest.FromString(data)

        result = check(data, request)

        assert (1, 0) == (len(result.entries), result.rejected)
        found = ExportTraceServiceRequest.FromString(result.data)
        assert (
            usual.resource_spans[0].scope_spans[0].spans
            == found.resource_spans[0].scope_spans[0].spans
        )
