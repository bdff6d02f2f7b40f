"""Find what the rules know in a text, and say cheaply where nothing can be."""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from processors.redaction import regex
from processors.redaction.escapes import View, has_escapes
from processors.redaction.rules import RAW_WINDOW, Candidate, Rule, relax

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


class Span(NamedTuple):
    """A finding's bounds in the scanned bytes."""

    start: int
    end: int
    type: str

    def moved(self, start: int, end: int) -> "Span":
        """Return the finding at other bounds."""
        return Span(start, end, self.type)


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
        self._has_words = bool(words)
        self._which = regex.pattern_set(words, latin1=True).match
        self._near = [
            regex.compile("|".join([*near, *_KEY_OF_SEVERAL]), latin1=True).search
            for near in told.values()
        ]

    def search(self, data: bytes, at: int = 0) -> regex.Match | None:
        """Return the first place from ``at`` on where a rule may match."""
        while True:
            match = self._first(data, at)
            if match is None or not self._has_words:
                return match
            start, far = match.start(), match.end() + RAW_WINDOW
            if self._is_direct(data, start, match.end()):
                return match
            for index in self._which(data[start : match.end() + _LONGEST_WORD]):
                if self._near[index](data, start, far) is not None:
                    return match
            at = start + 1


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


def prefilter(rules: Sequence[Rule], keys: Sequence[str] = ()) -> Prefilter | None:
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


_AT_ONCE = 32
"""How many triggers, not whole patterns, are searched together: more make too many states."""


class Scanner:
    """Apply rules to texts; where findings overlap, the earlier rule names them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._patterns = [regex.compile(rule.pattern) for rule in rules]
        ranks: dict[str, list[int]] = {}
        for rank, rule in enumerate(rules):
            ranks.setdefault(rule.trigger, []).append(rank)
        self._ranks = list(ranks.values())
        triggers = list(ranks)
        self._sets = [
            (at, regex.pattern_set(triggers[at : at + _AT_ONCE]).match)
            for at in range(0, len(triggers), _AT_ONCE)
        ]
        words = {rank: _any_of(rule.context) for rank, rule in enumerate(rules) if rule.context}
        self._context = {rank: regex.compile(pattern) for rank, pattern in words.items()}
        self._telling = list(words)
        self._words = regex.pattern_set(words.values())
        self._told_by_key = functools.lru_cache(maxsize=4096)(self._told)

    def scan(self, data: bytes, key: str = "") -> list[Span]:
        """Return the findings in a text, apart from each other and in order."""
        spans = self._spans(data, key)
        if has_escapes(data):
            view = View(data)
            for start, end in view.lines_with_escapes():
                spans += [
                    (rank, span.moved(*view.to_raw(start + span.start, start + span.end)))
                    for rank, span in self._spans(view.data[start:end], key)
                ]
        return _merge(spans) if spans else []

    def _spans(self, data: bytes, key: str) -> list[tuple[int, Span]]:
        """Return each rule's findings with the rule's rank."""
        ranks = [
            rank
            for first, triggers in self._sets
            for index in triggers(data)
            for rank in self._ranks[first + index]
        ]
        by_key: frozenset[int] = frozenset()
        by_text: frozenset[int] | None = None
        found: list[tuple[int, Span]] = []
        for rank in ranks:
            context = self._context.get(rank)
            if context is not None:
                if by_text is None:
                    by_key = self._told_by_key(key.encode("utf-8", "replace")) if key else by_key
                    by_text = self._told(data)
                if rank in by_key:
                    context = None
                elif rank not in by_text:
                    continue
            found += self._findings(rank, data, key, context)
        return found

    def _told(self, text: bytes) -> frozenset[int]:
        """Return the rules of which a context word stands somewhere in a text."""
        if not self._telling:
            return frozenset()
        return frozenset(self._telling[index] for index in self._words.match(text))

    def _findings(
        self, rank: int, data: bytes, key: str, context: regex.Pattern | None
    ) -> Iterator[tuple[int, Span]]:
        """Yield one rule's findings; with ``context`` a word must stand before each."""
        rule = self._rules[rank]
        for start, end in self._patterns[rank].findings(data):
            candidate = Candidate(data, start, end, key)
            if context is not None and context.search(candidate.before) is None:
                continue
            bounds = rule.check(candidate) if rule.check is not None else (start, end)
            if bounds is not None and bounds[0] < bounds[1]:
                yield rank, Span(bounds[0], bounds[1], rule.type)


def _any_of(words: tuple[str, ...]) -> str:
    return f"(?i:{'|'.join(words)})"


def _merge(found: list[tuple[int, Span]]) -> list[Span]:
    """Join overlapping findings; the one of the lowest rank gives its type."""
    found.sort(key=lambda item: (item[1].start, item[0]))
    merged: list[Span] = []
    best = 0
    for rank, span in found:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            kind = span.type if rank < best else last.type
            best = min(best, rank)
            merged[-1] = Span(last.start, max(last.end, span.end), kind)
        else:
            merged.append(span)
            best = rank
    return merged


def telling(rules: Iterable[Rule]) -> "re.Pattern[str] | None":
    """Return a pattern of all context words, for keys."""
    words = {word for rule in rules for word in rule.context}
    return re.compile(_any_of(tuple(sorted(words)))) if words else None
