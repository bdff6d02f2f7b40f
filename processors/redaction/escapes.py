"""Undo escapes in text that cannot be parsed, remembering where each piece came from."""

import html
import re
from bisect import bisect_right
from collections.abc import Iterable
from operator import itemgetter
from typing import Final

_ESCAPE: Final = re.compile(
    rb"""\\+(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|["'/nrtbf\\])|%(?:25)*[0-9a-fA-F]{2}|&\#?\w{2,8};"""
)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


class View:
    """
    A text with its escapes undone.

    Knows JSON's and Python's backslash escapes and percent signs at any depth, and HTML entities.
    """

    def __init__(self, raw: bytes) -> None:
        parts: list[bytes] = []
        self._at: list[int] = [0]
        self._raw: list[tuple[int, int]] = [(0, -1)]
        size = last = 0
        for match in _ESCAPE.finditer(raw):
            start, end = match.span()
            plain = _undo(match.group())
            parts += (raw[last:start], plain)
            size += start - last
            if plain:
                self._at.append(size)
                self._raw.append((start, end))
                size += len(plain)
            self._at.append(size)
            self._raw.append((end, -1))
            last = end
        parts.append(raw[last:])
        self.data = b"".join(parts)

    def lines_with_escapes(self) -> list[tuple[int, int]]:
        """
        Return where escapes stood, widened to whole lines and the line before, for its words.

        Only there can the text read otherwise than the raw one.
        """
        found: list[tuple[int, int]] = []
        data = self.data
        for at, (_, raw_end) in zip(self._at, self._raw, strict=True):
            if raw_end < 0 or (found and at < found[-1][1]):
                continue
            end = data.find(b"\n", at + 1)
            end = len(data) if end < 0 else end
            start = data.rfind(b"\n", 0, max(0, data.rfind(b"\n", 0, at))) + 1
            if found and start <= found[-1][1]:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
        return found

    def to_raw(self, start: int, end: int) -> tuple[int, int]:
        """Return the bounds in the raw text; an escape counts as a whole."""
        piece = bisect_right(self._at, start) - 1
        raw_start, raw_end = self._raw[piece]
        first = raw_start if raw_end >= 0 else raw_start + start - self._at[piece]
        piece = bisect_right(self._at, end - 1) - 1
        raw_start, raw_end = self._raw[piece]
        return first, raw_end if raw_end >= 0 else raw_start + end - self._at[piece]

    def to_view(self, bounds: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return where parts of the raw text stand in the view."""
        return [(self._to_view(start), self._to_view(end)) for start, end in bounds]

    def _to_view(self, at: int) -> int:
        piece = bisect_right(self._raw, at, key=itemgetter(0)) - 1
        start, end = self._raw[piece]
        return self._at[piece] + (at - start if end < 0 else 0)


def has_escapes(raw: bytes) -> bool:
    """Whether anything in the text may be escaped."""
    # Not with ``in``, which takes bytes for a number first, and raises an error for itself.
    return raw.find(b"\\") >= 0 or raw.find(b"%") >= 0 or raw.find(b"&") >= 0


def _undo(escape: bytes) -> bytes:
    if escape[:1] == b"%":
        return bytes((int(escape[-2:], 16),))
    if escape[:1] == b"&":
        return html.unescape(escape.decode("ascii", "replace")).encode("utf-8", "surrogatepass")
    letters = escape.lstrip(b"\\")
    if letters[:1] == b"u":
        return chr(int(letters[1:], 16)).encode("utf-8", "surrogatepass")
    if letters[:1] == b"x":
        return bytes((int(letters[1:], 16),))
    return _LETTERS.get(letters, letters or b"\\")
