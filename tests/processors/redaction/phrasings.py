"""
Texts as people write them in eleven languages, collected without a look at the rules.

``tests/data/redaction/found.tsv`` holds the language, the type and a text whose finding stands in
double brackets; passwords are made at run time. ``clean.tsv`` holds texts in which nothing is.
"""

import random
import re
from pathlib import Path
from typing import NamedTuple

_DATA = Path(__file__).parents[2] / "data" / "redaction"
_FINDING = re.compile("⟦(.*)⟧")
_WORDS = ("Sommer", "hunter", "qwerty", "Tr0ub4dor", "correct-horse", "Passw0rt", "mY.d0g")
_ENDS = ("2024!", "&3", "#99", "_88", "7", "$x1")


class Phrasing(NamedTuple):
    """A text, and what must not be readable in it afterwards."""

    language: str
    type: str
    text: str
    hidden: str


def found(seed: int = 1) -> list[Phrasing]:
    """Return texts with a finding."""
    dice = random.Random(seed)
    return [_phrasing(line, dice) for line in _lines("found.tsv")]


def clean() -> list[tuple[str, str]]:
    """Return languages and texts in which nothing may change."""
    return [
        (language, text) for language, text in (line.split("\t") for line in _lines("clean.tsv"))
    ]


def _lines(name: str) -> list[str]:
    return (_DATA / name).read_text(encoding="utf-8").splitlines()


def _phrasing(line: str, dice: random.Random) -> Phrasing:
    language, kind, marked = line.split("\t")
    match = _FINDING.search(marked)
    assert match is not None, line
    hidden = match[1]
    if kind == "password":
        hidden = dice.choice(_WORDS) + dice.choice(_ENDS)
    text = marked[: match.start()] + hidden + marked[match.end() :]
    return Phrasing(language, kind, text.replace("\\n", "\n"), hidden)
