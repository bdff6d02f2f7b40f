"""How an encoded request is framed: its spans, their fields and attributes."""

from collections.abc import Sequence
from typing import NamedTuple

from processors.redaction.prefilter import Hit
from processors.redaction.rules import Bounds

_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 0x0A, 0x12, 0x12
_KEY, _VALUE, _TEXT = 0x0A, 0x12, 0x0A
"""The tags of KeyValue.key, KeyValue.value and AnyValue.string_value."""


class FramingError(ValueError):
    """The bytes are not framed as expected; look at everything instead."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def field_at(data: bytes, at: int) -> tuple[int, int, int]:
    """Return a field's tag, and where its content begins and ends."""
    tag = data[at]
    at += 1
    if tag >= 0x80:
        tag, at = varint(data, at - 1)
    kind = tag & 7
    if kind == 2:
        size = data[at]
        at += 1
        if size >= 0x80:
            size, at = varint(data, at - 1)
        return tag, at, at + size
    if kind == 0:
        return tag, at, varint(data, at)[1]
    if kind in (1, 5):
        return tag, at, at + (8 if kind == 1 else 4)
    raise FramingError


def _fields(data: bytes, at: int, end: int, wanted: int) -> list[Bounds]:
    """Return the bounds of a length-delimited field's occurrences."""
    found: list[Bounds] = []
    while at < end:
        tag, start, at = field_at(data, at)
        if tag == wanted:
            found.append((start, at))
    if at != end:
        raise FramingError
    return found


def spans(data: bytes) -> list[Bounds]:
    """
    Return the bounds of the spans in the order in which they are decoded.

    Raises:
        FramingError: the bytes are no request.

    """
    try:
        return [
            span
            for start, end in _fields(data, 0, len(data), _RESOURCE_SPANS)
            for scope_start, scope_end in _fields(data, start, end, _SCOPE_SPANS)
            for span in _fields(data, scope_start, scope_end, _SPANS)
        ]
    except IndexError as error:
        raise FramingError from error


class Text(NamedTuple):
    """An attribute that is a text: its key, and where things stand in its encoding."""

    key: str
    value_at: int
    """Where its value begins, with the tag."""
    text_at: int
    """Where the text begins, which is all of the rest."""


def text_of(attribute: bytes) -> Text | None:
    """Return what is known of an attribute that is a text and encoded as all encoders do it."""
    try:
        value_at = 2 + attribute[1]
        if attribute[0] != _KEY or value_at >= 0x82 or attribute[value_at] != _VALUE:
            return None
        size, at = varint(attribute, value_at + 1)
        if at + size != len(attribute) or attribute[at] != _TEXT:
            return None
        size, at = varint(attribute, at + 1)
        if at + size != len(attribute):
            return None
        return Text(attribute[2:value_at].decode(), value_at, at)
    except (IndexError, UnicodeDecodeError):
        return None


class Place:
    """
    An attribute of a span: which one, and where it stands.

    Args:
        ordinal: its number.
        field: where it begins, with its tag.
        end: where it ends.
        encoded: its key and value.
        hit: the first one in these; ``None`` where the attribute is known.

    """

    __slots__ = ("encoded", "end", "field", "hit", "hits", "ordinal", "text")

    def __init__(self, ordinal: int, field: int, end: int, encoded: bytes, hit: Hit | None) -> None:
        self.ordinal = ordinal
        self.field = field
        self.end = end
        self.encoded = encoded
        self.hit = hit
        self.text: Text | None = None
        """What is known of the attribute where it is a text that is hit."""
        self.hits: Sequence[Hit] | None = None
        """All hits of this text; ``None`` where they are many."""
