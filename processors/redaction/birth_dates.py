"""Dates of birth: a date right behind words that say so, in the tongues that the rules speak."""

import re

from processors.redaction.checks import alone, whole
from processors.redaction.keys import NAMES
from processors.redaction.rules import Bounds, Candidate, Rule, relax

_SPOKEN = (
    *(
        "born",
        "born on",
        "d.o.b",
        "d.o.b.",
        "fecha nac.",
        "f. nacimiento",
        "fecha de nac.",
        "data nasc.",
        "geboren",
        "geboren am",
        "geb.",
        "geb. am",
        "geb.-datum",
        "geb.-dat.",
        "geb. datum",
        "geb. datum:",
        "geboren op",
        "né le",
        "née le",
        "né(e) le",
    ),
    *("nacido el", "nacida el", "nací el", "nato il", "nata il", "sono nato il", "sono nata il"),
    *("nascido em", "nascida em", "nasci em", "nascido a", "urodzony", "urodzona", "doğum tarihi"),
)
_MONTH = r"[\p{L}\p{M}]{3,10}\.?"
_DATE = (
    r"\d{4}[-./]\d{1,2}[-./]\d{1,2}(?:T[\d:.]{1,15}Z?)?"
    r"|\d{1,2}[-./ ]{1,2}\d{1,2}[-./ ]{1,2}(?:\d{4}|\d{2})\b"
    rf"|\d{{1,2}}(?:st|nd|rd|th|er|\.|º)? (?:de |of )?{_MONTH},?(?: de)? \d{{4}}"
    rf"|\d{{1,2}}[-/.]{_MONTH}[-/.](?:\d{{4}}|\d{{2}})\b"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}"
    r"|\d{4} ?[年년][ ]?\d{1,2} ?[月월][ ]?\d{1,2} ?[日일]|(?:19|20)\d{6}\b"
)


def _plausible(candidate: Candidate) -> Bounds | None:
    """Believe dates on which a living person may be born."""
    year = re.search(r"\d{4}", candidate.text)
    living = year is None or 1900 <= int(year[0]) <= 2100
    return whole(candidate) if living and alone(candidate) else None


def _any_of(names: tuple[str, ...]) -> str:
    """Return a pattern of names; where writing has no spaces they may stand anywhere."""
    ordered = sorted(names, key=len, reverse=True)
    escaped = {name: re.escape(name).replace(r"\ ", "[ _.-]?") for name in ordered}
    apart = "|".join(escaped[name] for name in ordered if name[0].isascii())
    anywhere = "|".join(escaped[name] for name in ordered if not name[0].isascii())
    return rf"(?i:\b(?:{apart})|{anywhere})"


_WORDS = _any_of((*NAMES["date_of_birth"], *_SPOKEN))
_BETWEEN = (
    r"[\"'`\\\]*)]{0,12}(?:[ \t]|\x{a0}|\x{202f}){0,3}(?::=|=>|:|=|\||\x{ff1a})?"
    r"(?:[ \t\"'\\*]|\x{a0}|\x{202f}){0,8}"
    r"(?:(?:is|was|ist|war|lautet|est|es|è|é|am|on|le|el|il|em|op|은|는|は|是)[ ]?)?"
)

RULES: list[Rule] = [
    Rule(
        "date_of_birth",
        _WORDS,
        rf"{_BETWEEN}({_DATE})",
        _plausible,
        hint=relax(_WORDS),
    ),
    Rule(
        "date_of_birth",
        r"(?i:\bnat[oa] (?:a|ad|in) )",
        rf"[\p{{L}} '\x{{2019}}]{{2,30}} il ({_DATE})",
        _plausible,
    ),
]
"""With the words before the date; by key the whole value goes, see ``keys.NAMES``."""
