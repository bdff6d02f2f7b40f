"""Put new texts into encoded attributes and spans without decoding them."""

from collections.abc import Sequence

from gateway.otlp.ready import length
from processors.redaction.framing import Place, text_of

__all__ = ["text_of", "with_attributes", "with_text"]


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
