"""Attributes as ready-made protobuf bytes: a tenth of the cost of building messages."""

_ATTRIBUTES = b"\x4a"  # Span.attributes, field 9
_KEY = b"\x0a"  # KeyValue.key
_VALUE = b"\x12"  # KeyValue.value
_STRING = b"\x0a"  # AnyValue.string_value


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes((size,))
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


def text_attribute(key: bytes, text: str) -> bytes:
    """Return a span's encoding that holds one text attribute; ``key`` is :func:`encoded_key`."""
    data = text.encode()
    value = _STRING + _length(len(data)) + data
    return b"".join((
        _ATTRIBUTES, _length(len(key) + 1 + len(_length(len(value))) + len(value)),
        key, _VALUE, _length(len(value)), value,
    ))  # fmt: skip


FLAG_TRUE = b"\x12\x02\x10\x01"
"""The value ``true`` of an attribute."""


def flag_attribute(key: bytes) -> bytes:
    """Return a span's encoding that holds one attribute that is true."""
    return _ATTRIBUTES + _length(len(key) + len(FLAG_TRUE)) + key + FLAG_TRUE
