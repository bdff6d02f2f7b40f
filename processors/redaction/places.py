"""Find which spans of an encoded request a pattern hits, without decoding them."""

from bisect import bisect_right
from collections.abc import Container, Sequence
from typing import Final

from processors.redaction.prefilter import Hit, Prefilter
from processors.redaction.rules import Bounds

_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 0x0A, 0x12, 0x12
_ATTRIBUTE: Final = 0x4A
"""The tag of a span's attribute."""
_NO_TEXT: Final = frozenset((0x0A, 0x12, 0x22, 0x30, 0x39, 0x41, 0x50, 0x60, 0x70, 0x85))
"""The tags of a span's ids, kind, times, counts and flags."""

_TIMES: Final = (0x39, 0x41)
_TRACE_ID: Final = 0x0A
_SPAN_IDS: Final = (0x12, 0x22)
_BLANKS: Final = {
    _TRACE_ID: bytes((_TRACE_ID, 16)) + bytes(16),
    **{tag: bytes((tag, 8)) + bytes(8) for tag in _SPAN_IDS},
    **{tag: bytes((tag,)) + bytes(8) for tag in _TIMES},
}
"""By tag a span's ids and times, of zeros; with those below, all that stands before attributes."""
_KIND: Final = 0x30
_NAMES: Final = (0x1A, 0x2A)


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


def _field(data: bytes, at: int) -> tuple[int, int, int]:
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


def _fields(data: bytes, at: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Return the bounds of a length-delimited field's occurrences."""
    found: list[tuple[int, int]] = []
    while at < end:
        tag, start, at = _field(data, at)
        if tag == wanted:
            found.append((start, at))
    if at != end:
        raise FramingError
    return found


def spans(data: bytes) -> list[tuple[int, int]]:
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


def without_ids(data: bytes, bounds: list[tuple[int, int]]) -> bytes:
    """
    Return a request with zeros for its spans' ids and times.

    Their bytes are random: each would lead a pattern's automaton where no text does, and a state
    that is met for the first time costs as much as thousands of bytes.
    """
    looked: list[bytes] = []
    last = 0
    for start, end in bounds:
        at = start
        while at + 18 <= end:
            tag, size = data[at], data[at + 1]
            if (
                tag in _TIMES
                or (tag == _TRACE_ID and size == 16)
                or (tag in _SPAN_IDS and size == 8)
            ):
                if last < at:
                    looked.append(data[last:at])
                blank = _BLANKS[tag]
                looked.append(blank)
                last = at = at + len(blank)
            elif tag == _KIND and size < 0x80:
                at += 2
            elif tag in _NAMES and size < 0x80:
                at += 2 + size
            else:
                break
    looked.append(data[last:])
    return b"".join(looked)


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

    __slots__ = ("encoded", "end", "field", "hit", "ordinal")

    def __init__(self, ordinal: int, field: int, end: int, encoded: bytes, hit: Hit | None) -> None:
        self.ordinal = ordinal
        self.field = field
        self.end = end
        self.encoded = encoded
        self.hit = hit


class Hits:
    """Which spans need a look, and whether what they share does."""

    def __init__(self, bounds: Sequence[Bounds] = ()) -> None:
        self.bounds = bounds
        """Of all spans, where they stand."""
        self.spans: dict[int, list[Place] | None] = {}
        """By number the attributes to look at; ``None`` means all of the span."""
        self.shared = False

    def __bool__(self) -> bool:
        return self.shared or bool(self.spans)


def locate(
    data: bytes,
    found: Bounds,
    prefilter: Prefilter,
    bounds: list[Bounds],
    known: Container[bytes] = (),
) -> Hits:
    """
    Return all that a prefilter hits; each attribute is searched once.

    Args:
        data: an encoded request.
        found: what is found first in it.
        prefilter: finds and judges.
        bounds: of its spans.
        known: encoded attributes that need no judging.

    """
    hits = Hits(bounds)
    starts = [start for start, _ in bounds]
    first = prefilter.first
    while found[0] >= 0:
        index = bisect_right(starts, found[0]) - 1
        if index >= 0 and found[0] < bounds[index][1]:
            try:
                attributes, found = _attributes(data, found, prefilter, bounds[index], known)
                if attributes != []:
                    hits.spans[index] = attributes
            except (FramingError, IndexError):
                hits.spans[index], found = None, first(data, bounds[index][1])
        elif prefilter.judge(data, *found) is None:
            found = first(data, found[0] + 1)
        else:
            hits.shared = True
            if index + 1 == len(starts):
                break
            found = first(data, starts[index + 1])
    return hits


def _attributes(
    data: bytes, found: Bounds, prefilter: Prefilter, span: Bounds, known: Container[bytes]
) -> tuple[list[Place] | None, Bounds]:
    """
    Return the attributes of a span that are hit, and what is found behind them.

    ``None`` stands for all of the span: something else than an attribute is hit.

    Raises:
        FramingError: the span's fields cannot be told apart.
        IndexError: as well.

    """
    at, span_end = span
    places: list[Place] = []
    first = prefilter.first
    ordinal = 0
    while at < span_end:
        field = at
        tag, start, size = data[at], at + 2, data[at + 1]
        if tag & 0x87 == 2 and size < 0x80:  # a short text, told apart at once as most are
            at = start + size
        elif tag & 0x87 == 1:
            at += 9
        else:
            tag, start, at = _field(data, at)
        if found[0] < at:
            hit = None
            encoded = data[start:at]
            is_known = tag == _ATTRIBUTE and encoded in known
            if not is_known and tag not in _NO_TEXT:
                hit, found = _judged(data, found, prefilter, at)
            if hit is not None and tag != _ATTRIBUTE:
                return None, first(data, span_end)
            if is_known or hit is not None:
                hit = hit and hit.seen_from(start)
                places.append(Place(ordinal, field, at, encoded, hit))
            if 0 <= found[0] < at:
                found = first(data, at)
            if not 0 <= found[0] < span_end:
                return places, found
        ordinal += tag == _ATTRIBUTE
    raise FramingError


def _judged(
    data: bytes, found: Bounds, prefilter: Prefilter, end: int
) -> tuple[Hit | None, Bounds]:
    """Return the first hit that begins before a place, and where, or what is found behind it."""
    while 0 <= found[0] < end:
        hit = prefilter.judge(data, *found)
        if hit is not None:
            return hit, found
        found = prefilter.first(data, found[0] + 1)
    return None, found


def oversized(data: bytes, bounds: list[Bounds], max_bytes: int, hits: Hits) -> None:
    """Add the spans that are long enough to hold a value over the limit."""
    inside = 0
    for index, (start, end) in enumerate(bounds):
        inside += end - start
        if end - start > max_bytes:
            hits.spans[index] = None
    if len(data) - inside > max_bytes:
        hits.shared = True
