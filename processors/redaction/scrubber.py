"""Redact one text: JSON structurally, at any depth, everything else as text."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from gateway.guard import FaultError, attempt
from processors.redaction import regex
from processors.redaction.json_text import JsonText
from processors.redaction.keys import NO_KEY, KeyInfo, Keys
from processors.redaction.operators import FAILED, Operators, is_placeholder
from processors.redaction.prefilter import Hit, Prefilter, part
from processors.redaction.report import Report
from processors.redaction.scanner import Scanner, Span

MAX_DEPTH: Final = 5
"""How deep JSON in strings of JSON is parsed; deeper it is scanned as text."""

_BRACKET: Final = ord("[")

_SHORT: Final = 32
"""What is known of so short a text is kept: roles, types and names repeat."""


class Scrubber:
    """
    Redact texts by rules and keys.

    Args:
        scanner: finds.
        keys: judges keys.
        operators: replace.
        allowed: patterns of findings that stay.
        prefilter: hits wherever there may be something; ``None`` looks at everything.
        max_bytes: longer values are given up.

    """

    def __init__(
        self,
        scanner: Scanner,
        keys: Keys,
        operators: Operators,
        *,
        allowed: Sequence[regex.Pattern],
        prefilter: Prefilter | None,
        max_bytes: int,
    ) -> None:
        self.keys = keys
        self.max_bytes = max_bytes
        self._scanner = scanner
        self._operators = operators
        self._allowed = allowed
        self._prefilter = prefilter
        self._json = JsonText(self)
        self._clean_keys: set[str] = set()
        self._clean_texts: set[bytes] = set()

    def value(self, text: str, key: KeyInfo, report: Report) -> str | None:
        """Return the redacted value of an attribute or field, or ``None`` if nothing changes."""
        new = self.redact(text.encode("utf-8", "surrogatepass"), key, report)
        return None if new is None else new.decode("utf-8", "surrogatepass")

    def redact(self, data: bytes, key: KeyInfo, report: Report) -> bytes | None:
        """Do the same with a text in UTF-8."""
        hits: Sequence[Hit] | None = None
        if key.blocked is None and not key.allowed and len(data) <= self.max_bytes:
            hits = self._hits(data, key)
        return self.redact_hit(data, key, report, hits)

    def redact_hit(
        self, data: bytes, key: KeyInfo, report: Report, hits: Sequence[Hit] | None
    ) -> bytes | None:
        """Do the same with a text of which it is known what is hit; ``None`` means anywhere."""
        if len(data) > self.max_bytes:
            return self._give_up(data, report)
        if key.blocked is not None or key.telling:
            hits = None
        elif key.allowed or (hits is not None and not hits):
            return None
        try:
            return attempt(lambda: self._text(data, key, report, 0, hits))
        except FaultError:
            return self._give_up(data, report)

    def keeps(self, key: str) -> bool:
        """Whether a key is known to stay as it is."""
        return key in self._clean_keys

    def key(self, text: str, report: Report) -> str | None:
        """Return the redacted key, or ``None`` if it stays; keys repeat, so clean ones are kept."""
        if text in self._clean_keys:
            return None
        new = self.value(text, NO_KEY, report)
        if new is None and len(text) <= 200:
            if len(self._clean_keys) > 20_000:
                self._clean_keys.clear()
            self._clean_keys.add(text)
        return new

    def _give_up(self, data: bytes, report: Report) -> bytes:
        text = data.decode("utf-8", "surrogatepass")
        report.add(FAILED, len(text))
        return self._operators.apply(FAILED, text).encode()

    def text(
        self,
        data: bytes,
        key: KeyInfo,
        report: Report,
        depth: int,
        hits: Sequence[Hit] | None = None,
    ) -> bytes | None:
        """
        Return the redacted text, or ``None`` if nothing changes.

        Where ``hits`` are given, they hold all that a search would find.
        """
        if key.blocked is None and not hits:
            hits = () if key.allowed else self._hits(data, key)
            if hits is not None and not hits:
                return None
        return self._text(data, key, report, depth, hits)

    def _text(
        self,
        data: bytes,
        key: KeyInfo,
        report: Report,
        depth: int,
        hits: Sequence[Hit] | None,
    ) -> bytes | None:
        if key.blocked is not None:
            return self.whole(data, key.blocked, report, depth, sure=key.credential)
        if _is_data_url(data):
            return None
        if data.lstrip()[:1] in (b"{", b"[", b'"') and depth < MAX_DEPTH and _is_json(data):
            return self._json.redact(data, key, report, depth, hits)
        return self._plain(data, key, report, depth, hits)

    def _hits(self, data: bytes, key: KeyInfo) -> Sequence[Hit] | None:
        """Return where in a text something may be; ``None`` means anywhere."""
        if self._prefilter is None or key.telling:
            return None
        if len(data) > _SHORT:
            return self._prefilter.hits(data)
        if data in self._clean_texts:
            return ()
        hits = self._prefilter.hits(data)
        if not hits:
            if len(self._clean_texts) > 20_000:
                self._clean_texts.clear()
            self._clean_texts.add(data)
        return hits

    def whole(
        self, data: bytes, kind: str, report: Report, depth: int = 0, *, sure: bool = False
    ) -> bytes | None:
        """
        Return what replaces a value under a blocked key; JSON keeps its shape.

        A word under a key that is called ``token`` stays unless the key is ``sure``.
        """
        text = data.decode("utf-8", "surrogatepass")
        if not text.strip(" *") or is_placeholder(text):
            return None
        if data.lstrip()[:1] in (b"{", b"[") and depth < MAX_DEPTH and _is_json(data):
            return self._json.redact(data, NO_KEY._replace(blocked=kind), report, depth, None)
        if self._is_allowed(text) or (kind == "token" and not sure and _is_word(text)):
            return None
        return self.replace(kind, data, report)

    def replace(self, kind: str, data: bytes, report: Report) -> bytes:
        """Return what stands for a whole value."""
        text = data.decode("utf-8", "surrogatepass")
        report.add(kind, len(text))
        return self._operators.apply(kind, text).encode("utf-8", "surrogatepass")

    def _plain(
        self,
        data: bytes,
        key: KeyInfo,
        report: Report,
        depth: int,
        hits: Sequence[Hit] | None,
    ) -> bytes | None:
        """Redact a text; JSON documents that stand in it stay valid."""
        documents = _documents(data) if depth < MAX_DEPTH else None
        if documents is None:
            return self._spans(data, key, report, hits)
        out: list[bytes] = []
        changed = False
        for start, end, is_json in documents:
            piece, inside, new = data[start:end], part(hits, start, end), None
            if inside is not None and not inside:
                pass
            elif is_json:
                new = self._json.redact(piece, key, report, depth, inside)
            else:
                new = self._spans(piece, key, report, inside)
            changed = changed or new is not None
            out.append(piece if new is None else new)
        return b"".join(out) if changed else None

    def _spans(
        self, data: bytes, key: KeyInfo, report: Report, hits: Sequence[Hit] | None
    ) -> bytes | None:
        found = self._scanner.scan(data, key.words, hits)
        spans = [span for span in found if self._counts(data, span)]
        if not spans:
            return None
        if key.identity:
            kind = spans[0].type
            text = data.decode("utf-8", "surrogatepass")
            report.add(kind, len(text))
            return self._operators.apply(kind, text, identity=True).encode()
        out: list[bytes] = []
        last = 0
        for span in spans:
            text = data[span.start : span.end].decode("utf-8", "replace")
            report.add(span.type, len(text))
            out += (data[last : span.start], self._operators.apply(span.type, text).encode())
            last = span.end
        out.append(data[last:])
        return b"".join(out)

    def _counts(self, data: bytes, span: Span) -> bool:
        if data[span.start] != _BRACKET and not self._allowed:
            return True
        text = data[span.start : span.end].decode("utf-8", "replace")
        return not is_placeholder(text) and not self._is_allowed(text)

    def _is_allowed(self, text: str) -> bool:
        if not self._allowed:
            return False
        data = text.encode("utf-8", "replace")
        return any(pattern.fullmatch(data) for pattern in self._allowed)


def _is_word(text: str) -> bool:
    """Whether a ``token`` is a language model's rather than a secret."""
    word = text.strip()
    return len(word) < 4 or (word.isalpha() and len(word) < 12)


_decode_fast: Final = msgspec.json.Decoder().decode
_decoder: Final = json.JSONDecoder()


def _is_json(data: bytes) -> bool:
    try:
        _decode_fast(data)
    except (ValueError, RecursionError):
        return _is_loose_json(data)
    return True


def _is_loose_json(data: bytes) -> bool:
    """Whether Python takes a text for JSON: it is laxer about numbers and surrogates."""
    try:
        _decoder.decode(data.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return False
    return True


_DATA_URL: Final = regex.compile(
    r"data:[A-Za-z]+/[A-Za-z0-9.+-]+(?:;[A-Za-z0-9=-]+)*;base64,[A-Za-z0-9+/]*={0,2}"
)


def _is_data_url(data: bytes) -> bool:
    """Whether the text is a ``data:`` image and nothing else, valid base64 to its end."""
    return data.startswith(b"data:") and _DATA_URL.fullmatch(data)


_TRIES: Final = 8
_OPENING: Final = re.compile(rb'[{\[][ \t\n\f\r]*["{\[]')


def _openings(data: bytes) -> Iterator[int]:
    """Yield where brackets stand that may begin a document."""
    # Brackets are rare in prose: to look for these two bytes takes far less than any pattern.
    brace, bracket = data.find(b"{"), data.find(b"[")
    while brace >= 0 or bracket >= 0:
        if bracket < 0 or 0 <= brace < bracket:
            at, brace = brace, data.find(b"{", brace + 1)
        else:
            at, bracket = bracket, data.find(b"[", bracket + 1)
        if _OPENING.match(data, at):
            yield at


def _documents(data: bytes) -> list[tuple[int, int, bool]] | None:
    """
    Split a text into JSON documents and what stands between them; ``None`` where there are none.

    A bounded number of openings that begin no document are tried, so the time stays linear.
    """
    if data.find(b"{") < 0 and data.find(b"[") < 0:
        return None
    text = ""
    pieces: list[tuple[int, int, bool]] = []
    last = failures = 0
    for start in _openings(data):
        if start < last:
            continue
        text = text or data.decode("latin-1")  # one character a byte, so that positions agree
        if text[start] == "[" and start and (text[start - 1].isalnum() or text[start - 1] in "_)]"):
            continue  # a subscript: environ["API_KEY"] = ...
        try:
            _, end = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            failures += 1
            if failures == _TRIES:
                break
            continue
        pieces += ((last, start, False), (start, end, True))
        last = end
    if not pieces:
        return None
    pieces.append((last, len(data), False))
    return [piece for piece in pieces if piece[0] < piece[1]]
