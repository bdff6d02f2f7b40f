"""
The attributes of a span by their places, where nothing is decoded but what somebody reads.

A text out of protobuf's messages takes two wrappers around them, which cost five times what it
takes to cut the text out of the encoded span, once it is known where it stands.
"""

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

if TYPE_CHECKING:
    from mypy_extensions import i64

_STRING: Final = 0x0A  # AnyValue.string_value
_INT: Final = 0x18  # AnyValue.int_value
_EVENTS: Final = 0x5A  # the tag of Span.events; texts without a "Z" hold none by chance
SPOT_HIGH: Final = 32
"""Bits of the end in a spot, below the beginning."""
SPOT_LOW: Final = (1 << 32) - 1
"""What of a spot is the end."""


class Fields:
    """
    Read the attributes of one span.

    Args:
        message: the span, for whatever is not usual.
        span: where the same stands, encoded.
        spots: where the value of each attribute begins and ends there, as :func:`spot_of` says
            it; none where only the message is to be read, ``None`` where the encoding is unusual.

    """

    __slots__ = (
        "_has_events", "_is_walked", "_message", "_messages", "_name_at", "_parent_at", "_span",
        "_spots",
    )  # fmt: skip

    def __init__(self, message: Span, span: bytes = b"", spots: list[int] | None = None) -> None:
        self._message = message
        self._messages: Any = None
        self._span = span if spots is not None else b""
        self._spots = spots or None
        self._is_walked = False
        self._has_events = True
        self._name_at: i64 = -1
        self._parent_at: i64 = -1

    def place(self, name_at: "i64", parent_at: "i64", *, has_events: bool) -> None:
        """Say where the fields of the name and the parent's id begin; -1: there is none."""
        self._name_at, self._parent_at = name_at, parent_at
        self._has_events = has_events
        self._is_walked = True

    @property
    def may_have_events(self) -> bool:
        """Whether the span can have events; cheaper than asking its message."""
        if self._is_walked:
            return self._has_events
        return not self._span or _EVENTS in self._span

    def name(self) -> bytes:
        """Return the span's name in UTF-8."""
        if not self._is_walked:
            return self._message.name.encode()
        if self._name_at < 0:
            return b""
        span = self._span
        return span[value_at(span, self._name_at + 1) : end_of(span, self._name_at + 1)]

    def is_root(self) -> bool:
        """Whether the span has no parent; an all-zero parent id means none."""
        span, at = self._span, self._parent_at
        if not self._is_walked:
            return not self._message.parent_span_id.strip(b"\0")
        if at < 0:
            return True
        start: i64 = value_at(span, at + 1)
        end: i64 = end_of(span, at + 1)
        return start == end or (span[start] == 0 and not span[start:end].strip(b"\0"))

    def value(self, place: int) -> AnyValue:
        """Return what stands at a place, as a message; for reading only."""
        if self._messages is None:
            self._messages = self._message.attributes
        value: AnyValue = self._messages[place].value
        return value

    def raw(self, place: int) -> bytes | None:
        """Return what stands at a place, encoded; ``None`` where that is not known."""
        spots = self._spots
        if spots is None:
            return None
        spot: i64 = spots[place]
        return self._span[spot >> SPOT_HIGH : spot & SPOT_LOW]

    def text(self, place: int) -> str:
        """Return the text at a place; empty where there is none."""
        cut = self._cut(place)
        return self.value(place).string_value if cut is None else cut.decode()

    def size(self, place: int) -> int:
        """Return the bytes of the text at a place in UTF-8; 0 where there is none."""
        spots = self._spots
        if spots is not None:
            span = self._span
            spot: i64 = spots[place]
            at: i64 = spot >> SPOT_HIGH
            end: i64 = spot & SPOT_LOW
            if at < end and span[at] == _STRING and end_of(span, at + 1) == end:
                return end - value_at(span, at + 1)
        return len(self.utf8(place))

    def utf8(self, place: int) -> bytes:
        """Return the same in UTF-8."""
        cut = self._cut(place)
        return self.value(place).string_value.encode() if cut is None else cut

    def _cut(self, place: int) -> bytes | None:
        """Return the text as it stands in the span; ``None`` where that is not known."""
        spots = self._spots
        if spots is None:
            return None
        span = self._span
        spot: i64 = spots[place]
        at: i64 = spot >> SPOT_HIGH
        end: i64 = spot & SPOT_LOW
        if at == end:
            return b""
        tag: i64 = span[at]
        if tag == _STRING and end_of(span, at + 1) == end:
            return span[value_at(span, at + 1) : end]
        return b"" if tag == _INT and value_at(span, at + 1) == end else None

    def number(self, place: int) -> int:
        """Return the whole number at a place; 0 where there is none."""
        spots = self._spots
        if spots is not None:
            span = self._span
            spot: i64 = spots[place]
            at: i64 = spot >> SPOT_HIGH
            end: i64 = spot & SPOT_LOW
            if at + 4 >= end > at + 1 and span[at] == _INT and value_at(span, at + 1) == end:
                return end_of(span, at + 1) - end
        return self.value(place).int_value


def spot_of(start: "i64", end: "i64") -> "i64":
    """Return where a value begins and ends as one number."""
    return start << SPOT_HIGH | end


def value_at(span: bytes, at: "i64") -> "i64":
    """Return where a value begins whose length stands at a place."""
    while span[at] >= 0x80:
        at += 1
    return at + 1


def end_of(span: bytes, at: "i64") -> "i64":
    """Return where a value ends whose length stands at a place."""
    size: i64 = 0
    shift: i64 = 0
    byte: i64 = span[at]
    while byte >= 0x80 and shift < 28:
        size |= (byte & 0x7F) << shift
        shift += 7
        at += 1
        byte = span[at]
    return at + 1 + (size | byte << shift)
