"""Put new texts into encoded attributes and spans without decoding them."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.otlp.ready import length
from processors.redaction.framing import Place, varint

_KEY, _VALUE, _TEXT = 0x0A, 0x12, 0x0A
"""The tags of KeyValue.key, KeyValue.value and AnyValue.string_value."""


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


def with_text(attribute: bytes, value_at: int, text: bytes) -> bytes:
    """Return an attribute with another text."""
    head = b"\x0a" + length(len(text))
    return b"".join((attribute[:value_at], b"\x12", length(len(head) + len(text)), head, text))


def with_attributes(
    data: bytes, span: tuple[int, int], changes: Sequence[tuple[Place, bytes]]
) -> bytes:
    """Return the encoding of a span, which stands in ``data``, with new attributes in places."""
    parts: list[bytes] = []
    last, end = span
    for place, attribute in changes:
        parts += (data[last : place.field], b"\x4a", length(len(attribute)), attribute)
        last = place.end
    parts.append(data[last:end])
    return b"".join(parts)
