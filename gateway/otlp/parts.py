"""Count the messages of an encoded trace request without decoding it."""

from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor import Descriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

if TYPE_CHECKING:
    from mypy_extensions import i64

PART_BYTES: Final = 64
"""About what protobuf takes for a message that is empty, beside those named below."""
_LARGER: Final = {
    "opentelemetry.proto.trace.v1.Span": 192,
    "opentelemetry.proto.trace.v1.Span.Link": 96,
}
_DEPTH: Final = 101  # protobuf reads 100 messages inside one another
_COLUMNS: Final = 16  # all fields that hold messages have lower numbers
_KEY: Final = 0x0A  # KeyValue.key
_VALUE: Final = 0x12  # KeyValue.value
_TEXT: Final = 0x0A  # AnyValue.string_value
_FLAG: Final = 0x10  # AnyValue.bool_value
_INT: Final = 0x18  # AnyValue.int_value
_DOUBLE: Final = 0x21  # AnyValue.double_value


class CutOffError(ValueError):
    """The framing is not protobuf's: it breaks off, or goes deeper than protobuf reads."""


def count(data: bytes, most: int) -> tuple[int, int]:
    """
    Return how many messages a request has, and about how many bytes they take decoded.

    Args:
        data: the request.
        most: beyond so many it need not go on.

    Raises:
        CutOffError: this is no request.

    """
    try:
        return _count(data, 0, len(data), 1, _DEPTH, most)
    except IndexError as error:
        raise CutOffError from error


def _count(  # noqa: PLR0917 - an object that holds them costs more than the work
    data: bytes, at: "i64", end: "i64", kind: "i64", depth: "i64", most: "i64"
) -> "tuple[i64, i64]":
    """Return both for what one message holds; groups are marks around ordinary fields."""
    if depth == 0:
        raise CutOffError
    found: i64 = 0
    size: i64 = 0
    row: i64 = kind * _COLUMNS
    while at < end:
        tag: i64 = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = _varint(data, at - 1)
        wire_type: i64 = tag & 7
        if wire_type == 2:
            length: i64 = data[at]
            at += 1
            if length >= 0x80:
                length, at = _varint(data, at - 1)
            if length < 0 or length > end - at:
                raise CutOffError
            child: i64 = _CHILDREN[row + (tag >> 3)] if tag < 8 * _COLUMNS else 0
            if child == _ATTRIBUTE and depth > 2 and _is_plain(data, at, at + length):
                found += 2
                size += 2 * PART_BYTES
                if found > most:
                    return found, size
            elif child:
                more, more_size = _count(data, at, at + length, child, depth - 1, most)
                found += 1 + more
                size += _SIZES[child] + more_size
                if found > most:
                    return found, size
            at += length
        elif wire_type == 0:
            _, at = _varint(data, at)
        elif wire_type == 1:
            at += 8
        elif wire_type == 5:
            at += 4
        elif wire_type > 5:
            raise CutOffError
    return found, size


def _is_plain(data: bytes, at: "i64", end: "i64") -> bool:
    """Whether an attribute is, as nearly all are, itself and a value that holds no message."""
    if end - at < 6 or data[at] != _KEY:
        return False
    size: i64 = data[at + 1]
    at += 2 + size
    if size >= 0x80 or at + 4 > end or data[at] != _VALUE:
        return False
    at = _start_of(data, at + 1, end)
    if at + 2 > end:
        return False
    kind: i64 = data[at]
    if kind == _TEXT:
        return _start_of(data, at + 1, end) <= end
    if kind == _DOUBLE:
        return at + 9 == end
    if kind not in (_FLAG, _INT):
        return False
    at += 1
    while at < end and data[at] >= 0x80:
        at += 1
    return at + 1 == end


def _start_of(data: bytes, at: "i64", end: "i64") -> "i64":
    """Return where the value begins whose length stands at a place; past the end unless it fits."""
    size: i64 = data[at]
    at += 1
    if size >= 0x80 and at < end:
        more: i64 = data[at]
        at += 1
        size += (more - 1) << 7
        if more >= 0x80:
            return end + 1
    if at + size != end:
        return end + 1
    return at


def _varint(data: bytes, at: "i64") -> "tuple[i64, i64]":
    value: i64 = data[at]
    at += 1
    if value < 0x80:
        return value, at
    value &= 0x7F
    shift: i64 = 7
    while shift < 63:
        byte: i64 = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return value, at + 1  # the sign of a number, which is no length


def _tables() -> tuple[bytes, bytes, int]:
    """
    Return the kind of message in each field of each kind, 0 for none, and the kinds' sizes.

    The last is the kind of attributes.
    """
    kinds: list[Descriptor] = [ExportTraceServiceRequest.DESCRIPTOR]
    rows = [bytes(_COLUMNS)]
    for kind in kinds:  # grows as it goes
        row = bytearray(_COLUMNS)
        for field in kind.fields:
            if field.message_type is not None:
                if field.message_type not in kinds:
                    kinds.append(field.message_type)
                row[field.number] = kinds.index(field.message_type) + 1
        rows.append(bytes(row))
    sizes = bytes([0, *(_LARGER.get(kind.full_name, PART_BYTES) for kind in kinds)])
    return b"".join(rows), sizes, kinds.index(KeyValue.DESCRIPTOR) + 1


_TABLES: Final = _tables()
_CHILDREN: Final = _TABLES[0]
_SIZES: Final = _TABLES[1]
_ATTRIBUTE: Final = _TABLES[2]
