"""
Make the names of an expression plain variables, so that a span is asked for nothing else.

The library takes whole mappings, at 2 us an attribute, and fails where a key is absent. So
``span.attributes["k"] == 1`` becomes ``v0 == 1``, and ``v0`` is read when it is needed. The
library has parsed the expression before; this only goes through its words.
"""

import difflib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from processors.expressions.functions import LIBRARY, MACROS, OURS, Function
from processors.expressions.subject import (
    LEVELS,
    Name,
    Vocabulary,
    attribute,
    presence,
    whole,
)

_ESCAPED = (
    r'"""(?:\\.|[^\\])*?"""|' r"'''(?:\\.|[^\\])*?'''|" r'"(?:\\.|[^"\\])*"|' r"'(?:\\.|[^'\\])*'"
)
_RAW = r'""".*?"""|' r"'''.*?'''|" r'"[^"]*"|' r"'[^']*'"
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_NUMBER = rf"(?:0[xX][\da-fA-F]+|(?:\d+\.)?\d+{_EXPONENT}|\.\d+{_EXPONENT})[uU]?"
_TOKEN = re.compile(
    rf"(?P<gap>\s+|//[^\n]*)|(?P<text>(?:[bB]?[rR]|[rR][bB])(?:{_RAW})|[bB]?(?:{_ESCAPED}))"
    rf"|(?P<number>{_NUMBER})|(?P<word>[A-Za-z_]\w*)|(?P<sign>&&|\|\||[=!<>]=|.)",
    re.DOTALL,
)
_WORDS = frozenset({"true", "false", "null", "in"})
_BEFORE_IN = frozenset({"(", "&&", "||", "?", ":", ","})


class Word(NamedTuple):
    """A token: its kind (text, number, word or sign) and how it is written."""

    kind: str
    text: str


class Rewritten(NamedTuple):
    """An expression over plain variables."""

    source: str
    names: dict[str, Name]
    """What each variable stands for."""
    functions: dict[str, Function]
    """Ours that are used, by the name in ``source``."""
    patterns: list[str]
    """Texts, as written, that are used as regular expressions."""


def rewrite(source: str, vocabulary: Vocabulary) -> Rewritten:
    """
    Return the same expression over plain variables.

    Raises:
        ValueError: it uses names or functions that do not exist; says which are near.

    """
    words = [
        Word(found.lastgroup or "", found.group())
        for found in _TOKEN.finditer(source)
        if found.lastgroup != "gap"
    ]
    return _Rewriting(words, vocabulary).run()


class _Rewriting:
    def __init__(self, words: Sequence[Word], vocabulary: Vocabulary) -> None:
        self._words = words
        self._vocabulary = vocabulary
        self._at = 0
        self._out: list[str] = []
        self._variables: dict[Any, str] = {}
        self._names: dict[str, Name] = {}
        self._functions: dict[str, Function] = {}
        self._patterns: list[str] = []
        self._mistakes: dict[str, None] = {}
        self._bound = {
            words[at + 2].text
            for at, word in enumerate(words[:-2])
            if word.text in MACROS and words[at + 1].text == "(" and words[at - 1].text == "."
        }

    def run(self) -> Rewritten:
        for name in self._bound:
            if self._vocabulary.is_taken(name):
                self._mistakes[f'"{name}" is a name already (take another one in the macro)'] = None
        while self._at < len(self._words):
            self._step()
        if self._mistakes:
            raise ValueError("; ".join(self._mistakes))
        return Rewritten(" ".join(self._out), self._names, self._functions, self._patterns)

    def _step(self) -> None:
        word = self._words[self._at]
        if word.kind != "word" or word.text in _WORDS:
            self._keep()
        elif self._peek(1) == "(":
            self._function(word.text)
        elif self._peek(-1) == "." or word.text in self._bound:
            self._keep()
        else:
            self._path()

    def _peek(self, ahead: int) -> str:
        at = self._at + ahead
        return self._words[at].text if 0 <= at < len(self._words) else ""

    def _keep(self) -> None:
        self._out.append(self._words[self._at].text)
        self._at += 1

    # --- functions

    def _function(self, name: str) -> None:
        if name in OURS:
            own = f"f_{name}"
            self._functions[own] = OURS[name]
            self._out.append(own)
            self._note_pattern(name)
            self._at += 1
            return
        if name not in LIBRARY and name not in MACROS:
            known = [*OURS, *sorted(LIBRARY | MACROS)]
            self._mistake(f'there is no function "{name}"', name, known, "functions")
        self._keep()

    def _note_pattern(self, name: str) -> None:
        """Remember the pattern of ``x.matches("pattern")`` or ``IsMatch(x, "pattern")``."""
        if name not in {"matches", "IsMatch"}:
            return
        depth, last = 0, self._at + 1
        for last in range(self._at + 1, len(self._words)):
            depth += {"(": 1, ")": -1}.get(self._words[last].text, 0)
            if depth == 0:
                break
        if self._words[last - 1].kind == "text" and self._words[last - 2].text in {"(", ","}:
            self._patterns.append(self._words[last - 1].text)

    # --- names

    def _path(self) -> None:
        """Take ``a.b.c`` as far as it is no method, and put a variable in its place."""
        path = [self._words[self._at].text]
        self._at += 1
        while self._peek(0) == "." and self._peek(2) != "(" and self._is_word(1):
            path.append(self._peek(1))
            self._at += 2
        for length in range(len(path), 0, -1):
            name = self._vocabulary.canonical(".".join(path[:length]))
            rest = path[length:]
            if name in self._vocabulary.attributes:
                self._attributes(name, rest)
                return
            if name in self._vocabulary.names and not rest:
                self._put((name,), self._vocabulary.names[name])
                return
        self._unknown(".".join(path))

    def _is_word(self, ahead: int) -> bool:
        at = self._at + ahead
        return at < len(self._words) and self._words[at].kind == "word"

    def _attributes(self, name: str, rest: Sequence[str]) -> None:
        source = self._vocabulary.attributes[name]
        if len(rest) > 1:
            key = ".".join(rest)
            self._mistakes[f'{name}.{key} is not known (write {name}["{key}"])'] = None
        elif rest and self._out[-2:] == ["has", "("] and self._peek(0) == ")":
            del self._out[-2:]
            self._at += 1
            self._put((name, rest[0], "?"), Name(presence(source, rest[0]), example=True))
        elif rest:
            self._put((name, rest[0]), Name(attribute(source, rest[0]), None))
        elif self._peek(0) == "[" and self._kind(1) == "text" and self._peek(2) == "]":
            key = literal(self._peek(1))
            self._at += 3
            self._put((name, key), Name(attribute(source, key), None))
        elif self._asked_for_key():
            key = literal(self._out[-2])
            del self._out[-2:]
            self._put((name, key, "?"), Name(presence(source, key), example=True))
        else:
            self._put((name, None), Name(whole(source), None))

    def _kind(self, ahead: int) -> str:
        at = self._at + ahead
        return self._words[at].kind if at < len(self._words) else ""

    def _asked_for_key(self) -> bool:
        """Whether this is the end of ``"key" in span.attributes``, and nothing binds closer."""
        out = self._out
        if len(out) < 2 or out[-1] != "in" or out[-2][-1] not in "\"'":
            return False
        return (len(out) == 2 or out[-3] in _BEFORE_IN) and self._peek(0) not in {".", "["}

    def _put(self, what: Any, name: Name) -> None:
        if what not in self._variables:
            self._variables[what] = f"v_{len(self._variables)}"
            self._names[self._variables[what]] = name
        self._out.append(self._variables[what])

    def _unknown(self, path: str) -> None:
        first, _, rest = path.partition(".")
        known = self._vocabulary.known()
        if first in LEVELS and not any(name.startswith(f"{first}.") for name in known):
            level = self._vocabulary.level
            self._mistakes[
                f'"{path}" is not known here (what is about a {level} sees no {first})'
            ] = None
            return
        if rest and first in LEVELS:
            known = [name for name in known if name.startswith(f"{first}.")]
        self._mistake(f'"{path}" is not known', path, known, "names")

    def _mistake(self, message: str, name: str, known: Sequence[str], what: str) -> None:
        near = [*known, *self._vocabulary.names] if what == "names" else known
        close = list(dict.fromkeys(difflib.get_close_matches(name, near, n=2, cutoff=0.6)))
        if close:
            hint = "did you mean " + " or ".join(close) + "?"
        else:
            hint = f"known {what}: {', '.join(known)}"
        self._mistakes[f"{message} ({hint})"] = None


def literal(written: str) -> str:
    """Return what a text in an expression says."""
    from cel import compile  # noqa: A004, PLC0415 - slow to import, and only needed with conditions

    said = compile(written).execute({})
    return said if isinstance(said, str) else ""
