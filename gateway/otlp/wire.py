"""
Find, sort and regroup the spans of an encoded trace request without decoding them.

A request is an ``ExportTraceServiceRequest``; its nesting is request > ResourceSpans (field 1)
> ScopeSpans (field 2) > Span (field 2). Everything else in ResourceSpans and ScopeSpans is kept
byte for byte as the resource's and the scope's head.

Source: opentelemetry/proto/trace/v1/trace.proto; protobuf encoding specification.
"""

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, NamedTuple
from zlib import crc32

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp.ready import length

_LEN: Final = 2  # wire type of length-delimited fields
_RESOURCE_SPANS: Final = 0x0A  # request.resource_spans
_CHILDREN: Final = 0x12  # ResourceSpans.scope_spans and ScopeSpans.spans
_SPAN_HEAD: Final = b"\x0a\x10"  # Span.trace_id, 16 bytes
_SPAN_ID_HEAD: Final = b"\x12\x08"  # Span.span_id, 8 bytes
_TRACE_STATE: Final = b"\x1a"  # Span.trace_state
_PARENT: Final = b"\x22\x08"  # Span.parent_span_id, 8 bytes
_IDS: Final = struct.Struct("2s16s2s8s")  # both ids as encoders put them


class MalformedError(ValueError):
    """The bytes are no protobuf message of the expected shape."""


class Entry(NamedTuple):
    """One encoded span and where it belongs."""

    trace_id: bytes
    span_id: bytes
    resource: bytes
    """Encoded ResourceSpans without its scope spans."""
    scope: bytes
    """Encoded ScopeSpans without its spans."""
    span: bytes
    """Encoded Span, as received."""


make_entry: Callable[[tuple[bytes, bytes, bytes, bytes, bytes]], Entry] = partial(
    tuple.__new__, Entry
)
"""Make an :class:`Entry` in half the time that calling it takes."""


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


def _split(data: bytes, start: int, end: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Return the bytes between ``start`` and ``end`` that are not field 2, and field 2's spots."""
    children: list[tuple[int, int]] = []
    head = b""
    at = kept = start
    while at < end:
        tag = data[at]
        if tag == _CHILDREN:
            if at > kept:
                head += data[kept:at]
            size = data[at + 1]
            if size < 0x80:
                at += 2
            elif (high := data[at + 2]) < 0x80:
                size += (high << 7) - 0x80
                at += 3
            else:
                size, at = _varint(data, at + 1)
            children.append((at, at + size))
            at = kept = at + size
        else:
            tag, at = _varint(data, at)
            at = _skip(data, at, tag & 7)
    if at > kept:
        head += data[kept:at]
    if at != end:
        raise MalformedError("a field is longer than the message that holds it")
    return head, children


def _ids(span: bytes) -> tuple[bytes, bytes]:
    """Return trace id and span id; the last one counts where a field stands twice."""
    if span[:2] == _SPAN_HEAD and span[18:20] == _SPAN_ID_HEAD:
        return span[2:18], span[20:28]
    trace_id = span_id = b""
    at, end = 0, len(span)
    while at < end:
        tag, at = _varint(span, at)
        stop = _skip(span, at, tag & 7)
        if tag in (0x0A, 0x12):
            value = span[_varint(span, at)[1] : stop]
            trace_id, span_id = (value, span_id) if tag == 0x0A else (trace_id, value)
        at = stop
    return trace_id, span_id


def is_root(span: bytes) -> bool:
    """Return whether an encoded span has no parent; an all-zero parent id means none."""
    at = 28  # behind the ids, where encoders put the trace state and the parent
    if span[at : at + 1] == _TRACE_STATE:
        size, at = _varint(span, at + 1)
        at += size
    if span[:2] == _SPAN_HEAD and span[18:20] == _SPAN_ID_HEAD and span[at : at + 2] == _PARENT:
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
    append, unpack = entries.append, _IDS.unpack_from
    at, end = 0, len(data)
    try:
        while at < end:
            tag, at = _varint(data, at)
            if tag != _RESOURCE_SPANS:
                at = _skip(data, at, tag & 7)
                continue
            size, at = _varint(data, at)
            resource, scopes = _split(data, at, at + size)
            at += size
            for scope_start, scope_end in scopes:
                scope, spans = _split(data, scope_start, scope_end)
                for start, stop in spans:
                    if stop - start >= _IDS.size:
                        head, trace_id, id_head, span_id = unpack(data, start)
                        if head == _SPAN_HEAD and id_head == _SPAN_ID_HEAD:
                            span = data[start:stop]
                            append(make_entry((trace_id, span_id, resource, scope, span)))
                            continue
                    span = data[start:stop]
                    append(Entry(*_ids(span), resource, scope, span))
    except (IndexError, struct.error) as error:
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
    _, _, resource, scope, _ = entries[at]
    head_at = len(parts)
    parts.append(b"")
    size = len(scope)
    end = len(entries)
    while at < end:
        _, _, its_resource, its_scope, span = entries[at]
        if its_scope != scope or its_resource != resource:
            break
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
        entries = list({(entry[0], entry[1]): entry for entry in entries}.values())
    return sorted(entries, key=lambda entry: (entry[0], entry[2], entry[3]))


def trace_ids(entries: Iterable[Entry]) -> set[bytes]:
    """Return the traces of spans."""
    return {entry[0] for entry in entries}


def size_of(entries: Iterable[Entry]) -> int:
    """Return the bytes of spans."""
    size = 0
    for entry in entries:
        size += len(entry[4])
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
        trace_id, _, resource, _, _ = entry
        if destination_of is not None and resource is not last:
            last = resource
            destination = destination_of(resource)
        group = homes.get(trace_id)
        if group is None:
            group = groups.setdefault((crc32(trace_id) % lanes, destination), [])
            homes[trace_id] = group
        group.append(entry)
    return groups
