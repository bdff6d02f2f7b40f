"""
Redact JSON text token by token.

The text is edited where something was found and stays byte for byte what it was elsewhere, so
that numbers, key order, repeated keys and spacing survive, and what was valid JSON still is.
"""

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from processors.redaction.json_members import NAMED, NAMING, Member, hit_members, is_escaped
from processors.redaction.keys import NO_KEY, KeyInfo
from processors.redaction.prefilter import Hit, part
from processors.redaction.report import Names, Report

if TYPE_CHECKING:
    from processors.redaction.scrubber import Scrubber

# Linear: each alternative begins with another byte and takes what follows without a choice.
_TOKEN: Final = re.compile(
    rb"""(?P<vector>\[\s*+(?:-?[\d.][\d.eE+-]*+\s*+,\s*+){8,}+-?[\d.][\d.eE+-]*+\s*+\])
    |(?P<string>"[^"\\]*+(?:\\.[^"\\]*+)*+")(?P<colon>\s*+:)?+
    |(?P<mark>[{}\[\]])
    |(?P<scalar>[^\s{}\[\],:"]++)""",
    re.VERBOSE | re.DOTALL,
)
_INTEGER: Final = re.compile(rb"-?\d+")
_CLOSED: Final = re.compile(rb"\s*+\]")


_Edit: TypeAlias = tuple[int, int, bytes]
"""What stands where from now on."""


def _edited(data: bytes, edits: Sequence[_Edit]) -> bytes | None:
    """Return a text with what was edited, in order; ``None`` where nothing was."""
    if not edits:
        return None
    out: list[bytes] = []
    last = 0
    for start, end, new in edits:
        out += (data[last:start], new)
        last = end
    out.append(data[last:])
    return b"".join(out)


class _Frame:
    """An object or array that is open."""

    __slots__ = ("early", "in_object", "inherited", "key", "name", "path_key", "taken")

    def __init__(self, *, in_object: bool, key: KeyInfo, path_key: str) -> None:
        self.in_object = in_object
        self.inherited = key
        """What is known about the values: of an array its own key, of an object's parts
        only what blocks or allows all below."""
        self.key: KeyInfo | None = None
        self.path_key = path_key
        self.taken: list[str] = []
        """The keys so far."""
        self.name: str | None = None
        """What the object calls its ``value``; the first of a pair in an array of pairs."""
        self.early: tuple[int, int, int] | None = None
        """A ``value`` that stood before its name, and how many edits there were before it."""


class JsonText:
    """Walk JSON; strings and long integers go back to the scrubber."""

    def __init__(self, scrubber: "Scrubber") -> None:
        self._scrubber = scrubber

    def redact(
        self,
        data: bytes,
        key: KeyInfo,
        report: Report,
        depth: int,
        hits: Sequence[Hit] | None,
    ) -> bytes | None:
        """
        Return the redacted text of a valid JSON document, or ``None`` if nothing changes.

        Where ``hits`` are given, strings outside them are clean unless their key tells more.
        """
        if hits and key.blocked is None and not key.allowed and not self._scrubber.keys.allows:
            members = hit_members(data, hits)
            if members is not None:
                return self._members(data, members, report, depth, hits)
        walk = _Walk(self._scrubber, data, key, report, depth=depth, hits=hits)
        return walk.run()

    def _members(
        self,
        data: bytes,
        members: Sequence[Member],
        report: Report,
        depth: int,
        hits: Sequence[Hit],
    ) -> bytes | None:
        """Redact those strings of a document that are hit."""
        edits: list[_Edit] = []
        for name, start, end in members:
            literal = text = data[start + 1 : end - 1]
            key = self._scrubber.keys.info(name)
            inside = None if key.telling else part(hits, start + 1, end - 1)
            if literal.find(b"\\") >= 0:
                text = _decode(data[start:end])
                inside = decoded_hits(literal, inside)
            new = self._scrubber.text(text, key, report, depth + 1, inside)
            if new is not None:
                edits.append((start, end, _encode(new, literal)))
        return _edited(data, edits)


class _Walk:
    """One pass over one document."""

    def __init__(
        self,
        scrubber: "Scrubber",
        data: bytes,
        key: KeyInfo,
        report: Report,
        *,
        depth: int,
        hits: Sequence[Hit] | None,
    ) -> None:
        self._scrubber = scrubber
        self._data = data
        self._report = report
        self._depth = depth
        self._root = key
        self._stack: list[_Frame] = []
        self._path = ""
        self._edits: list[_Edit] = []
        self._hits = hits

    def run(self) -> bytes | None:
        """Walk; return the edited text."""
        for token in _TOKEN.finditer(self._data):
            kind = token.lastgroup
            if kind == "string":
                self._string(*token.span("string"))
            elif kind == "colon":
                self._object_key(self._stack[-1], *token.span("string"))
            elif kind == "mark":
                self._mark(token.group())
            elif kind == "scalar" or self._key().blocked is not None:
                self._scalar(token.start(), token.end())
        return _edited(self._data, self._edits)

    def _key(self) -> KeyInfo:
        """Return what is known about the value that comes next."""
        if not self._stack:
            return self._root
        frame = self._stack[-1]
        return frame.key if frame.in_object and frame.key is not None else frame.inherited

    def _mark(self, mark: bytes) -> None:
        if mark in (b"{", b"["):
            known = self._key()
            frame = self._stack[-1] if self._stack else None
            path_key = self._path if frame is None or frame.in_object else frame.path_key
            if mark == b"{":
                if known.blocked is None and not known.allowed:
                    known = NO_KEY
                else:
                    known = NO_KEY._replace(blocked=known.blocked, allowed=known.allowed)
            self._stack.append(_Frame(in_object=mark == b"{", key=known, path_key=path_key))
        elif self._stack:
            self._stack.pop()

    def _string(self, start: int, end: int) -> None:
        frame = self._stack[-1] if self._stack else None
        key = self._key()
        literal = text = self._data[start + 1 : end - 1]
        escaped = literal.find(b"\\") >= 0
        if escaped:
            text = _decode(self._data[start:end])
        if frame is not None:
            key = self._named(frame, text, key, start, end)
        hits = None if key.telling else part(self._hits, start + 1, end - 1)
        if hits == [] and key.blocked is None:
            return
        if escaped:
            hits = decoded_hits(literal, hits)
        new = self._scrubber.text(text, key, self._report, self._depth + 1, hits)
        if new is not None:
            self._edits.append((start, end, _encode(new, literal)))

    def _named(self, frame: _Frame, text: bytes, key: KeyInfo, start: int, end: int) -> KeyInfo:
        """Learn names of values from strings; return what the name says about this one."""
        if frame.in_object:
            if self._path in NAMING:
                frame.name = text[:200].decode("utf-8", "replace")
                self._redact_early(frame)
            elif self._path in NAMED and frame.name is None:
                frame.early = start, end, len(self._edits)
        elif len(self._stack) > 1 and not self._stack[-2].in_object:
            if frame.name is None:
                frame.name = text[:200].decode("utf-8", "replace")
            elif key.blocked is None and _CLOSED.match(self._data, end):
                return self._scrubber.keys.info(frame.name)
        return key

    def _redact_early(self, frame: _Frame) -> None:
        """Redact a value that stood before its name."""
        if frame.early is None or frame.name is None:
            return
        start, end, edits = frame.early
        info = self._scrubber.keys.info(frame.name)
        if info.blocked is None or frame.inherited.allowed:
            return
        text = _decode(self._data[start:end])
        new = self._scrubber.whole(
            text, info.blocked, self._report, self._depth + 1, sure=info.credential
        )
        if new is not None:
            later = [edit for edit in self._edits[edits:] if edit[0] >= end]
            self._edits[edits:] = [(start, end, _encode(new, text)), *later]

    def _object_key(self, frame: _Frame, start: int, end: int) -> None:
        """Learn from a key, and redact it where it holds a finding itself."""
        literal = self._data[start + 1 : end - 1]
        raw = literal if b"\\" not in literal else _decode(self._data[start:end])
        name = raw.decode("utf-8", "replace")
        self._path = name
        new = None if frame.inherited.allowed else self._scrubber.key(name, self._report)
        if new is not None:
            name = Names(frame.taken).unique(new)
            self._edits.append((start, end, _encode(name.encode(), literal)))
        frame.taken.append(name)
        frame.key = self._judge(frame, name, end)

    def _judge(self, frame: _Frame, name: str, end: int) -> KeyInfo:
        info = self._scrubber.keys.info(name)
        if name in NAMED and frame.name is not None and info.blocked is None:
            info = self._scrubber.keys.info(frame.name)
        inherited = frame.inherited
        if inherited is NO_KEY and info.blocked is None:
            return info
        if inherited.allowed or (inherited.blocked is not None and not info.allowed):
            return info._replace(blocked=inherited.blocked, allowed=inherited.allowed)
        if info.blocked is not None and self._is_harmless(info.blocked, end):
            return info._replace(blocked=None)
        return info

    def _is_harmless(self, kind: str, end: int) -> bool:
        """Whether the place says that a secret's name is none: schemas, log probabilities."""
        keys = [frame.path_key for frame in self._stack]
        if kind == "token" and any("logprob" in key for key in keys):
            return True
        return keys[-1] == "properties" or _SCHEMA.match(self._data, end) is not None

    def _scalar(self, start: int, end: int) -> None:
        """Redact a number; ``true``, ``false`` and ``null`` tell nothing."""
        text = self._data[start:end]
        key = self._key()
        if text in (b"true", b"false", b"null"):
            return
        if key.blocked is None and not (_INTEGER.fullmatch(text) and len(text) >= 7):
            return
        if text.startswith(b"[") and key.blocked is not None:
            new = self._scrubber.replace(key.blocked, text, self._report)
            self._edits.append((start, end, _encode(new, b"")))
            return
        if key.blocked in ("token", "cookie"):
            return
        changed = self._scrubber.text(text, key, self._report, self._depth + 1)
        if changed is not None:
            self._edits.append((start, end, _encode(changed, b"")))


_SCHEMA: Final = re.compile(
    rb'\s*:\s*\{\s*(?=[^{}]*"type"\s*:\s*"[a-z]+")'
    rb'(?:"(?:type|title|description|format|minLength|maxLength|required|nullable|optional)"\s*:\s*'
    rb'(?:"(?:[^"\\]|\\.)*"|true|false|\d+)\s*(?:,\s*)?)+\}'
)
"""A value that says nothing but what a parameter of the key's name must be."""

_encode_fast: Final = msgspec.json.Encoder().encode
_encode_ascii: Final = json.JSONEncoder().encode
_decode_fast: Final = msgspec.json.Decoder(str).decode
_decode_lax: Final = json.JSONDecoder(strict=False).decode


_UNDONE: Final = re.compile(rb"\\(?:/|u(?:00[2-7]|[dD][89a-fA-F]))")
"""Escapes behind which a rule may match that the prefilter did not name, and halves of letters."""
_U: Final = ord("u")


def decoded_hits(literal: bytes, hits: Sequence[Hit] | None) -> Sequence[Hit] | None:
    """Return where the hits in a literal stand once it is decoded; ``None`` means anywhere."""
    if hits is None or _UNDONE.search(literal) is not None:
        return None
    moved: list[Hit] = []
    last = at = 0
    for hit in hits:
        start = _uncut(literal, hit.start, last)
        at += len(_decode(b'"%b"' % literal[last:start]))
        moved.append(Hit(at, at + hit.end - start, hit.ranks))
        last = start
    return moved


def _uncut(literal: bytes, at: int, least: int) -> int:
    """Return where the letter or escape begins that a place is inside of, or the place."""
    while least < at and literal[at] & 0xC0 == 0x80:
        at -= 1
    slash = literal.rfind(b"\\", max(least, at - 5), at)
    if slash < 0 or is_escaped(literal, slash):
        return at
    return at if slash + (6 if literal[slash + 1] == _U else 2) <= at else slash


def _decode(literal: bytes) -> bytes:
    try:
        return _decode_fast(literal).encode()
    except ValueError:  # a lone surrogate
        text: str = _decode_lax(literal.decode("utf-8", "surrogatepass"))
        return text.encode("utf-8", "surrogatepass")


def _encode(text: bytes, like: bytes) -> bytes:
    """Return a JSON string; letters beyond ASCII stay as the original wrote them."""
    if text.isascii() or not like.isascii():
        try:
            return _encode_fast(text.decode())
        except UnicodeDecodeError:
            pass  # a lone surrogate
    return _encode_ascii(text.decode("utf-8", "surrogatepass")).encode()
