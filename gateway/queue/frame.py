"""
How a record lies in a segment.

A frame is a head of 40 bytes, the record's meta (MessagePack), its payload, and zeros up to the
next multiple of eight, so that a reader finds the next frame behind a damaged one. Two checksums
tell a damaged head from a damaged payload; that of the head covers its position too, so that what
looks like a frame inside a payload is none.

The records of one request carry the same commit number, and each says how many they are. What lay
in the segment when the frame was written and was durable by then is ``synced``: behind that, a
request of which a part is missing was never acknowledged.
"""

import struct
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from isal import isal_zlib

from gateway.batch import BatchContext
from gateway.queue.base import Record
from gateway.queue.line import ALIGNMENT

MAGIC = b"SGQ1"
_HEAD = struct.Struct("<4sIIIIHHQQ")
unpack_head: Callable[
    [bytes | memoryview, int], tuple[bytes, int, int, int, int, int, int, int, int]
] = _HEAD.unpack_from
"""Magic and checksum of a head, and what :func:`fields_at` returns of it, unchecked."""
_SIZES = struct.Struct("<III")
_CHECKED = struct.Struct("<IIIHHQQ")  # all of the head behind its own checksum
_BEGIN = struct.Struct("<4sI")
_unpack_checked: Callable[[bytes | memoryview, int], tuple[int, int, int, int, int, int, int]] = (
    _CHECKED.unpack_from
)
HEAD_BYTES = _HEAD.size
CHECKED = _BEGIN.size
"""Where in a frame begins what the checksum of its head covers, up to its payload."""
_PADDING = tuple(bytes(size) for size in range(ALIGNMENT))

checksum = isal_zlib.crc32


class Meta(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is kept of a record beside its payload."""

    queue: str
    lane: int
    destination: str
    tenant: str
    received_unix_ns: int
    spans: int
    trace_ids: bytes
    """The ids of its traces, 16 bytes each, one behind the other."""

    def holds(self, trace_id: bytes) -> bool:
        """Whether there are spans of a trace in the record."""
        at = self.trace_ids.find(trace_id)
        while at >= 0 and at % _TRACE_ID_BYTES:
            at = self.trace_ids.find(trace_id, at + 1)
        return at >= 0

    context: BatchContext | None = None
    """Where it came from; None where its spans are routed, or an older version wrote it."""


_encode_meta = msgspec.msgpack.Encoder().encode
decode_meta = msgspec.msgpack.Decoder(Meta).decode
_TRACE_ID_BYTES = 16
_IN_LOG = (1 << 64) - 1  # of a position; above that it says which log


class Head(NamedTuple):
    """The head of a frame, its checksum verified."""

    payload_checksum: int
    meta_bytes: int
    payload_bytes: int
    part: int
    parts: int
    synced: int
    commit: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of the whole frame."""
        return padded(HEAD_BYTES + self.meta_bytes + self.payload_bytes)


def padded(size: int) -> int:
    """Return the next multiple of the alignment."""
    return size + -size % ALIGNMENT


def meta_of(record: Record) -> bytes:
    """Return a record's encoded meta."""
    return _encode_meta(
        Meta(
            record.queue,
            record.lane,
            record.destination,
            record.tenant,
            record.received_unix_ns,
            record.spans,
            b"".join(record.trace_ids),
            record.context,
        )
    )


def frame_bytes(meta: bytes, payload: bytes) -> int:
    """Return the size of the frame of a record."""
    size = HEAD_BYTES + len(meta) + len(payload)
    return size + -size % ALIGNMENT


def encode(
    meta: bytes, payload: bytes, position: int, *, part: int, parts: int, synced: int, commit: int
) -> tuple[bytes, bytes, bytes]:
    """Return a frame as buffers to be written one behind the other; the payload is not copied."""
    checked = _CHECKED.pack(checksum(payload), len(meta), len(payload), part, parts, synced, commit)
    check = head_checksum(checked + meta, position).to_bytes(4, "little")
    head = MAGIC + check + checked + meta
    return head, payload, _PADDING[-(len(head) + len(payload)) % ALIGNMENT]


def head_checksum(checked: bytes | memoryview, position: int) -> int:
    """Return the checksum of the head and meta of the frame at a position."""
    return checksum(checked, checksum((position & _IN_LOG).to_bytes(8, "little")))


def again(frame: bytes | memoryview, head: Head, position: int, synced: int) -> bytes:
    """Return an intact frame to be written anew, by itself instead of with its request."""
    meta = bytes(frame[HEAD_BYTES : HEAD_BYTES + head.meta_bytes])
    checked = _CHECKED.pack(
        head.payload_checksum, head.meta_bytes, head.payload_bytes, 0, 1, synced, head.commit
    )
    rest = frame[HEAD_BYTES : head.frame_bytes]
    check = head_checksum(checked + meta, position).to_bytes(4, "little")
    return b"".join((MAGIC, check, checked, rest))


def read_head(data: bytes | memoryview, position: int, start: int = 0) -> Head | None:
    """Return the head of the frame at ``start``, or None where it is not intact."""
    fields = fields_at(data, position, start)
    return Head(*fields) if fields is not None else None


def fields_at(
    data: bytes | memoryview, position: int, start: int
) -> tuple[int, int, int, int, int, int, int] | None:
    """Return the same as :func:`read_head`, without names: for who reads very many."""
    begin = start + HEAD_BYTES
    if len(data) < begin:
        return None
    magic, check = _BEGIN.unpack_from(data, start)
    if magic != MAGIC:
        return None
    fields = _unpack_checked(data, start + CHECKED)
    end = begin + fields[1]
    if end > len(data) or head_checksum(data[start + CHECKED : end], position) != check:
        return None
    return fields


def announced(data: bytes | memoryview, start: int) -> int | None:
    """Return the size without padding that an unchecked head announces; None where is none."""
    if len(data) - start < HEAD_BYTES or data[start : start + 4] != MAGIC:
        return None
    _, meta_bytes, payload_bytes = _SIZES.unpack_from(data, start + 8)
    return HEAD_BYTES + int(meta_bytes) + int(payload_bytes)


def payload_of(frame: bytes | memoryview, head: Head) -> bytes | None:
    """Return the payload, or None where it is damaged."""
    start = HEAD_BYTES + head.meta_bytes
    payload = bytes(frame[start : start + head.payload_bytes])
    if len(payload) != head.payload_bytes or checksum(payload) != head.payload_checksum:
        return None
    return payload


def trace_ids_of(meta: Meta) -> frozenset[bytes]:
    """Return the ids of a record's traces."""
    ids = meta.trace_ids
    return frozenset(ids[at : at + _TRACE_ID_BYTES] for at in range(0, len(ids), _TRACE_ID_BYTES))
