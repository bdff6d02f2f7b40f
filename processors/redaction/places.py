"""Find which spans of an encoded request a pattern hits, without decoding them."""

from bisect import bisect_right
from collections.abc import Container, Mapping, Sequence
from typing import Final

from processors.redaction.blanks import ATTRIBUTE, without_ids
from processors.redaction.framing import FramingError, Place, field_at, spans, text_of
from processors.redaction.prefilter import Hit, Prefilter, part
from processors.redaction.rules import Bounds

__all__ = [
    "FramingError",
    "Hits",
    "Place",
    "locate",
    "oversized",
    "recurring",
    "spans",
    "without_ids",
]

_NO_TEXT: Final = frozenset((0x0A, 0x12, 0x22, 0x30, 0x39, 0x41, 0x50, 0x60, 0x70, 0x85))
"""The tags of a span's ids, kind, times, counts and flags."""


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
    *,
    seen: Mapping[int, list[Place]] | None = None,
) -> Hits:
    """
    Return all that a prefilter hits; each attribute is searched once.

    Args:
        data: an encoded request.
        found: what is found first in it.
        prefilter: finds and judges.
        bounds: of its spans.
        known: encoded attributes that need no judging.
        seen: by span those of them that are left out of the request.

    """
    hits = Hits(bounds)
    if seen is not None:
        hits.spans.update(seen)
    starts = [start for start, _ in bounds]
    while found[0] >= 0:
        index = bisect_right(starts, found[0]) - 1
        if index >= 0 and found[0] < bounds[index][1]:
            try:
                attributes, found = _attributes(data, found, prefilter, bounds[index], known)
                if attributes != []:
                    hits.spans[index] = _together(attributes, hits.spans.get(index))
            except (FramingError, IndexError):
                hits.spans[index], found = None, prefilter.first(data, bounds[index][1])
        elif prefilter.judge(data, found[0], found[1]) is None:
            found = prefilter.first(data, found[0] + 1)
        else:
            hits.shared = True
            if index + 1 == len(starts):
                break
            found = prefilter.first(data, starts[index + 1])
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
    ordinal = 0
    while at < span_end:
        field = at
        tag, start, size = data[at], at + 2, data[at + 1]
        if tag & 0x87 == 2 and size < 0x80:  # a short text, told apart at once as most are
            at = start + size
        elif tag & 0x87 == 1:
            at += 9
        else:
            tag, start, at = field_at(data, at)
        if found[0] < at:
            hit = None
            encoded = data[start:at]
            is_known = tag == ATTRIBUTE and encoded in known
            if not is_known and tag not in _NO_TEXT:
                hit, found = _judged(data, found, prefilter, at)
            if hit is not None and tag != ATTRIBUTE:
                return None, prefilter.first(data, span_end)
            if is_known or hit is not None:
                places.append(Place(ordinal, field, at, encoded, hit and hit.seen_from(start)))
            if hit is not None:
                found = _all_hits(data, places[-1], hit, found, prefilter)
            if 0 <= found[0] < at:
                found = prefilter.first(data, at)
            if not 0 <= found[0] < span_end:
                return places, found
        ordinal += tag == ATTRIBUTE
    raise FramingError


def _all_hits(data: bytes, place: Place, hit: Hit, found: Bounds, prefilter: Prefilter) -> Bounds:
    """Note all hits of an attribute that is a text; return what is found behind."""
    place.text = text_of(place.encoded)
    if place.text is None:
        return found
    begin = place.end - len(place.encoded) + place.text.text_at
    hits, found = prefilter.all_hits(data, begin, place.end, hit)
    place.hits = part(hits, begin, place.end)
    return found


def _together(found: list[Place] | None, seen: list[Place] | None) -> list[Place] | None:
    """Return attributes of a span in their order, each once."""
    if found is None or not seen:
        return found
    places = {place.ordinal: place for place in (*found, *seen)}
    return [places[ordinal] for ordinal in sorted(places)]


def _judged(
    data: bytes, found: Bounds, prefilter: Prefilter, end: int
) -> tuple[Hit | None, Bounds]:
    """Return the first hit that begins before a place, and where, or what is found behind it."""
    while 0 <= found[0] < end:
        hit = prefilter.judge(data, found[0], found[1])
        if hit is not None:
            return hit, found
        found = prefilter.first(data, found[0] + 1)
    return None, found


def recurring(hits: Hits) -> list[int]:
    """Return the numbers of those attributes that are known in every eighth span or more."""
    counted: dict[int, int] = {}
    for found in hits.spans.values():
        for place in found or ():
            if place.hit is None:
                counted[place.ordinal] = counted.get(place.ordinal, 0) + 1
    return sorted(ordinal for ordinal, count in counted.items() if 8 * count >= len(hits.bounds))


def oversized(data: bytes, bounds: list[Bounds], max_bytes: int, hits: Hits) -> None:
    """Add the spans that are long enough to hold a value over the limit."""
    inside = 0
    for index, (start, end) in enumerate(bounds):
        inside += end - start
        if end - start > max_bytes:
            hits.spans[index] = None
    if len(data) - inside > max_bytes:
        hits.shared = True
