"""
Find the strings of a JSON document that are hit without reading all of it.

Of a conversation one message holds a finding, and to go through all its tokens takes many times
as long as to search it. Where a hit stands in the value of an object's member, no more than the
member's key tells about it. Any other hit asks for the whole document to be walked: one in a key,
in a name of the value beside it, in a number, in an array.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from processors.redaction.prefilter import Hit

NAMING: Final = frozenset(("name", "key", "header", "field", "k"))
"""Keys whose values name the value beside them."""

NAMED: Final = frozenset(("value", "val", "v", "content"))
"""The keys of values that may be named so."""

_NAMING_LITERAL: Final = re.compile(f'"(?:{"|".join(sorted(NAMING))})"'.encode())
# Possessive is only what repeats bytes: Python before 3.11.5 gets groups of alternatives wrong.
_PLAIN: Final = rb'"[^"\\]*+"\s*+:\s*+(?:"[^"\\]*+"|[\w.+-]++)\s*+'
_BEFORE: Final = re.compile(rb"\{\s*+(?:%b,\s*+)*\"[^\"\\]*+\"\s*+:\s*+" % _PLAIN)
_BEHIND: Final = re.compile(rb"\s*+(?:,\s*+%b)*\}" % _PLAIN)
"""An object with plain members, up to the value of one of them and from there on."""
_NEAR: Final = 1024
"""How far a name is looked for beside a member; where its object is longer, in all the text."""
_SPACE: Final = b" \t\r\n"
_QUOTE, _BACKSLASH, _COLON = b'"\\:'


class Member(NamedTuple):
    """A member of an object whose value is a string."""

    key: str
    start: int
    """Where its value begins, with the quote."""
    end: int


def hit_members(data: bytes, hits: Sequence[Hit]) -> list[Member] | None:
    """Return the members of a valid document that are hit; ``None`` where it must be walked."""
    found: list[Member] = []
    anywhere: bool | None = None
    for hit in hits:
        if found and hit.start < found[-1].end:
            continue
        member = _member(data, hit.start)
        if member is None:
            return None
        if member.key in NAMED:
            beside = _beside(data, member)
            if beside is None and anywhere is None:
                anywhere = _NAMING_LITERAL.search(data) is not None
            if anywhere if beside is None else _NAMING_LITERAL.search(beside):
                return None
        found.append(member)
    return found


def _member(data: bytes, at: int) -> Member | None:
    if data[at : at + 2] == b':"':  # the boundary before what is hit
        at += 2
    start, end = _quote_before(data, at), _quote_from(data, at)
    if start < 0 or end < 0 or _may_part(data[start + 1 : end].strip(_SPACE)):
        return None
    colon = _last(data, start)
    if colon < 0 or data[colon] != _COLON:
        return None
    key_end = _last(data, colon)
    if key_end < 0 or data[key_end] != _QUOTE:
        return None
    key = data[_quote_before(data, key_end) + 1 : key_end]
    if b"\\" in key:
        return None
    name = key.decode("utf-8", "replace")
    return None if name in NAMING else Member(name, start, end + 1)


def _beside(data: bytes, member: Member) -> bytes | None:
    """Return what stands beside a member where its object is plain and near."""
    opening = data.rfind(b"{", max(0, member.start - _NEAR), member.start)
    if opening < 0 or _BEFORE.fullmatch(data, opening, member.start) is None:
        return None
    behind = _BEHIND.match(data, member.end, member.end + _NEAR)
    return None if behind is None else data[opening : member.start] + behind[0]


def _may_part(text: bytes) -> bool:
    """Whether a text between two quotes may be what parts two strings."""
    return not text or (text[0] in b":,}]" and text[-1] in b":,{[")


def _last(data: bytes, at: int) -> int:
    """Return where the last byte before a place is that is no space."""
    at -= 1
    while at >= 0 and data[at] in _SPACE:
        at -= 1
    return at


def is_escaped(data: bytes, at: int) -> bool:
    """Whether a backslash stands before a byte that makes it another one."""
    before = at
    while before and data[before - 1] == _BACKSLASH:
        before -= 1
    return (at - before) % 2 == 1


def _quote_before(data: bytes, at: int) -> int:
    """Return where the last quote before a place is that begins or ends a string."""
    at = data.rfind(b'"', 0, at)
    while at >= 0 and is_escaped(data, at):
        at = data.rfind(b'"', 0, at)
    return at


def _quote_from(data: bytes, at: int) -> int:
    """Return where the first such quote from a place on is."""
    at = data.find(b'"', at)
    while at >= 0 and is_escaped(data, at):
        at = data.find(b'"', at + 1)
    return at
