"""
Find the spans of a request that nobody can store: those without proper ids.

Source: opentelemetry/proto/trace/v1/trace.proto, on trace_id, span_id and parent_span_id.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import wire
from gateway.otlp.status import TOO_LARGE, Refusal

if TYPE_CHECKING:
    from mypy_extensions import i64

NAMED = 3
"""How many of the invalid spans a reason names."""
NAME_LENGTH = 60
MAX_ELEMENTS = 1_000_000
"""Resources, scopes and spans in a request at the most: empty ones cost a sender two bytes each,
and us a hundred."""

_NO_TRACE: Final = bytes(16)
_NO_SPAN: Final = bytes(8)
_PARENT_AT: Final = 28  # behind trace id and span id, as all SDKs write them
_PARENT: Final = 0x22  # Span.parent_span_id


class Checked(NamedTuple):
    """A request without its invalid spans."""

    data: bytes
    request: ExportTraceServiceRequest | None
    """``data`` decoded, where it was at hand."""
    entries: Sequence[wire.Entry]
    """``data`` indexed."""
    rejected: int
    reason: str
    """What is wrong with the rejected spans."""


def check(data: bytes, request: ExportTraceServiceRequest) -> Checked:
    """
    Return the request without its invalid spans; untouched where there are none.

    Args:
        data: the encoded request.
        request: the same, decoded.

    Raises:
        Refusal: the request has too many parts.

    """
    data, entries = _index(data, request)
    doubtful = [at for at, entry in enumerate(entries) if not _is_sound(entry)]
    faults = _faults(request, doubtful)
    if not faults:
        return Checked(data, request, entries, 0, "")
    good = [entry for at, entry in enumerate(entries) if at not in faults]
    return Checked(wire.assemble(good), None, good, len(faults), _explain(faults.values()))


def _is_sound(entry: wire.Entry) -> bool:
    """Whether all ids are there and proper; where not, the message tells what is wrong."""
    trace_id, span_id = entry.trace_id, entry.span_id
    data = entry.data
    at: i64 = entry.start + _PARENT_AT
    return (
        at + 1 < entry.end
        and data[at] == _PARENT
        and data[at + 1] == 8
        and len(trace_id) == 16
        and len(span_id) == 8
        and (trace_id[0] != 0 or trace_id != _NO_TRACE)
        and (span_id[0] != 0 or span_id != _NO_SPAN)
    )


def _index(data: bytes, request: ExportTraceServiceRequest) -> tuple[bytes, Sequence[wire.Entry]]:
    """
    Return the spans of a request, and its bytes in the usual form.

    Legal but unusual encodings, which the index does not know, are written anew.
    """
    count = _count(request)
    try:
        entries = wire.index(data)
        if len(entries) == count:
            return data, entries
    except wire.MalformedError:
        request.DiscardUnknownFields()
    data = request.SerializeToString()
    return data, wire.index(data)


def _count(request: ExportTraceServiceRequest) -> int:
    """Return the number of spans, without looking at each."""
    elements = len(request.resource_spans)
    spans = 0
    if elements <= MAX_ELEMENTS:
        for group in request.resource_spans:
            elements += len(group.scope_spans)
            if elements > MAX_ELEMENTS:
                break
            spans += sum(len(scope.spans) for scope in group.scope_spans)
    if elements + spans > MAX_ELEMENTS:
        raise Refusal(
            TOO_LARGE,
            f"the request has more than {MAX_ELEMENTS} resources, scopes and spans: send fewer "
            "at once",
        )
    return spans


def _faults(request: ExportTraceServiceRequest, places: Sequence[int]) -> dict[int, str]:
    """Return what is wrong with the spans at these places of a request, where something is."""
    faults: dict[int, str] = {}
    for at, span in zip(places, _spans_at(request, places), strict=True):
        fault = _fault(span)
        if fault:
            faults[at] = f'span "{span.name[:NAME_LENGTH]}": {fault}'
    return faults


def _spans_at(request: ExportTraceServiceRequest, places: Sequence[int]) -> list[Span]:
    """Return the spans at these places, in order; each that is looked at costs something."""
    found: list[Span] = []
    before = 0
    for resource_spans in request.resource_spans if places else ():
        for scope_spans in resource_spans.scope_spans:
            spans = scope_spans.spans
            end = before + len(spans)
            while len(found) < len(places) and places[len(found)] < end:
                found.append(spans[places[len(found)] - before])
            before = end
    return found


def _fault(span: Span) -> str:
    for name, value, size in (("trace_id", span.trace_id, 16), ("span_id", span.span_id, 8)):
        if len(value) != size:
            return f"{name} has {len(value)} bytes, expected {size}"
        if not any(value):
            return f"{name} is all zero"
    size = len(span.parent_span_id)
    return "" if size in (0, 8) else f"parent_span_id has {size} bytes, expected 8 or none"


def _explain(faults: Collection[str]) -> str:
    more = len(faults) - NAMED
    return "; ".join(list(faults)[:NAMED]) + (f"; and {more} more" if more > 0 else "")
