"""
Leave out of what is searched what need not be: ids, times, and attributes that are known.

Zeros stand in their place, so that all the rest stays where it was.
"""

from collections.abc import Container, Sequence
from typing import Final, TypeAlias

from processors.redaction.framing import FramingError, Place, field_at
from processors.redaction.rules import Bounds

ATTRIBUTE: Final = 0x4A
"""The tag of a span's attribute."""
_TIMES: Final = (0x39, 0x41)
_TRACE_ID: Final = 0x0A
_SPAN_IDS: Final = (0x12, 0x22)
_BLANKS: Final = {
    _TRACE_ID: bytes((_TRACE_ID, 16)) + bytes(16),
    **{tag: bytes((tag, 8)) + bytes(8) for tag in _SPAN_IDS},
    **{tag: bytes((tag,)) + bytes(8) for tag in _TIMES},
}
"""By tag a span's ids and times, of zeros; with those below, all that stands before attributes."""
_ROOT: Final = _BLANKS[_TRACE_ID] + _BLANKS[_SPAN_IDS[0]]
_CHILD: Final = _ROOT + _BLANKS[_SPAN_IDS[1]]
_BOTH_TIMES: Final = _BLANKS[_TIMES[0]] + _BLANKS[_TIMES[1]]
_SPAN_HEAD: Final = _BLANKS[_SPAN_IDS[0]][:2]
_PARENT_HEAD: Final = _BLANKS[_SPAN_IDS[1]][:2]
_SHORT: Final = 1024
"""Fewer bytes are copied twice sooner than looked at through a view."""
_KIND: Final = 0x30
_NAMES: Final = (0x1A, 0x2A)

Known: TypeAlias = dict[int, list[Place]]
"""By the number of their span, attributes that are known."""


def without_ids(data: bytes, bounds: Sequence[Bounds]) -> bytes:
    """
    Return a request with zeros for its spans' ids and times.

    Their bytes are random: each would lead a pattern's automaton where no text does, and a state
    that is met for the first time costs as much as thousands of bytes.
    """
    return blanked(data, bounds)[0]


def blanked(
    data: bytes,
    bounds: Sequence[Bounds],
    known: Container[bytes] = (),
    ordinals: Sequence[int] = (),
) -> tuple[bytes, Known]:
    """
    Return a request without ids and times, and without those attributes that are known.

    Each hit ends a search, and another begins behind it.

    Args:
        data: an encoded request.
        bounds: of its spans.
        known: encoded attributes.
        ordinals: in order the numbers of the attributes that are looked up there.

    """
    looked: list[bytes | memoryview] = []
    view = memoryview(data)
    found: Known = {}
    last = 0
    for index, (start, end) in enumerate(bounds):
        at = start
        while at + 18 <= end:
            tag, size = data[at], data[at + 1]
            if (
                tag in _TIMES
                or (tag == _TRACE_ID and size == 16)
                or (tag in _SPAN_IDS and size == 8)
            ):
                if last < at:
                    looked.append(data[last:at] if at - last < _SHORT else view[last:at])
                blank = _blank(data, at, end, tag)
                looked.append(blank)
                last = at = at + len(blank)
            elif tag == _KIND and size < 0x80:
                at += 2
            elif tag in _NAMES and size < 0x80:
                at += 2 + size
            else:
                break
        if not ordinals:
            continue
        places = _known(data, at, end, known, ordinals)
        for place in places:
            size = len(place.encoded)
            looked += (data[last : place.end - size], bytes(size))
            last = place.end
        if places:
            found[index] = places
    looked.append(view[last:])
    return b"".join(looked), found


def _known(
    data: bytes, at: int, end: int, known: Container[bytes], ordinals: Sequence[int]
) -> list[Place]:
    """Return those attributes of a span that are known, of some; its attributes begin at ``at``."""
    found: list[Place] = []
    ordinal, field, start = 0, at, at
    try:
        for wanted in ordinals:
            while ordinal <= wanted:
                field = at
                tag, start, size = data[at], at + 2, data[at + 1]
                if tag & 0x87 == 2 and size < 0x80:  # a short text, told apart at once
                    at = start + size
                else:
                    tag, start, at = field_at(data, at)
                if at > end:
                    return found
                ordinal += tag == ATTRIBUTE
            encoded = data[start:at]
            if encoded in known:
                found.append(Place(wanted, field, at, encoded, None))
    except (FramingError, IndexError):
        return []
    return found


def _blank(data: bytes, at: int, end: int, tag: int) -> bytes:
    """Return zeros for an id or a time of a span, and for those that usually stand behind it."""
    if tag == _TRACE_ID and at + len(_ROOT) <= end and data[at + 18 : at + 20] == _SPAN_HEAD:
        is_child = at + len(_CHILD) <= end and data[at + 28 : at + 30] == _PARENT_HEAD
        return _CHILD if is_child else _ROOT
    if tag == _TIMES[0] and at + len(_BOTH_TIMES) <= end and data[at + 9] == _TIMES[1]:
        return _BOTH_TIMES
    return _BLANKS[tag]
