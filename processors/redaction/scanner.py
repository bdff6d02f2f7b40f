"""Find what the rules know in a text."""

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from operator import itemgetter
from typing import Final

from processors.redaction import regex
from processors.redaction.escapes import View, has_escapes
from processors.redaction.prefilter import Hit
from processors.redaction.rules import Candidate, Rule, in_names


class Span:
    """A finding's bounds in the scanned bytes."""

    __slots__ = ("end", "start", "type")

    def __init__(self, start: int, end: int, kind: str) -> None:
        self.start = start
        self.end = end
        self.type = kind

    def moved(self, start: int, end: int) -> "Span":
        """Return the finding at other bounds."""
        return Span(start, end, self.type)


_AT_ONCE: Final = 32
"""How many triggers, not whole patterns, are searched together: more make too many states."""


class Scanner:
    """Apply rules to texts; where findings overlap, the earlier rule names them."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._patterns = [regex.compile(rule.pattern) for rule in rules]
        self._begins = [
            None if rule.is_long else regex.compile(rule.trigger) if rule.rest else pattern
            for rule, pattern in zip(rules, self._patterns, strict=True)
        ]
        ranks: dict[str, list[int]] = {}
        for rank, rule in enumerate(rules):
            ranks.setdefault(rule.trigger, []).append(rank)
        self._ranks = list(ranks.values())
        self._long = {rank for rank, rule in enumerate(rules) if rule.is_long}
        self._loose = {
            rank for rank, rule in enumerate(rules) if rule.context or rule.hint is not None
        }
        """Those whose matches do not begin where the prefilter hits."""
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

    def scan(self, data: bytes, key: str = "", hits: Sequence[Hit] | None = None) -> list[Span]:
        """
        Return the findings in a text, apart from each other and in order.

        Where ``hits`` are given, they name all that may match, and the key tells nothing.
        """
        spans = self._search(data, key, [data]) if hits is None else self._near(data, key, hits)
        if has_escapes(data if hits is None else _lines(data, hits)):
            spans += self._in_view(View(data), key, hits)
        return _merge(spans) if spans else []

    def _near(self, data: bytes, key: str, hits: Sequence[Hit]) -> list[tuple[int, Span]]:
        """Return the findings of the rules that are hit, each read from its first to its last."""
        end = len(data)
        reach = dict.fromkeys(self._long, (_before(data, hits[0].start), end, end))
        for hit in hits:
            before = -1
            far = hit.end + _BEHIND
            for rank in hit.ranks:
                at = hit.start
                until = far if rank in self._context else at + _BOUNDARY
                if rank in self._loose:
                    at = before = before if before >= 0 else _before(data, at)
                if rank in reach:
                    at = reach[rank][0]
                reach[rank] = at, until, far
        found = _Findings(data, key)
        for rank in sorted(reach):
            at, until, far = reach[rank]
            matches = self._patterns[rank].findings(data, at, until, self._begins[rank], far)
            found.add(rank, self._rules[rank], matches, self._context.get(rank))
        return found.all

    def _in_view(
        self, view: View, key: str, hits: Sequence[Hit] | None
    ) -> Iterator[tuple[int, Span]]:
        """Yield the findings where escapes are undone."""
        windows = [] if hits is None else view.to_view(_windows(hits))
        for start, end in view.lines_with_escapes():
            data = view.data[start:end]
            pieces, at = [data], 0
            if hits is not None:
                near = windows[
                    bisect_right(windows, start, key=_END) : bisect_left(windows, end, key=_START)
                ]
                inside = [(max(a, start) - start, b - start) for a, b in near]
                if not inside:
                    continue
                pieces, at = [data[a:b] for a, b in inside], _before(data, inside[0][0])
            for rank, span in self._search(data, key, pieces, at):
                yield rank, span.moved(*view.to_raw(start + span.start, start + span.end))

    def _search(
        self, data: bytes, key: str, pieces: Sequence[bytes], at: int = 0
    ) -> list[tuple[int, Span]]:
        """Return the findings of the rules whose triggers, and words, stand in pieces of a text."""
        ranks = {
            rank
            for piece in pieces
            for first, triggers in self._sets
            for index in triggers(piece)
            for rank in self._ranks[first + index]
        }
        if len(pieces) > 1 or pieces[0] is not data:
            ranks |= self._long
        if self._context.keys().isdisjoint(ranks):
            return self._apply(ranks, data, at, key)
        by_key = self._told_by_key(key.encode("utf-8", "replace")) if key else frozenset()
        by_text = frozenset[int]().union(*map(self._told, pieces))
        ranks -= self._context.keys() - by_key - by_text
        return self._apply(ranks, data, at, key, by_key)

    def _apply(
        self,
        ranks: AbstractSet[int],
        data: bytes,
        at: int,
        key: str,
        by_key: AbstractSet[int] = frozenset(),
    ) -> list[tuple[int, Span]]:
        """Return each rule's findings from ``at`` on, with the rule's rank."""
        found = _Findings(data, key)
        for rank in sorted(ranks):
            matches = self._patterns[rank].findings(data, at, len(data))
            context = None if rank in by_key else self._context.get(rank)
            found.add(rank, self._rules[rank], matches, context)
        return found.all

    def _told(self, text: bytes) -> frozenset[int]:
        """Return the rules of which a context word stands somewhere in a text."""
        if not self._telling:
            return frozenset()
        return frozenset(self._telling[index] for index in self._words.match(text))


class _Findings:
    """What is found in a text, with the ranks of the rules that found it."""

    __slots__ = ("_begun", "_data", "_key", "all")

    def __init__(self, data: bytes, key: str) -> None:
        self._data = data
        self._key = key
        self._begun: dict[tuple[str, int], int] = {}
        """Where the finding of a type begins that ends somewhere."""
        self.all: list[tuple[int, Span]] = []

    def add(
        self,
        rank: int,
        rule: Rule,
        matches: Iterable[tuple[int, int]],
        context: regex.Pattern | None,
    ) -> None:
        """
        Add those matches of a rule that its check believes.

        With ``context`` a word must stand before each. The end of what is a finding of the type
        already is none once more: the check of a telephone number takes long.
        """
        kind = rule.type
        for start, end in matches:
            if self._begun.get((kind, end), end) <= start:
                continue
            candidate = Candidate(self._data, start, end, self._key)
            if context is not None and context.search(candidate.before) is None:
                continue
            bounds = rule.check(candidate) if rule.check is not None else (start, end)
            if bounds is not None and bounds[0] < bounds[1]:
                self.all.append((rank, Span(bounds[0], bounds[1], kind)))
                self._begun[kind, bounds[1]] = bounds[0]


_START, _END = itemgetter(0), itemgetter(1)

_LONGEST_WORD: Final = 2048
"""How much of a word before a hit is looked at: more is no address, and no name of a key."""

_BEFORE: Final = 80
"""How far before a hit a trigger may begin."""

_BOUNDARY: Final = 16
"""How far behind a hit a match may begin: a boundary in raw bytes is an escape at the most."""

_BEHIND: Final = 192
"""How far behind a hit a trigger may end."""


def _before(data: bytes, at: int) -> int:
    """Return from where on a text must be read for what is hit at a place."""
    at = max(0, at - _BEFORE)
    least = max(0, at - _LONGEST_WORD)
    least = max(least, data.rfind(b" ", least, at))
    return max(least, data.rfind(b"\n", least, at))


def _windows(hits: Sequence[Hit]) -> list[tuple[int, int]]:
    """Return the parts of a text, apart from each other, that hold the triggers of hits."""
    found: list[tuple[int, int]] = []
    for hit in hits:
        start, end = max(0, hit.start - _BEFORE), hit.end + _BEHIND
        if found and start <= found[-1][1]:
            start = found.pop()[0]
        found.append((start, end))
    return found


def _lines(data: bytes, hits: Sequence[Hit]) -> bytes:
    """Return the lines of hits and what is between, and the line behind them."""
    end = data.find(b"\n", hits[-1].end)
    end = data.find(b"\n", end + 1) if end >= 0 else end
    return data[data.rfind(b"\n", 0, hits[0].start) + 1 : end if end >= 0 else len(data)]


def _any_of(words: tuple[str, ...]) -> str:
    return f"(?i:{'|'.join(map(in_names, words))})"


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
