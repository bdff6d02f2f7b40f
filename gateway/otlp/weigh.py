"""
Refuse large requests that would decode to many times their size.

An empty message costs a sender two bytes, which compress to nothing, and us about a hundred:
64 MiB of them are gigabytes. Requests of real clients stay far below the cap.
"""

from typing import TypeAlias

from google.protobuf.descriptor import Descriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp.status import MALFORMED, TOO_LARGE, Refusal

WEIGHED_BYTES = 8 * 1024 * 1024
"""Smaller requests are not worth the time: the damage they can do is bounded."""
MAX_MESSAGES = 3_000_000
"""Messages in a request at the most, that is resources, scopes, spans, attributes, values ..."""

_Children: TypeAlias = "dict[int, _Children]"


def weigh_protobuf(data: bytes) -> None:
    """
    Count the messages of a large request without decoding it.

    Raises:
        Refusal: there are too many, or the framing is broken.

    """
    if len(data) <= WEIGHED_BYTES:
        return
    try:
        count = _count(data)
    except IndexError as error:
        raise Refusal(MALFORMED, "the body ends in the middle of a field") from error
    if count > MAX_MESSAGES:
        raise _too_many()


def weigh_json(data: bytes) -> None:
    """
    Count the objects and arrays of a large request, also those that are only text.

    Raises:
        Refusal: there are too many.

    """
    if len(data) > WEIGHED_BYTES and data.count(b"{") + data.count(b"[") > MAX_MESSAGES:
        raise _too_many()


def _count(data: bytes) -> int:
    """Return the number of messages, or one more than allowed."""
    count = 0
    stack = [(0, len(data), _children(ExportTraceServiceRequest.DESCRIPTOR, {}))]
    while stack:
        at, end, children = stack.pop()
        while at < end:
            tag, at = _varint(data, at)
            size, at = _size(data, at, tag & 7)
            child = children.get(tag >> 3) if tag & 7 == 2 else None
            if child is None:
                at += size
                continue
            count += 1
            if count > MAX_MESSAGES:
                return count
            if size:
                stack.append((at + size, end, children))
                end, children = min(at + size, len(data)), child
    return count


def _size(data: bytes, at: int, wire_type: int) -> tuple[int, int]:
    """Return the size of a field's value and where it begins."""
    if wire_type == 2:
        return _varint(data, at)
    if wire_type == 0:
        return 0, _varint(data, at)[1]
    return {1: 8, 5: 4}.get(wire_type, 0), at  # groups are marks around ordinary fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _children(descriptor: Descriptor, known: dict[str, _Children]) -> _Children:
    """Return the message fields of a type; types may contain themselves."""
    found = known.get(descriptor.full_name)
    if found is None:
        found = known[descriptor.full_name] = {}
        for field in descriptor.fields:
            if field.message_type is not None:
                found[field.number] = _children(field.message_type, known)
    return found


def _too_many() -> Refusal:
    return Refusal(
        TOO_LARGE, f"the request has more than {MAX_MESSAGES} parts: send fewer spans at once"
    )
