"""Find which spans of an encoded request a pattern hits, without decoding them."""

from bisect import bisect_right
from collections.abc import Callable
from typing import Protocol

_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = 0x0A, 0x12, 0x12


class Match(Protocol):
    """What a search returns."""

    def start(self) -> int:
        """Return where the match begins."""
        ...


Search = Callable[[bytes, int], Match | None]


class FramingError(ValueError):
    """The bytes are not framed as expected; look at everything instead."""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _fields(data: bytes, at: int, end: int, wanted: int) -> list[tuple[int, int]]:
    """Return the bounds of a length-delimited field's occurrences."""
    found: list[tuple[int, int]] = []
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(data, at)
            if tag == wanted:
                found.append((at, at + size))
            at += size
        elif kind == 0:
            _, at = _varint(data, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise FramingError
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


class Hits:
    """Which spans need a look, and whether what they share does."""

    def __init__(self) -> None:
        self.spans: set[int] = set()
        self.shared = False

    def __bool__(self) -> bool:
        return self.shared or bool(self.spans)


def locate(data: bytes, first: Match, search: Search, bounds: list[tuple[int, int]]) -> Hits:
    """Return all that a pattern hits, given its first match; each span is searched to its hit."""
    hits = Hits()
    starts = [start for start, _ in bounds]
    found: Match | None = first
    while found is not None:
        place = found.start()
        index = bisect_right(starts, place) - 1
        if index >= 0 and place < bounds[index][1]:
            hits.spans.add(index)
            resume = bounds[index][1]
        else:
            hits.shared = True
            if index + 1 == len(starts):
                break
            resume = starts[index + 1]
        found = search(data, resume)
    return hits


def oversized(data: bytes, bounds: list[tuple[int, int]], max_bytes: int, hits: Hits) -> None:
    """Add the spans that are long enough to hold a value over the limit."""
    inside = 0
    for index, (start, end) in enumerate(bounds):
        inside += end - start
        if end - start > max_bytes:
            hits.spans.add(index)
    if len(data) - inside > max_bytes:
        hits.shared = True
