"""RE2 with types: the only module that imports it."""

from collections.abc import Iterable, Iterator
from typing import Protocol

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

_MEMORY = 64 << 20  # so that the automata stay cached; they grow only with the texts seen


class PatternError(ValueError):
    """A pattern is none of RE2's."""


class Match(Protocol):
    """Where a pattern matched."""

    def start(self, group: int = 0) -> int:
        """Return where a group begins; -1 where it has no part in the match."""
        ...

    def end(self, group: int = 0) -> int:
        """Return where a group ends."""
        ...

    def span(self, group: int = 0) -> tuple[int, int]:
        """Return both."""
        ...


class Pattern(Protocol):
    """A compiled pattern over bytes."""

    @property
    def groups(self) -> int:
        """How many groups it has."""
        ...

    def search(
        self, text: bytes, pos: int | None = None, endpos: int | None = None
    ) -> Match | None:
        """Return the leftmost match."""
        ...

    def fullmatch(self, text: bytes) -> Match | None:
        """Return a match of the whole text."""
        ...

    def finditer(self, text: bytes) -> Iterator[Match]:
        """Return all matches, apart from each other."""
        ...


class PatternSet(Protocol):
    """Several patterns that are searched at once."""

    def Match(self, text: bytes) -> list[int] | None:  # noqa: N802 - RE2's name
        """Return the numbers of the patterns that match somewhere."""
        ...


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
        made: Pattern = re2.compile(
            pattern.encode("latin-1" if latin1 else "utf-8"), _options(latin1=latin1)
        )
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(
            reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        ) from None
    return made


def pattern_set(patterns: Iterable[str]) -> PatternSet:
    """Return patterns that are searched at once, numbered from 0."""
    made = re2.Set.SearchSet(_options(latin1=False))
    for pattern in patterns:
        made.Add(pattern.encode())
    made.Compile()
    result: PatternSet = made
    return result
