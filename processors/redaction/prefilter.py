"""Say cheaply where in raw bytes nothing can be that a rule matches."""

import itertools
import re
from collections.abc import Sequence
from typing import Final

from processors.redaction import regex
from processors.redaction.rules import (
    RAW_WINDOW,
    Bounds,
    Rule,
    bounded,
    relax,
    spaced,
    united,
)

_HIDDEN_ANYWHERE: Final = (
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


class Hit:
    """
    Where in a text rules may match, and which.

    Args:
        start: where.
        end: how far the rules' triggers may reach, as far as they decide about a closer look.
        ranks: the rules, by their number; none where only a key or an escape is hit.

    """

    __slots__ = ("end", "ranks", "start")

    def __init__(self, start: int, end: int, ranks: tuple[int, ...]) -> None:
        self.start = start
        self.end = end
        self.ranks = ranks

    def seen_from(self, at: int) -> "Hit":
        """Return the hit in a part of the text that begins at ``at``."""
        return Hit(self.start - at, self.end - at, self.ranks)


def part(hits: Sequence[Hit] | None, start: int, end: int) -> Sequence[Hit] | None:
    """Return the hits in a part of a text, counted from there."""
    if hits is None:
        return None
    low, high = 0, len(hits)
    while low < high:  # the first that ends behind the part's beginning
        middle = (low + high) // 2
        if hits[middle].end > start:
            high = middle
        else:
            low = middle + 1
    inside: list[Hit] = []
    while low < len(hits) and hits[low].start < end:
        hit = hits[low]
        inside.append(Hit(max(hit.start, start) - start, min(hit.end, end) - start, hit.ranks))
        low += 1
    return inside


class Prefilter:
    """
    Say where in raw bytes a closer look is needed.

    One pattern finds the rules' triggers and the context words of those rules that need one; a
    context word counts only where a trigger of its own rules follows within its window. (As one
    pattern, the words, the gap and the triggers make millions of automaton states.)
    """

    def __init__(self, rules: Sequence[Rule], keys: Sequence[str] = ()) -> None:
        ranks: dict[str, list[int]] = {}
        told: dict[tuple[str, ...], list[int]] = {}
        for rank, rule in enumerate(rules):
            if rule.context:
                told.setdefault(rule.context, []).append(rank)
            else:
                ranks.setdefault(rule.prefilter(), []).append(rank)
        for pattern in (*keys, *_HIDDEN_ANYWHERE):
            ranks.setdefault(pattern, [])
        words = [[pattern for word in words for pattern in _relaxed_word(word)] for words in told]
        patterns = [*ranks, *map("|".join, words)]
        self._without_context = len(ranks)
        self._ranks = [tuple(listed) for listed in (*ranks.values(), *told.values())]
        self._any = regex.compile(united([*ranks, *itertools.chain(*words)]), latin1=True)
        # Which of them matched is asked afterwards: groups would cost 20 us a match, since the
        # automaton of so many rules has no cheap way to bounds inside a match.
        self._which = regex.pattern_set(patterns, latin1=True, anchored=True).match
        self._near = {
            len(ranks) + index: regex.compile(
                "|".join([*(rules[rank].prefilter() for rank in listed), *_KEY_OF_SEVERAL]),
                latin1=True,
            )
            for index, listed in enumerate(told.values())
        }

    def first(self, data: bytes, at: int) -> Bounds:
        """Return the bounds of the first trigger or word from a place on, -1 for none."""
        return self._any.find(data, at)

    def search(self, data: bytes, at: int = 0) -> Hit | None:
        """Return the first place from ``at`` on where a rule may match."""
        start, end = self.first(data, at)
        while start >= 0:
            hit = self.judge(data, start, end)
            if hit is not None:
                return hit
            start, end = self.first(data, start + 1)
        return None

    def hits(self, data: bytes) -> list[Hit] | None:
        """
        Return where in a text rules may match, in order.

        ``None`` where there are so many that the text is better looked at as a whole, or string
        by string where it is JSON.
        """
        hit = self.search(data)
        return [] if hit is None else self.all_hits(data, 0, len(data), hit)[0]

    def all_hits(
        self, data: bytes, begin: int, until: int, hit: Hit
    ) -> tuple[list[Hit] | None, Bounds]:
        """
        Do the same from the first hit on in a text that stands within others.

        Args:
            data: what holds the text.
            begin: where it begins.
            until: where it ends.
            hit: its first.

        Returns:
            Its hits, and the bounds of what is found first behind it.

        """
        found = [hit]
        apart = _APART_IN_JSON if data[begin : begin + 1] in (b"{", b"[") else _APART
        left = _READ_AGAIN * (until - begin) + _LONGEST
        at = hit.start + 1  # others may begin within it
        if hit.start < begin < hit.end:  # at a mark before the text, which may be hit as well
            self._judge_further(data, begin, hit.end, found)
            at = begin + 1
        while True:
            start, end = self.first(data, at)
            if not 0 <= start < until:
                return found, (start, end)
            at = start + 1
            left -= end - start
            if left < 0 or len(found) > _FEW + (at - begin) // apart:
                return None, self.first(data, until)
            self._judge_further(data, start, end, found)

    def _judge_further(self, data: bytes, start: int, end: int, found: list[Hit]) -> None:
        """Add what is hit at a place behind others; none ends before another that begins before."""
        hit = self.judge(data, start, end)
        if hit is not None:
            last = found[-1].end
            found.append(hit if hit.end >= last else Hit(hit.start, last, hit.ranks))

    def judge(self, data: bytes, start: int, end: int) -> Hit | None:
        """Return what is hit at a place, or ``None`` for a context word without a trigger."""
        which = self._which(data[start : max(end, start + _LONGEST)])
        if len(which) == 1 and which[0] < self._without_context:
            return Hit(start, end, self._ranks[which[0]])
        ranks: tuple[int, ...] = ()
        last = -1
        for index in which:
            near = self._near.get(index)
            if near is None:
                last = max(last, end)
            elif near.find(data, start, end + RAW_WINDOW)[0] >= 0:
                last = end + RAW_WINDOW
            else:
                continue
            ranks += self._ranks[index]
        if last < 0 and which:
            return None
        return Hit(start, max(last, end), ranks)


_LONGEST: Final = 256
"""No part of a trigger that decides about a closer look is longer."""

_FEW, _APART, _APART_IN_JSON = 4, 32, 256
"""Hits that are named in any text, and for how many bytes more each further one."""

_READ_AGAIN: Final = 4
"""How often all of a text may be read, on average, for hits that overlap."""


_BEGINS: Final = re.compile(r"\\b([a-z])")


def _relaxed_word(word: str) -> list[str]:
    r"""
    Return the patterns of a context word for raw bytes.

    Behind a ``\b`` no small letter may follow; a capital may, which begins a key's next word.
    Before a ``\b`` any letter may stand where the word begins with a capital, for the same reason.
    """
    word = spaced(word)
    ends = word.endswith(r"\b") and word[-3:-2].isascii()
    end = r"(?:(?-i:[^a-z])|\z)" if ends else ""
    begins = _BEGINS.match(word)
    if begins is None:
        return [f"(?i:{relax(word, bounded=False)}{end})"]
    later = relax(word[begins.end() :], bounded=False) + end
    first = begins[1]
    return [
        bounded(f"(?i:{first}{later})"),
        f"(?i:(?:_{first}|(?-i:{first.upper()})){later})",
    ]


_KEY_OF_SEVERAL: Final = (r":\s{0,4}\[", r"\x12[\x00-\xff]{1,5}[\x2a\x18\x21]", r"\\{4}")
"""
What says that values may be far from their key.

It is a key of a JSON array, of an attribute that is an array or a number, or all is escaped over
and over.
"""


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
