"""Say cheaply where in raw bytes nothing can be that a rule matches."""

import re
from collections.abc import Iterable, Sequence

from processors.redaction import regex
from processors.redaction.rules import RAW_WINDOW, Rule, relax

_HIDDEN_ANYWHERE = (
    r"\\+u00[2-7]",  # a printable ASCII letter, escaped
    r"\\+x[2-7c-fC-F]",
    r"%(?:[2-7][0-9a-fA-F]|[c-fC-F][0-9a-fA-F]%)",
    r"&#",
    r"&(?:commat|period|colon|equals|sol|lowbar|plus|quot|amp|nbsp);",
    r"\\+/",
    r"[0-9]\\+u(?:00a0|20(?:09|11|12|13|2f))[0-9]",
    r"\x18[\x80-\xff]{6,7}[\x01-\x7f]",  # an integer as large as a card's number
)
"""What can hide any rule's match, so that a look at the text behind it is needed."""


Window = tuple[int, int]
"""Bounds of a part of a text."""

_BEFORE = 80
"""How far before a hit a trigger may begin, as far as it decides about a closer look."""

_AFTER = 128
"""How far behind a hit a trigger may end."""


def part(windows: Sequence[Window] | None, start: int, end: int) -> list[Window] | None:
    """Return the windows in a part of a text, counted from there."""
    if windows is None:
        return None
    return [
        (max(a, start) - start, min(b, end) - start) for a, b in windows if a < end and b > start
    ]


class Prefilter:
    """
    Say where in raw bytes a closer look is needed.

    One pattern finds the rules' triggers and the context words of those rules that need one; a
    context word counts only where a trigger of its own rules follows within its window. (As one
    pattern, the words, the gap and the triggers make millions of automaton states.)
    """

    def __init__(self, rules: Sequence[Rule], keys: Sequence[str] = ()) -> None:
        direct = [rule.prefilter() for rule in rules if not rule.context]
        told: dict[tuple[str, ...], list[str]] = {}
        for rule in rules:
            if rule.context:
                told.setdefault(rule.context, []).append(rule.prefilter())
        words = [_relaxed_words(context) for context in told]
        first = "|".join(dict.fromkeys([*direct, *keys, *_HIDDEN_ANYWHERE]))
        # Which of the two matched is asked afterwards: a group would cost 20 us a match, since the
        # automaton of so many rules has no cheap way to bounds inside a match.
        self._first = regex.compile("|".join([first, *words]), latin1=True).search
        self._is_direct = regex.compile(first, latin1=True).matches
        self._which = regex.pattern_set(words, latin1=True).match
        self._near = [
            regex.compile("|".join([*near, *_KEY_OF_SEVERAL]), latin1=True).search
            for near in told.values()
        ]

    def search(self, data: bytes, at: int = 0) -> regex.Match | None:
        """Return the first place from ``at`` on where a rule may match."""
        while (match := self._first(data, at)) is not None:
            start, end = match.span()
            if self._is_direct(data, start, end) or self._tells(data, start, end):
                return match
            at = start + 1
        return None

    def windows(self, data: bytes, at: int = 0) -> list[Window] | None:
        """
        Return the parts of a text that hold the triggers, and the words, of all matches.

        They are apart and in order; ``None`` where they would make up most of the text. Nothing
        is hit before ``at``.
        """
        found: list[Window] = []
        left = len(data) // 2
        while (match := self._first(data, at)) is not None:
            start, end = match.span()
            at = max(start + 1, end - _BEFORE)  # hits overlap, but a long one is not read again
            told = self._tells(data, start, end)
            if not told and not self._is_direct(data, start, end):
                continue
            first, last = max(0, start - _BEFORE), end + _AFTER + told * RAW_WINDOW
            if found and first <= found[-1][1]:
                before = found.pop()
                left += before[1] - before[0]
                first, last = before[0], max(before[1], last)
            left -= last - first
            if left < 0:
                return None
            found.append((first, last))
        return found

    def _tells(self, data: bytes, start: int, end: int) -> bool:
        """Whether a context word begins here, and a trigger of its rules follows."""
        return any(
            self._near[index](data, start, end + RAW_WINDOW) is not None
            for index in self._which(data[start : end + _LONGEST_WORD])
        )


_LONGEST_WORD = 64
"""How far behind a context word's end another one that begins with it may end."""


def _relaxed_words(words: Iterable[str]) -> str:
    return f"(?i:{'|'.join(map(_relaxed_word, words))})"


_BEGINS = re.compile(r"\\b([a-z])")


def _relaxed_word(word: str) -> str:
    r"""
    Return a context word for raw bytes.

    Behind a ``\b`` no small letter may follow; a capital may, which begins a key's next word.
    Before a ``\b`` any letter may stand where the word begins with a capital, for the same reason.
    """
    ends = word.endswith(r"\b") and word[-3:-2].isascii()
    end = r"(?:(?-i:[^a-z])|\z)" if ends else ""
    begins = _BEGINS.match(word)
    if begins is None:
        return relax(word, bounded=False) + end
    later = relax(word[begins.end() :], bounded=False) + end
    return f"(?:{relax(word[: begins.end()])}|(?-i:{begins[1].upper()})){later}"


_KEY_OF_SEVERAL = (r":\s{0,4}\[", r"\x12[\x00-\xff]{1,5}[\x2a\x18\x21]")
"""A key of a JSON array, of an attribute that is an array or a number: its values may be far."""


def derive_prefilter(rules: Sequence[Rule], keys: Sequence[str] = ()) -> Prefilter | None:
    """
    Return the prefilter of rules and of keys to redact.

    ``None`` where a user's rule allows none, so that everything needs a look.
    """
    if any(not rule.prefilter() for rule in rules):
        return None
    try:
        return Prefilter(rules, keys)
    except regex.PatternError:
        return None
