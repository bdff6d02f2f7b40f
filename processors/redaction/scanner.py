"""Find what the rules know in a text."""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from processors.redaction import regex
from processors.redaction.escapes import View, has_escapes
from processors.redaction.prefilter import Window, part
from processors.redaction.rules import Candidate, Rule


class Span(NamedTuple):
    """A finding's bounds in the scanned bytes."""

    start: int
    end: int
    type: str

    def moved(self, start: int, end: int) -> "Span":
        """Return the finding at other bounds."""
        return Span(start, end, self.type)


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
        self._long = {rank for rank, rule in enumerate(rules) if rule.is_long}
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

    def scan(
        self, data: bytes, key: str = "", windows: Sequence[Window] | None = None
    ) -> list[Span]:
        """
        Return the findings in a text, apart from each other and in order.

        Where ``windows`` are given, triggers and words are looked for in them alone.
        """
        spans = self._spans(data, key, windows)
        if has_escapes(data if windows is None else _lines(data, windows)):
            view = View(data)
            for start, end in view.lines_with_escapes():
                inside = part(windows and view.to_view(windows), start, end)
                if inside is None or inside:
                    spans += [
                        (rank, span.moved(*view.to_raw(start + span.start, start + span.end)))
                        for rank, span in self._spans(view.data[start:end], key, inside)
                    ]
        return _merge(spans) if spans else []

    def _spans(
        self, data: bytes, key: str, windows: Sequence[Window] | None
    ) -> list[tuple[int, Span]]:
        """Return each rule's findings with the rule's rank."""
        if windows is None:
            at, pieces = 0, [data]
            ranks = self._triggered(pieces)
        else:
            at, pieces = _word_start(data, windows[0][0]), [data[a:b] for a, b in windows]
            ranks = self._triggered(pieces) | self._long
        by_key: frozenset[int] = frozenset()
        by_text: frozenset[int] | None = None
        found: list[tuple[int, Span]] = []
        for rank in ranks:
            context = self._context.get(rank)
            if context is not None:
                if by_text is None:
                    by_key = self._told_by_key(key.encode("utf-8", "replace")) if key else by_key
                    by_text = frozenset().union(*map(self._told, pieces))
                if rank in by_key:
                    context = None
                elif rank not in by_text:
                    continue
            found += self._findings(rank, data, at, key, context)
        return found

    def _triggered(self, pieces: Sequence[bytes]) -> set[int]:
        """Return the ranks of the rules whose triggers stand in a piece of a text."""
        return {
            rank
            for piece in pieces
            for first, triggers in self._sets
            for index in triggers(piece)
            for rank in self._ranks[first + index]
        }

    def _told(self, text: bytes) -> frozenset[int]:
        """Return the rules of which a context word stands somewhere in a text."""
        if not self._telling:
            return frozenset()
        return frozenset(self._telling[index] for index in self._words.match(text))

    def _findings(
        self, rank: int, data: bytes, at: int, key: str, context: regex.Pattern | None
    ) -> Iterator[tuple[int, Span]]:
        """Yield one rule's findings; with ``context`` a word must stand before each."""
        rule = self._rules[rank]
        for start, end in self._patterns[rank].findings(data, at):
            candidate = Candidate(data, start, end, key)
            if context is not None and context.search(candidate.before) is None:
                continue
            bounds = rule.check(candidate) if rule.check is not None else (start, end)
            if bounds is not None and bounds[0] < bounds[1]:
                yield rank, Span(bounds[0], bounds[1], rule.type)


_LONGEST_WORD = 2048
"""How much of a word before a window is looked at: more is no address, and no name of a key."""


def _word_start(data: bytes, at: int) -> int:
    """Return where the word begins in which a part of a text begins."""
    least = max(0, at - _LONGEST_WORD)
    return max(least, data.rfind(b" ", least, at), data.rfind(b"\n", least, at))


def _lines(data: bytes, windows: Sequence[Window]) -> bytes:
    """Return the lines of windows and what is between, and the line behind them."""
    end = data.find(b"\n", windows[-1][1])
    end = data.find(b"\n", end + 1) if end >= 0 else end
    return data[data.rfind(b"\n", 0, windows[0][0]) + 1 : end if end >= 0 else len(data)]


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
