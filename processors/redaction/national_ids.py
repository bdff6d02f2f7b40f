"""
Numbers by which states know their people: recognised by a word that names them and a check digit.

One rule looks for all of them, so that a text is searched once; the words beside the number say
which countries' check digits count.
"""

import re
from collections.abc import Callable
from typing import Final

from stdnum import verhoeff
from stdnum.au import tfn
from stdnum.be import nn
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.se import personnummer
from stdnum.tr import tckimlik

from processors.redaction.checks import alone, number_alone, whole
from processors.redaction.rules import Bounds, Candidate, Rule, in_names

_SEPARATORS: Final = re.compile(r"[ ./-]")
_BARE: Final = re.compile(r"[ -]?[A-Za-z] ?\d*$")
"""A letter behind the number, which may begin the next word instead."""

_Valid = Callable[[str], bool]


def _insurance_number(text: str) -> bool:
    """Whether a text is a German pension insurance number: area, birth date, initial, serial."""
    shape = re.fullmatch(r"\d{2}(\d{2})(\d{2})\d{2}[A-Za-z]\d{3}", text)
    return shape is not None and 1 <= int(shape[1]) <= 31 and 1 <= int(shape[2]) <= 12


def _aadhaar(text: str) -> bool:
    return re.fullmatch(r"[2-9]\d{11}", text) is not None and verhoeff.is_valid(text)


_COUNTRIES: tuple[tuple[tuple[str, ...], tuple[_Valid, ...]], ...] = (
    (
        (r"\bsteuer-? ?id\b", r"identifikationsnummer", r"\bid-?nr\b", r"(?-i:\bTIN\b)"),
        (idnr.is_valid,),
    ),
    (
        (r"\bsozialversicherung", r"\brentenversicherung", r"\bsv-?(?:nr|nummer)", r"\bsvnr\b"),
        (_insurance_number,),
    ),
    (
        (r"\bs[ée]curit[ée] sociale", r"\bs[ée]cu\b", r"\bnir\b", r"\binsee\b", "n° ?ss"),
        (nir.is_valid,),
    ),
    (
        (
            r"\bdni\b",
            r"\bd\.n\.i\b",
            r"\bmi nie\b",
            r"(?-i:\bNI[EF]\b)",
            r"\bdocumento (?:nacional|de identidad)",
            r"\bc[ée]dula",
        ),
        (dni.is_valid, nie.is_valid, nif.is_valid),
    ),
    ((r"\bcontribuinte", r"\bn[úu]mero fiscal"), (nif.is_valid,)),
    ((r"\bbsn\b", r"\bburgerservice", r"\bsofi-?nummer"), (bsn.is_valid,)),
    ((r"\brijksregister", r"\bregistre national", r"\bnum[ée]ro national"), (nn.is_valid,)),
    ((r"\bahv\b", r"\bavs\b"), (ahv.is_valid,)),
    ((r"\bpesel\b",), (pesel.is_valid,)),
    ((r"\bkimlik", r"\btckn\b"), (tckimlik.is_valid,)),
    (("身份证", "身份證", "公民身份"), (ric.is_valid,)),
    ((r"(?-i:\bSIN\b)", r"\bsocial insurance"), (sin.is_valid,)),
    ((r"\baadhaa?r",), (_aadhaar,)),
    ((r"\btfn\b", r"\btax file"), (tfn.is_valid,)),
    ((r"\bnhs\b",), (nhs.is_valid,)),
    (
        (r"\bpersonnummer", r"\bsamordningsnummer"),
        (personnummer.is_valid, fodselsnummer.is_valid, cpr.is_valid),
    ),
    ((r"\bcpr\b",), (cpr.is_valid,)),
    ((r"\bf[øo]dselsnummer",), (fodselsnummer.is_valid,)),
    ((r"\bhetu\b", "henkilötunnus"), (hetu.is_valid,)),
)
"""What the number is called, beside it or in its key, and what its digits must pass."""

_PATTERNS: Final = [
    (re.compile("|".join(map(in_names, words)), re.IGNORECASE), valid)
    for words, valid in _COUNTRIES
]


def _named(candidate: Candidate) -> Bounds | None:
    """Believe a number that passes the check digits of a country that is named beside it."""
    said = f"{candidate.before.decode('utf-8', 'replace')} {candidate.key}"
    known = [valid for words, valid in _PATTERNS if words.search(said) is not None]
    start = candidate.start
    bare = candidate.moved(start, start + len(_BARE.sub("", candidate.text)))
    for each in (candidate, bare):
        text = _SEPARATORS.sub("", each.text).upper()
        if alone(each) and any(check(text) for valid in known for check in valid):
            return whole(each)
    return None


def _codice_fiscale(candidate: Candidate) -> Bounds | None:
    valid = codicefiscale.is_valid(candidate.text) or curp.is_valid(candidate.text)
    return whole(candidate) if valid and alone(candidate) else None


def _nir(candidate: Candidate) -> Bounds | None:
    return whole(candidate) if number_alone(candidate) and nir.is_valid(candidate.text) else None


RULES: list[Rule] = [
    Rule(
        "national_id",
        r"\b(?:[A-Z][ -]?)?\d(?:[ ./-]?\d){6}",
        r"(?:[ ./-]?\d){0,11}(?:[ -]?[A-Za-z](?: \d{3}\b|\d{0,3}))?",
        _named,
        tuple(word for words, _ in _COUNTRIES for word in words),
    ),
    # Italy's and Mexico's hold names, a birth date and a check digit: they need no word.
    Rule(
        "national_id",
        r"\b(?:[A-Za-z]{6}\d\d[A-Za-z]\d\d[A-Za-z]\d{3}[A-Za-z]|[A-Z]{4}\d{6}[HMX][A-Z]{5}[A-Z0-9]\d)\b",
        check=_codice_fiscale,
        # The letters before the first digit would be counted in each word of a text.
        hint=r"(?:[A-Za-z]\d\d[A-Za-z]\d\d[A-Za-z]\d{3}[A-Za-z]|[A-Z]\d{6}[HMX][A-Z]{5})",
    ),
    Rule("national_id", r"\b[12] \d\d \d\d \d[\dAB] \d{3} \d{3} \d\d\b", check=_nir),
]
"""In the order of precedence."""
