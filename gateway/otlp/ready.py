"""
Attributes of spans as ready-made bytes: a tenth of the cost of building messages.

Source: opentelemetry/proto/trace/v1/trace.proto, Span.attributes; protobuf encoding specification.
"""

import struct
from typing import Final

_ATTRIBUTES: Final = b"\x4a"  # Span.attributes, field 9
_KEY: Final = b"\x0a"  # KeyValue.key
_VALUE: Final = b"\x12"  # KeyValue.value
_STRING: Final = b"\x0a"  # AnyValue.string_value
_TRUE: Final = b"\x12\x02\x10\x01"  # KeyValue.value with AnyValue.bool_value
_DOUBLE: Final = b"\x12\x09\x21"  # KeyValue.value with AnyValue.double_value


def _varint(size: int) -> bytes:
    out = bytearray()
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


_BYTES: Final = tuple([bytes([value]) for value in range(0x80)])
"""Lengths of one byte. A table of those of two bytes, which are as many as there are texts, would
take longer to fetch from memory than each of them takes to make."""


def length(size: int) -> bytes:
    """Return a length as protobuf writes it."""
    if size < 0x80:
        return _BYTES[size]
    return _two(size).to_bytes(2, "little") if size < 0x4000 else _varint(size)


def _two(size: int) -> int:
    """Return a length of two bytes as the number that they are, the first one lowest."""
    return size & 0x7F | 0x80 | size >> 7 << 8


_SHORT: Final = 0x80
"""Texts shorter than this, and attributes, have their heads ready."""
_HEADS: Final = tuple([_ATTRIBUTES + _BYTES[size] for size in range(_SHORT)])
"""What stands before an attribute."""


def _head(size: int) -> bytes:
    """Return what stands before an attribute of so many bytes."""
    if size < _SHORT:
        return _HEADS[size]
    if size < 0x4000:
        return (0x4A | _two(size) << 8).to_bytes(3, "little")
    return _ATTRIBUTES + _varint(size)


def _text_head(size: int) -> bytes:
    """Return what stands before a text of so many bytes, behind the key."""
    if _SHORT <= size < 0x4000 - 3:
        return (0x12 | _two(size + 3) << 8 | 0x0A << 24 | _two(size) << 32).to_bytes(6, "little")
    start = _STRING + length(size)
    return _VALUE + length(len(start) + size) + start


_TEXT_HEADS: Final = tuple([_text_head(size) for size in range(_SHORT)])

_keys: Final[dict[str, bytes]] = {}
_REMEMBERED: Final = 4096


def _encoded_key(key: str) -> bytes:
    known = _keys.get(key)
    if known is None:
        if len(_keys) >= _REMEMBERED:
            _keys.clear()
        data = key.encode()
        _keys[key] = known = _KEY + length(len(data)) + data
    return known


def add_text(parts: list[bytes], key: str, text: str | bytes) -> None:
    """Add what joined is a span's encoding of one text attribute; bytes are text in UTF-8."""
    data = text if isinstance(text, bytes) else text.encode()
    head = _encoded_key(key)
    size = len(data)
    start = _TEXT_HEADS[size] if size < _SHORT else _text_head(size)
    whole = len(head) + len(start) + size
    parts.append(_head(whole))
    parts.append(head)
    parts.append(start)
    parts.append(data)


def text_attribute(key: str, text: str | bytes) -> bytes:
    """Return a span's encoding that holds one text attribute; bytes are a text in UTF-8."""
    parts: list[bytes] = []
    add_text(parts, key, text)
    return b"".join(parts)


_words: Final[dict[str, dict[str | bytes, bytes]]] = {}
_WORDS: Final = 1024


def word_attribute(key: str, word: str | bytes) -> bytes:
    """Return the same for keys that are few and texts that are so too, such as models' names."""
    words = _words.get(key)
    if words is None:
        _words[key] = words = {}
    known = words.get(word)
    if known is None:
        if len(words) >= _WORDS:
            words.clear()
        words[word] = known = text_attribute(key, word)
    return known


def flag_attribute(key: str) -> bytes:
    """Return a span's encoding that holds one attribute that is true."""
    return _attribute(_encoded_key(key), _TRUE)


def number_attribute(key: str, number: float) -> bytes:
    """Return a span's encoding that holds one number."""
    return _attribute(_encoded_key(key), _DOUBLE + struct.pack("<d", number))


def _attribute(head: bytes, value: bytes) -> bytes:
    return b"".join((_ATTRIBUTES, length(len(head) + len(value)), head, value))
