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
NO_HEAD: Final = -1
TO_THE_END: Final = -1
_WORTH_A_VIEW: Final = 2048  # bytes that it costs more to copy than to make a view of
_TOO_LONG: Final = "a field is longer than the message that holds it"


class MalformedError(ValueError):
    """The bytes are no protobuf message of the expected shape."""


class Entry:
    """
    One encoded span and where it belongs; nothing of it is written.

    Its bytes stay in what they came in: a span is copied where it goes on, not on its way there.

    Args:
        trace_id: of the span.
        span_id: of the span; ``None`` where it stands in its usual place.
        resource: encoded ResourceSpans without its scope spans.
        scope: encoded ScopeSpans without its spans.
        data: where the encoded span stands, as received.
        start: where it begins there.
        end: where it ends there.
        head: where the head of its field begins, right before it; ``NO_HEAD`` where there is none.
        tail: fields that were added to it.

    """

    __slots__ = (
        "_span_id", "data", "end", "head", "resource", "scope", "start", "tail", "trace_id",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - one for each span, and what is named costs more
        self,
        trace_id: bytes,
        span_id: bytes | None,
        resource: bytes,
        scope: bytes,
        data: bytes,
        start: "i64" = 0,
        end: "i64" = TO_THE_END,
        head: "i64" = NO_HEAD,
        tail: tuple[bytes, ...] = (),
    ) -> None:
        self.trace_id = trace_id
        self._span_id = span_id
        self.resource = resource
        self.scope = scope
        self.data = data
        self.start: i64 = start
        self.end: i64 = end
        if end < 0:
            self.end = len(data)
        self.head: i64 = head
        self.tail = tail

    @property
    def span_id(self) -> bytes:
        """Of the span."""
        span_id = self._span_id
        if span_id is None:
            return self.data[self.start + _IDS_BYTES - 8 : self.start + _IDS_BYTES]
        return span_id

    @property
    def span(self) -> bytes:
        """The encoded span."""
        span = self.data[self.start : self.end]
        return b"".join((span, *self.tail)) if self.tail else span

    @property
    def size(self) -> "i64":
        """Bytes of the encoded span."""
        size: i64 = self.end - self.start
        for added in self.tail:
            size += len(added)
        return size

    def _replace(self, *, span: bytes) -> "Entry":
        """Return the same with another encoding of its span; named as a named tuple's method."""
        return Entry(self.trace_id, self.span_id, self.resource, self.scope, span)

    def whole(self) -> "Entry":
        """Return the same without a tail: what was added stands behind the span."""
        return self._replace(span=self.span) if self.tail else self

    def grown(self, tail: tuple[bytes, ...]) -> "Entry":
        """Return the same with fields added to its span."""
        added = self.tail + tail if self.tail else tail
        return Entry(
            self.trace_id, self._span_id, self.resource, self.scope,
            self.data, self.start, self.end, NO_HEAD, added,
        )  # fmt: skip

    def under(self, resource: bytes, scope: bytes) -> "Entry":
        """Return the same span where it belongs now."""
        return Entry(
            self.trace_id, self._span_id, resource, scope,
            self.data, self.start, self.end, self.head, self.tail,
        )  # fmt: skip

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


def _index_part(data: bytes, start: int, end: int, entries: list[Entry], is_scope: bool) -> None:
    """Add the spans of encoded ResourceSpans or ScopeSpans; all else there is their head."""
    first = len(entries)
    head = b""
    at: i64 = start
    kept: i64 = start
    stop: i64 = end
    while at < stop:
        if data[at] == _CHILDREN:
            if at > kept:
                head += data[kept:at]
            begin: i64 = at
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
            kept = at + size
            if is_scope:
                _add_span(entries, data, at, kept, begin)
            else:
                _index_part(data, at, kept, entries, is_scope=True)
            at = kept
        else:
            tag, behind = _varint(data, at)
            at = _within(_skip(data, behind, tag & 7), end)
    if at > kept:
        head += data[kept:at]
    if at != stop:
        raise MalformedError(_TOO_LONG)
    for number in range(first, len(entries)):
        if is_scope:
            entries[number].scope = head
        else:
            entries[number].resource = head


def _add_span(entries: list[Entry], data: bytes, start: "i64", end: "i64", head: "i64") -> None:
    """Add a span; what it belongs to is known once all of that was read."""
    span_id: bytes | None = None
    if end - start >= _IDS_BYTES and _has_usual_ids(data, start):
        trace_id = data[start + 2 : start + 18]
        if entries and entries[-1].trace_id == trace_id:
            trace_id = entries[-1].trace_id  # neighbours share it
    else:
        trace_id, span_id = _ids(data[start:end])
    entries.append(Entry(trace_id, span_id, b"", b"", data, start, end, head))


def _within(size: int, end: int) -> int:
    """Return what must not be more than ``end``, before it is counted with in 64 bits."""
    if size > end:
        raise MalformedError(_TOO_LONG)
    return size


def _has_usual_ids(data: bytes, at: "i64") -> bool:
    """Whether a span that is long enough begins with both its ids, as encoders put them."""
    return (
        data[at] == _TRACE_ID
        and data[at + 1] == 16
        and data[at + 18] == _SPAN_ID
        and data[at + 19] == 8
    )


def _ids(span: bytes) -> tuple[bytes, bytes]:
    """Return trace id and span id; the last one counts where a field stands twice."""
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
    if len(span) >= _IDS_BYTES and _has_usual_ids(span, 0) and span[at : at + 2] == _PARENT:
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
    at, end = 0, len(data)
    try:
        while at < end:
            tag, at = _varint(data, at)
            if tag != _RESOURCE_SPANS:
                at = _skip(data, at, tag & 7)
                continue
            size, at = _varint(data, at)
            _index_part(data, at, at + _within(size, end), entries, is_scope=False)
            at += size
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
    parts: list[bytes | memoryview] = []
    at: i64 = 0
    while at < len(spans):
        at = _put_resource(parts, spans, at)
    return b"".join(parts)


def _put_resource(parts: list[bytes | memoryview], entries: list[Entry], at: "i64") -> "i64":
    """Add the spans from ``at`` on that share its resource; return where the next ones begin."""
    resource = entries[at].resource
    head_at = len(parts)
    parts.append(b"")  # the head is written once the size is known
    size: i64 = len(resource)
    while at < len(entries) and entries[at].resource == resource:
        at, more = _put_scope(parts, entries, at)
        size += more
    parts[head_at] = b"\x0a" + length(size) + resource
    return at


def _put_scope(
    parts: list[bytes | memoryview], entries: list[Entry], at: "i64"
) -> "tuple[i64, i64]":
    """Add those that share its scope too; return where the next ones begin, and the size."""
    first = entries[at]
    head_at = len(parts)
    parts.append(b"")
    size: i64 = len(first.scope)
    end: i64 = len(entries)
    while at < end and _is_beside(entries[at], first):
        entry = entries[at]
        at += 1
        stop: i64 = entry.end
        if entry.head == NO_HEAD:
            span_size: i64 = entry.size
            known = length(span_size)
            size += 1 + len(known) + span_size
            parts.append(b"\x12")
            parts.append(known)
            parts.append(_cut(entry.data, entry.start, stop))
            parts += entry.tail
            continue
        while (
            at < end and _follows(entries[at], entry.data, stop) and _is_beside(entries[at], first)
        ):
            stop = entries[at].end
            at += 1
        size += stop - entry.head
        parts.append(_cut(entry.data, entry.head, stop))
    head = b"\x12" + length(size)
    parts[head_at] = head + first.scope
    return at, len(head) + size


def _is_beside(entry: Entry, other: Entry) -> bool:
    """Whether two spans belong to the same scope."""
    return entry.scope == other.scope and entry.resource == other.resource


def _follows(entry: Entry, data: bytes, at: "i64") -> bool:
    """Whether a span, as it stands there, begins right at a place."""
    return entry.head == at and entry.data is data


def _cut(data: bytes, start: "i64", end: "i64") -> bytes | memoryview:
    """Return a part of data to be joined at once, without a copy where that is large."""
    if end - start < _WORTH_A_VIEW:
        return data[start:end]
    return memoryview(data)[start:end]


def arrange(entries: Sequence[Entry], *, unique: bool) -> list[Entry]:
    """
    Return ``entries`` grouped by trace, traces sorted by id.

    Inside a trace spans are grouped by resource and scope, else they keep their order. With
    ``unique`` the last of several spans with the same ids is kept, as MLflow's upsert would.
    """
    traces: dict[bytes, list[Entry]] = {}
    last: bytes | None = None
    trace: list[Entry] = []
    for entry in entries:
        if entry.trace_id is not last:
            last = entry.trace_id
            trace = traces.setdefault(last, [])
        trace.append(entry)
    arranged: list[Entry] = []
    for trace_id in sorted(traces):
        trace = traces[trace_id]
        arranged += _by_head(_unique(trace) if unique else trace)
    return arranged


def _unique(trace: list[Entry]) -> list[Entry]:
    """Return the spans of a trace, the last one of those with the same id."""
    spans = {entry.span_id: entry for entry in trace}
    return trace if len(spans) == len(trace) else list(spans.values())


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
        size += entry.size
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
    group: list[Entry] | None = None
    destination = ""
    resource: bytes | None = None
    trace_id: bytes | None = None
    for entry in entries:
        if destination_of is not None and entry.resource is not resource:
            resource = entry.resource
            destination = destination_of(resource)
        if entry.trace_id is not trace_id:
            trace_id = entry.trace_id
            group = homes.get(trace_id)
        if group is None:
            group = groups.setdefault((crc32(entry.trace_id) % lanes, destination), [])
            homes[entry.trace_id] = group
        group.append(entry)
    return groups
