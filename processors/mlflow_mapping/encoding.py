"""Attributes as ready-made protobuf bytes: a tenth of the cost of building messages."""

_ATTRIBUTES = b"\x4a"  # Span.attributes, field 9
_KEY = b"\x0a"  # KeyValue.key
_VALUE = b"\x12"  # KeyValue.value
_STRING = b"\x0a"  # AnyValue.string_value


_SHORT = [bytes((size,)) for size in range(0x80)]


def _length(size: int) -> bytes:
    if size < 0x80:
        return _SHORT[size]
    if size < 0x4000:
        return bytes((size & 0x7F | 0x80, size >> 7))
    out = bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


def encoded_key(key: str) -> bytes:
    """Return the key of an attribute as it stands in a span."""
    data = key.encode()
    return _KEY + _length(len(data)) + data


def text_attribute(key: bytes, data: bytes) -> bytes:
    """
    Return a span's encoding that holds one text attribute.

    Args:
        key: as :func:`encoded_key` returns it.
        data: the text in UTF-8.

    """
    size = _length(len(data))
    inner = len(data) + len(size) + 1
    inner_size = _length(inner)
    outer_size = _length(inner + len(inner_size) + len(key) + 1)
    return b"".join((_ATTRIBUTES, outer_size, key, _VALUE, inner_size, _STRING, size, data))


FLAG_TRUE = b"\x12\x02\x10\x01"
"""The value ``true`` of an attribute."""


def flag_attribute(key: bytes) -> bytes:
    """Return a span's encoding that holds one attribute that is true."""
    return _ATTRIBUTES + _length(len(key) + len(FLAG_TRUE)) + key + FLAG_TRUE
