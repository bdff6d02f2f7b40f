"""Regular expressions of users over texts of strangers: RE2, so that time is linear in the text."""

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any

import re2  # type: ignore[import-untyped]  # google-re2 ships no types

_SYNTAX = "github.com/google/re2/wiki/Syntax"
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")


class Pattern:
    """
    A pattern that is searched for anywhere in a text, as the Collector does.

    Raises:
        ValueError: the text is no pattern; says why.

    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._pattern = _compile(text)
        self._search = self._pattern.search
        self.names = _by_position(self._pattern)

    def found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere."""
        return self._search(_bytes(text)) is not None

    def matches(self, text: str) -> bool:
        """Whether the pattern matches the whole text."""
        return self._pattern.fullmatch(_bytes(text)) is not None

    def groups(self, text: str) -> dict[str, str] | None:
        """Return what the named groups hold in the first match, or ``None``."""
        match = self._search(_bytes(text))
        if match is None:
            return None
        return {name: _text(match.group(at)) for at, name in enumerate(self.names, 1) if name}

    def replacer(self, replacement: str) -> Callable[[str], str]:
        """
        Return what replaces every match; ``$1``, ``${1}`` and ``${name}`` stand for groups.

        Raises:
            ValueError: the replacement names a group that the pattern lacks.

        """
        parts = self._parts(replacement)
        if all(isinstance(part, bytes) for part in parts):
            fixed = b"".join(part for part in parts if isinstance(part, bytes))
            return self._substitute(lambda _: fixed)
        return self._substitute(lambda match: _join(parts, match))

    def _substitute(self, replace: Callable[[Any], bytes]) -> Callable[[str], str]:
        sub = self._pattern.sub
        return lambda text: _text(sub(replace, _bytes(text)))

    def _parts(self, replacement: str) -> list[bytes | int]:
        """Split a replacement into fixed parts and numbers of groups."""
        parts: list[bytes | int] = []
        end = 0
        for found in _REFERENCE.finditer(replacement):
            parts.append(replacement[end : found.start()].encode())
            end = found.end()
            parts.append(b"$" if found[1] else self._group(found[2] or found[3]))
        parts.append(replacement[end:].encode())
        return parts

    def _group(self, name: str) -> int:
        if name.isdecimal() and int(name) <= len(self.names):
            return int(name)
        if name in self.names:
            return self.names.index(name) + 1
        known = ["0", *(each or str(at) for at, each in enumerate(self.names, 1))]
        raise ValueError(
            f'the pattern has no group "{name}" (it has {", ".join(known)}); '
            "write ${1} for a group and $$ for a dollar sign, each $ doubled in YAML"
        )


@functools.lru_cache(maxsize=1024)
def cached(text: str) -> Pattern | None:
    """Return a pattern that is known only while spans pass, or ``None`` where it is none."""
    try:
        return Pattern(text)
    except ValueError:
        return None


def _compile(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text.encode(), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f'"{text}" is no regular expression: {said} (see {_SYNTAX})') from None


def _by_position(pattern: Any) -> list[str]:
    """Return the groups' names in order; an empty one where a group has none."""
    names = [""] * int(pattern.groups)
    index: Mapping[bytes | str, int] = pattern.groupindex
    for name, at in index.items():
        names[at - 1] = name.decode() if isinstance(name, bytes) else name
    return names


def _join(parts: list[bytes | int], match: Any) -> bytes:
    return b"".join(part if isinstance(part, bytes) else match.group(part) or b"" for part in parts)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _text(data: bytes | None) -> str:
    return data.decode("utf-8", "replace") if data else ""
