"""
Tell how much memory a request will take decoded, and refuse what would be too much.

An empty message costs a sender two bytes, which compress to nothing, and us about a hundred:
64 MiB of them are gigabytes. Requests of real clients stay far below the cap.
"""

from gateway.otlp import parts
from gateway.otlp.status import MALFORMED, TOO_LARGE, Refusal

WEIGHED_BYTES = 4096
"""Smaller requests are not worth the time: the damage they can do is bounded."""
MAX_MESSAGES = 3_000_000
"""Messages in a request at the most, that is resources, scopes, spans, attributes, values ..."""


def weigh_protobuf(data: bytes) -> int:
    """
    Return about how many bytes the messages of a request take decoded, beside their texts.

    Raises:
        Refusal: there are too many, or the framing is broken.

    """
    if len(data) <= WEIGHED_BYTES:
        return 0
    try:
        count, size = parts.count(data, MAX_MESSAGES)
    except parts.CutOffError as error:
        raise Refusal(
            MALFORMED,
            "the body is not an OTLP trace request in protobuf: its framing breaks off, or is "
            "nested too deeply",
        ) from error
    if count > MAX_MESSAGES:
        raise _too_many()
    return size


def weigh_json(data: bytes) -> int:
    """
    Return about how many bytes the values of a request take decoded, beside their texts.

    Counts the marks of JSON, also those that are only text.

    Raises:
        Refusal: there are too many objects and arrays.

    """
    if len(data) <= WEIGHED_BYTES:
        return 0
    count = data.count(b"{") + data.count(b"[")
    if count > MAX_MESSAGES:
        raise _too_many()
    return (count + data.count(b",")) * parts.PART_BYTES


def _too_many() -> Refusal:
    return Refusal(
        TOO_LARGE, f"the request has more than {MAX_MESSAGES} parts: send fewer spans at once"
    )
