"""RE2 with types: the only module that imports it."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

_MEMORY: Final = 64 << 20  # so that the automata stay cached; they grow only with the texts seen


class PatternError(ValueError):
    """A pattern is none of RE2's."""


class Match:
    """Where a pattern matched."""

    __slots__ = ("_spans",)

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = spans

    def start(self, group: int = 0) -> int:
        """Return where a group begins; -1 where it has no part in the match."""
        return self._spans[group][0]

    def end(self, group: int = 0) -> int:
        """Return where a group ends."""
        return self._spans[group][1]

    def span(self, group: int = 0) -> tuple[int, int]:
        """Return both."""
        return self._spans[group]


_NOWHERE: Final = (-1, -1)
_FAR: Final = 1024
"""How many bytes take longer to search than it takes to ask once more for a few."""
_EDGE: Final = 16
"""What a pattern that ends at a boundary must see behind it."""
_ANYWHERE: Final = re2._re2.RE2.Anchor.UNANCHORED  # noqa: SLF001 - see Pattern
_WHOLE: Final = re2._re2.RE2.Anchor.ANCHOR_BOTH  # noqa: SLF001 - see Pattern


class Pattern:
    """
    A compiled pattern over bytes.

    It calls the library's inner function, since the wrapper around that costs more than most
    searches of a short text do.
    """

    __slots__ = ("_match", "groups")

    def __init__(self, compiled: Any) -> None:
        self.groups = int(compiled.groups)
        """How many groups it has."""
        self._match = compiled._regexp.Match  # noqa: SLF001 - see above

    def search(self, text: bytes, pos: int = 0, endpos: int | None = None) -> Match | None:
        """Return the leftmost match."""
        size = len(text)
        spans = self._match(_ANYWHERE, text, pos, size if endpos is None else min(endpos, size))
        return None if spans[0] == _NOWHERE else Match(spans)

    def find(self, text: bytes, pos: int = 0, endpos: int | None = None) -> tuple[int, int]:
        """Return the bounds of the leftmost match; both -1 where there is none."""
        size = len(text)
        whole: tuple[int, int] = self._match(
            _ANYWHERE, text, pos, size if endpos is None else min(endpos, size)
        )[0]
        return whole

    def fullmatch(self, text: bytes) -> bool:
        """Whether the pattern matches the whole text."""
        return bool(self._match(_WHOLE, text, 0, len(text))[0] != _NOWHERE)

    def matches(self, text: bytes, pos: int, endpos: int) -> bool:
        """Whether the pattern matches just this part of a text."""
        return bool(self._match(_WHOLE, text, pos, endpos)[0] != _NOWHERE)

    def findings(
        self, text: bytes, at: int, until: int, begin: "Pattern | None" = None, far: int = 0
    ) -> list[tuple[int, int]]:
        """
        Return the bounds of matches from ``at`` on, of their first group that has a part.

        None is looked for that would begin behind ``until``; one before it may end there.
        ``begin`` matches how each begins, up to ``far`` or ``until``: what is behind that is read
        only where it does.
        """
        size = len(text)
        far = max(far, until)
        until = min(until, size)
        if size - far < _FAR:
            begin = None
        found: list[tuple[int, int]] = []
        while at < until:
            if begin is not None:
                start, end = begin.find(text, at, far + _EDGE)
                if not 0 <= start < until:
                    break
                if begin is self and not self.groups and end < far + _EDGE:
                    found.append((start, end))
                    at = max(end, at + 1)
                    continue
                at = start
            spans = self._match(_ANYWHERE, text, at, size)
            whole: tuple[int, int] = spans[0]
            if whole[0] < 0:
                break
            found.append(whole if len(spans) == 1 else _first_part(spans))
            at = whole[1] if whole[1] > at else at + 1
        return found


def _first_part(spans: list[tuple[int, int]]) -> tuple[int, int]:
    """Return the bounds of the first group that has a part in a match, or of all of it."""
    for index in range(1, len(spans)):
        if spans[index][0] >= 0:
            return spans[index]
    return spans[0]


class PatternSet:
    """Several patterns that are searched at once."""

    __slots__ = ("match",)

    def __init__(self, compiled: Any) -> None:
        self.match: Callable[[bytes], list[int]] = compiled._set.Match  # noqa: SLF001 - as Pattern
        """Return the numbers of the patterns that match somewhere."""


def _options(*, latin1: bool) -> object:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    if latin1:
        options.encoding = re2.Options.Encoding.LATIN1
    return options


def compile(pattern: str, *, latin1: bool = False) -> Pattern:  # noqa: A001 - as in re and re2
    """
    Compile a pattern; ``latin1`` takes each byte of the text for a letter.

    Raises:
        PatternError: what is wrong with it.

    """
    try:
        made = re2.compile(
            pattern.encode("latin-1" if latin1 else "utf-8"), _options(latin1=latin1)
        )
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None
    return Pattern(made)


def pattern_set(
    patterns: Iterable[str], *, latin1: bool = False, anchored: bool = False
) -> PatternSet:
    """Return patterns that are searched at once, numbered from 0; ``anchored`` at the beginning."""
    make = re2.Set.MatchSet if anchored else re2.Set.SearchSet
    made = make(_options(latin1=latin1))
    for pattern in patterns:
        made.Add(pattern.encode("latin-1" if latin1 else "utf-8"))
    made.Compile()
    return PatternSet(made)
