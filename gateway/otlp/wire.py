"""
Find, sort and regroup the spans of an encoded trace request without decoding them.

A request is an ``ExportTraceServiceRequest``; its nesting is request > ResourceSpans (field 1)
> ScopeSpans (field 2) > Span (field 2). Everything else in ResourceSpans and ScopeSpans is kept
byte for byte as the resource's and the scope's head.

Source: opentelemetry/proto/trace/v1/trace.proto; protobuf encoding specification.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final
from zlib import crc32

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.fields import SPOT_HIGH, SPOT_LOW, spot_of
from gateway.otlp.ready import length

if TYPE_CHECKING:
    from mypy_extensions import i64

_LEN: Final = 2  # wire type of length-delimited fields
_RESOURCE_SPANS: Final = 0x0A  # request.resource_spans
_CHILDREN: Final = 0x12  # ResourceSpans.scope_spans and ScopeSpans.spans
_TRACE_ID: Final = 0x0A  # Span.trace_id, 16 bytes
_SPAN_ID: Final = 0x12  # Span.span_id, 8 bytes
_IDS_BYTES: Final = 28  # both with their heads
_TRACE_STATE: Final = b"\x1a"  # Span.trace_state
_PARENT: Final = b"\x22\x08"  # Span.parent_span_id, 8 bytes
_TOO_LONG: Final = "a field is longer than the message that holds it"


class MalformedError(ValueError):
    """The bytes are no protobuf message of the expected shape."""


class Entry:
    """
    One encoded span and where it belongs; nothing of it is written.

    Args:
        trace_id: of the span.
        span_id: of the span.
        resource: encoded ResourceSpans without its scope spans.
        scope: encoded ScopeSpans without its spans.
        span: encoded Span, as received.

    """

    __slots__ = ("resource", "scope", "span", "span_id", "trace_id")

    def __init__(
        self, trace_id: bytes, span_id: bytes, resource: bytes, scope: bytes, span: bytes
    ) -> None:
        self.trace_id = trace_id
        self.span_id = span_id
        self.resource = resource
        self.scope = scope
        self.span = span

    def _replace(self, *, span: bytes) -> "Entry":
        """Return the same with another encoding of its span; named as a named tuple's method."""
        return Entry(self.trace_id, self.span_id, self.resource, self.scope, span)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Entry)
            and self.trace_id == other.trace_id
            and self.span_id == other.span_id
            and self.resource == other.resource
            and self.scope == other.scope
            and self.span == other.span
        )

    def __hash__(self) -> int:
        return hash((self.trace_id, self.span_id))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise MalformedError("a varint is longer than 10 bytes")


def _skip(data: bytes, at: int, wire_type: int) -> int:
    """Return the end of a field's value; groups are not part of proto3 and refused."""
    if wire_type == _LEN:
        size, at = _varint(data, at)
        return at + size
    if wire_type == 0:
        return _varint(data, at)[1]
    if wire_type == 1:
        return at + 8
    if wire_type == 5:
        return at + 4
    raise MalformedError(f"wire type {wire_type} is not supported")


def _split(data: bytes, start: int, end: int) -> tuple[bytes, list[int]]:
    """Return the bytes between ``start`` and ``end`` that are not field 2, and field 2's spots."""
    children: list[int] = []
    head = b""
    at: i64 = start
    kept: i64 = start
    stop: i64 = end
    while at < stop:
        if data[at] == _CHILDREN:
            if at > kept:
                head += data[kept:at]
            size: i64 = data[at + 1]
            high: i64 = 0 if size < 0x80 else data[at + 2]
            if size < 0x80:
                at += 2
            elif high < 0x80:
                size += (high << 7) - 0x80
                at += 3
            else:
                length_of, at = _varint(data, at + 1)
                size = _within(length_of, end)
            children.append(spot_of(at, at + size))
            at = kept = at + size
        else:
            tag, behind = _varint(data, at)
            at = _within(_skip(data, behind, tag & 7), end)
    if at > kept:
        head += data[kept:at]
    if at != stop:
        raise MalformedError(_TOO_LONG)
    return head, children


def _within(size: int, end: int) -> int:
    """Return what must not be more than ``end``, before it is counted with in 64 bits."""
    if size > end:
        raise MalformedError(_TOO_LONG)
    return size


def _has_usual_ids(span: bytes) -> bool:
    """Whether the span begins with both its ids, as encoders put them."""
    return (
        len(span) >= _IDS_BYTES
        and span[0] == _TRACE_ID
        and span[1] == 16
        and span[18] == _SPAN_ID
        and span[19] == 8
    )


def _ids(span: bytes) -> tuple[bytes, bytes]:
    """Return trace id and span id; the last one counts where a field stands twice."""
    if _has_usual_ids(span):
        return span[2:18], span[20:28]
    trace_id = span_id = b""
    at, end = 0, len(span)
    while at < end:
        tag, at = _varint(span, at)
        stop = _skip(span, at, tag & 7)
        if tag in (_TRACE_ID, _SPAN_ID):
            value = span[_varint(span, at)[1] : stop]
            trace_id, span_id = (value, span_id) if tag == _TRACE_ID else (trace_id, value)
        at = stop
    return trace_id, span_id


def is_root(span: bytes) -> bool:
    """Return whether an encoded span has no parent; an all-zero parent id means none."""
    at = _IDS_BYTES  # behind the ids, where encoders put the trace state and the parent
    if span[at : at + 1] == _TRACE_STATE:
        size, at = _varint(span, at + 1)
        at += size
    if _has_usual_ids(span) and span[at : at + 2] == _PARENT:
        parent = span[at + 2 : at + 10]
    else:
        parent = Span.FromString(span).parent_span_id
    return not parent.strip(b"\0")


def index(data: bytes) -> list[Entry]:
    """
    Return the spans of an encoded request in the order they stand there.

    The request must have been parsed once before: only its outer framing is checked here.

    Raises:
        MalformedError: the framing is broken.

    """
    entries: list[Entry] = []
    append = entries.append
    at, end = 0, len(data)
    try:
        while at < end:
            tag, at = _varint(data, at)
            if tag != _RESOURCE_SPANS:
                at = _skip(data, at, tag & 7)
                continue
            size, at = _varint(data, at)
            resource, scopes = _split(data, at, at + _within(size, end))
            at += size
            for place in scopes:
                scope, spans = _split(data, place >> SPOT_HIGH, place & SPOT_LOW)
                for spot in spans:
                    span = data[spot >> SPOT_HIGH : spot & SPOT_LOW]
                    if _has_usual_ids(span):
                        append(Entry(span[2:18], span[20:28], resource, scope, span))
                    else:
                        append(Entry(*_ids(span), resource, scope, span))
    except IndexError as error:
        raise MalformedError("the message ends in the middle of a field") from error
    if at != end:
        raise MalformedError("the message ends in the middle of a field")
    return entries


def assemble(entries: Iterable[Entry]) -> bytes:
    """
    Return a request that holds ``entries`` in their order.

    Neighbours with equal resource and scope share one ResourceSpans and one ScopeSpans, so
    sort by resource and scope inside a trace first.
    """
    # Without functions inside: compiled, they would hold each other, and all spans with them, until
    # the garbage collector comes.
    spans = list(entries)
    parts: list[bytes] = []
    at = 0
    while at < len(spans):
        at = _put_resource(parts, spans, at)
    return b"".join(parts)


def _put_resource(parts: list[bytes], entries: list[Entry], at: int) -> int:
    """Add the spans from ``at`` on that share its resource; return where the next ones begin."""
    resource = entries[at].resource
    head_at = len(parts)
    parts.append(b"")  # the head is written once the size is known
    size = len(resource)
    while at < len(entries) and entries[at].resource == resource:
        at, more = _put_scope(parts, entries, at)
        size += more
    parts[head_at] = b"\x0a" + length(size) + resource
    return at


def _put_scope(parts: list[bytes], entries: list[Entry], at: int) -> tuple[int, int]:
    """Add those that share its scope too; return where the next ones begin, and the size."""
    resource, scope = entries[at].resource, entries[at].scope
    head_at = len(parts)
    parts.append(b"")
    size = len(scope)
    end = len(entries)
    while at < end:
        entry = entries[at]
        if entry.scope != scope or entry.resource != resource:
            break
        span = entry.span
        head = b"\x12" + length(len(span))
        size += len(head) + len(span)
        parts.append(head)
        parts.append(span)
        at += 1
    head = b"\x12" + length(size)
    parts[head_at] = head + scope
    return at, len(head) + size


def arrange(entries: Sequence[Entry], *, unique: bool) -> list[Entry]:
    """
    Return ``entries`` grouped by trace, traces sorted by id.

    Inside a trace spans are grouped by resource and scope, else they keep their order. With
    ``unique`` the last of several spans with the same ids is kept, as MLflow's upsert would.
    """
    if unique:
        entries = list({(entry.trace_id, entry.span_id): entry for entry in entries}.values())
    traces: dict[bytes, list[Entry]] = {}
    for entry in entries:
        trace = traces.get(entry.trace_id)
        if trace is None:
            traces[entry.trace_id] = [entry]
        else:
            trace.append(entry)
    arranged: list[Entry] = []
    for trace_id in sorted(traces):
        arranged += _by_head(traces[trace_id])
    return arranged


def _by_head(trace: list[Entry]) -> list[Entry]:
    """Return the spans of a trace by resource and scope; most traces have one of each."""
    resource, scope = trace[0].resource, trace[0].scope
    for entry in trace:
        if entry.resource != resource or entry.scope != scope:
            return sorted(trace, key=_head)
    return trace


def _head(entry: Entry) -> tuple[bytes, bytes]:
    return entry.resource, entry.scope


def trace_ids(entries: Iterable[Entry]) -> set[bytes]:
    """Return the traces of spans."""
    return {entry.trace_id for entry in entries}


def size_of(entries: Iterable[Entry]) -> int:
    """Return the bytes of spans."""
    size = 0
    for entry in entries:
        size += len(entry.span)
    return size


def by_lane(
    entries: Iterable[Entry], lanes: int, destination_of: Callable[[bytes], str] | None
) -> dict[tuple[int, str], list[Entry]]:
    """
    Return spans by lane and destination; a trace goes where its first span goes.

    Args:
        entries: the spans, in order.
        lanes: how many there are.
        destination_of: returns it for a resource; ``None`` where there is one destination.

    """
    homes: dict[bytes, list[Entry]] = {}
    groups: dict[tuple[int, str], list[Entry]] = {}
    destination = ""
    last: bytes | None = None
    for entry in entries:
        if destination_of is not None and entry.resource is not last:
            last = entry.resource
            destination = destination_of(last)
        group = homes.get(entry.trace_id)
        if group is None:
            group = groups.setdefault((crc32(entry.trace_id) % lanes, destination), [])
            homes[entry.trace_id] = group
        group.append(entry)
    return groups
