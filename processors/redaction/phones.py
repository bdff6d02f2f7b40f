"""
Phone numbers: shapes that are worth a look, and what phonenumbers says about them.

phonenumbers' own matcher costs 450 us per KB, so it sees only what RE2 found.
"""

import functools
import re
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber

from processors.redaction import checks, regex
from processors.redaction.rules import Bounds, Candidate, Check, Rule

# Hyphens and spaces that typography puts into numbers.
_SEP: Final = "(?:[ ./-]|\u00a0|\u2011|\u2012|\u2013|\u202f|\u2009)"
_PART: Final = "(?:[ ()./-]|\u00a0|\u2011|\u2012|\u2013|\u202f|\u2009){0,3}"
_EXTENSION: Final = (
    r"(?:[ ,;]{0,2}(?:(?i:extension|ext|durchwahl|dw|ramal|poste|anexo)\.?:? ?"
    r"|x ?|#|내선 ?|内線 ?|分机 ?)\d{1,6})?"
)

WORDS: Final = (
    *(
        r"\bphones?\b",
        r"\btelephone",
        r"\bmobile\b",
        r"\bcell(?:phone)?\b",
        r"\bfax\b",
        r"\bwhatsapp",
    ),
    *(r"\btel\b", r"\bsms\b", r"\bhotline", r"\bdial\b", r"\btelefon", r"\bhandy", r"\bmobil"),
    *(r"\brufnummer", r"\bt[ée]l[ée]phone", r"\bt[ée]l\b", r"\bportable\b", r"\btel[ée]fono"),
    *(r"\bm[óo]vil\b", r"\bcelular", r"\btelefone", r"\btelem[óo]vel", r"\bcellulare", r"\bmsisdn"),
    r"\bcall (?:me|us|him|her|them|back|at|on)\b",
    r"\btext (?:me|us|him|her|them)\b",
    r"\b(?:my|our|his|her) number\b",
    *(r"\bph\b", r"\btfno\b", r"\btlf\b", r"\bcel\b", r"\bfixo\b", r"\brecapito\b"),
    *(r"\b(?:meine|unsere) nummer\b", r"\brückruf", r"\banrufen\b", r"\b(?:ruf|rufen)\b"),
    *(
        r"\bappele[rz]?\b",
        r"\bcontactez\b",
        r"\bjoignable\b",
        r"\bjoindre\b",
        r"\b(?:mon|notre) num[ée]ro\b",
    ),
    *(r"\bll[áa]m(?:e|a|ar|eme|ame|enos)\b", r"\b(?:mi|nuestro) n[úu]mero\b", r"\bmobiele?\b"),
    *(r"\bchiam(?:a|i|ami|are|ate|atemi)\b", r"\bmio numero\b", r"\bcell\."),
    *(r"\blig(?:a|ue|ar|uem)\b", r"\b(?:meu|nosso) n[úu]mero\b", r"\bzap\b"),
    *(r"\bbel (?:me|ons|mij)\b", r"\bmijn nummer\b", r"\bbereikbaar\b", r"\btelefoon"),
    *(
        r"\bzadzwo[ńn]",
        r"\bm[óo]j numer\b",
        r"\bkom[óo]rk",
        r"\bcep (?:tel|no|num)",
        r"\bnumara",
        r"\bteléfono",
    ),
    *(
        "전화",
        "휴대폰",
        "핸드폰",
        "연락처",
        "電話",
        "携帯",
        "电话",
        "手机",
        "拨打",
        "撥打",
        "致电",
        "телефон",
    ),
)
"""Words near which bare digits may be a phone number."""

# RE2: of what stands before a number, Python's engine tries each of these words at each place.
_OTHER: Final = regex.compile(
    r"(?i)(?:order|invoice|ticket|tracking|refund|ref|reference|case|sku|serial|isbn|issn|doi|part|"
    r"model|version|timestamp|account|customer|batch|build|port|pid|amount|total|tokens?|"
    r"bestell\w*|rechnung\w*|kunden\w*|auftrag\w*|artikel\w*|pedido|factura|commande|facture|fatura|"
    r"nota|\bid|[_-]id|주문|송장|注文|订单|訂單|伝票|会員|口座|운송장)\w{0,3}"
    r"(?: ?(?:number|nummer|num|no|nr|nº|n°|id|code|번호|番号|号))?"
    r"[\s:=#.\"'\\-]{0,5}(?:(?:is|ist|es|est)\s)?[A-Z]{0,4}[#-]?\n?\z"
)
_DATE: Final = re.compile(
    r"\d{1,2}([./-])\d{1,2}\1(?:\d{2}|\d{4})(?:(?!\1\d)\D.*)?"
    r"|(?:19|20)\d\d([./-])\d{1,2}\2\d{1,2}(?:\D.*)?"
    r"|\((?:19|20)\d\d\).*"
    r"|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|\d{1,2}[./-](?:19|20)\d\d(?:\D.*)?|(?:19|20)\d\d[ -]+(?:19|20)\d\d"
)


@functools.lru_cache(maxsize=4096)
def _parse(digits: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, region)
    except NumberParseException:
        return None


@functools.lru_cache(maxsize=4096)
def _is_valid(digits: str, region: str) -> bool:
    number = _parse(digits, region)
    return number is not None and phonenumbers.is_valid_number_for_region(number, region)


@functools.lru_cache(maxsize=4096)
def _is_possible(digits: str, region: str | None) -> bool:
    number = _parse(digits, region)
    return number is not None and phonenumbers.is_possible_number(number)


_BARE: Final = re.compile(r"[+0-9 ()./-]*")
_EXTENDED: Final = re.compile(
    r"(?i)[ ,;]*(?:ext|extension|durchwahl|dw|ramal|poste|anexo|x|#|내선|内線|分机)"
)


def _split(text: str) -> tuple[str, str]:
    """Return the number's digits, with its ``+``, and the number without its extension."""
    bare = text if _BARE.fullmatch(text) else _EXTENDED.split(text, maxsplit=1)[0]
    plus = "+" if bare.startswith("+") else ""
    return plus + checks.digits_in(bare.encode()).decode(), bare


_JOINTS: Final = ".:,/-"
"""Behind a digit, what ``_touched`` refuses: seconds, for one."""


def _touched(candidate: Candidate) -> bool:
    """Whether something before or behind makes the digits a part of something longer."""
    data, start, end = candidate.data, candidate.start, candidate.end
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if before[-1:].isalnum() or before[-1:] == b"_" or after[:1].isalnum() or after[:1] == b"_":
        return True
    if after[:1] in (b"-", b".", b"/", b":") and after[1:2].isalnum():
        return True
    if before[-1:] in (b"-", b".", b"/", b":", b"#", b"$", b",") and before[:1].isalnum():
        return before[-1:] != b":" or before[:1].isdigit()
    return before[-1:] in (b"#", b"$") or checks.in_blob(candidate)


def _balanced(candidate: Candidate) -> Candidate:
    """Return the candidate without what begins a remark: ``020 7946 0958 (24/7)``."""
    text = candidate.data[candidate.start : candidate.end]
    opened = text.rfind(b"(")
    if opened <= 0 or text.count(b"(") == text.count(b")"):
        return candidate
    start = candidate.start
    return candidate.moved(start, start + len(text[:opened].rstrip(b" -/.")))


class Phones:
    """Checks for the configured regions."""

    def __init__(self, regions: tuple[str, ...]) -> None:
        self._regions = regions

    def international(self, candidate: Candidate) -> Bounds | None:
        """Believe ``+`` or ``00`` and a country's code with as many digits as it has."""
        digits, bare = _split(candidate.text)
        if digits.startswith("00"):
            digits = "+" + digits[2:]
        if _touched(candidate) or not _is_possible(digits, None):
            return None
        opened = candidate.before.endswith(b"(") and bare.count(")") > bare.count("(")
        return candidate.start - opened, candidate.end

    def national(self, candidate: Candidate) -> Bounds | None:
        """Believe what a region's plan knows, or what is written as its numbers are."""
        candidate = _balanced(candidate)
        text = candidate.text
        if _DATE.fullmatch(text) or _touched(candidate) or _OTHER.search(candidate.before):
            return None
        digits, bare = _split(text)
        if digits.startswith("00"):
            return self.international(candidate)
        if not 7 <= len(digits) <= 13 or text.count("(") != text.count(")"):
            return None
        if _LONGER.search(candidate.before):
            return None
        written = not bare.isdigit()
        if _NO_PHONE.search(bare) or not (written or _MOBILE.fullmatch(digits)):
            return None
        if any(_is_valid(digits, region) for region in self._regions):
            return candidate.start, candidate.end
        shaped = written and _SHAPE.fullmatch(bare) is not None
        if shaped and any(_is_possible(digits, region) for region in self._regions):
            return candidate.start, candidate.end
        return None

    def told(self, candidate: Candidate) -> Bounds | None:
        """Believe digits beside a word for phone that some region could dial."""
        candidate = _balanced(candidate)
        text = candidate.text
        digits, bare = _split(text)
        if _DATE.fullmatch(bare) or _touched(candidate) or _OTHER.search(candidate.before):
            return None
        if not 7 <= len(digits) <= 15 or text.count("(") != text.count(")"):
            return None
        if _UNIT.match(candidate.after):
            return None
        return candidate.start, candidate.end


_SHAPE: Final = re.compile(
    r"(?:1[ .-])?\(?[2-9]\d\d\)?[ .-]{0,2}\d{3}[ .-]\d{4}"  # North America
    r"|\(?0\d{2,4}\)?[ /-]\d{3,4}[ -]?\d{3,4}"  # a trunk zero
    r"|\(\d{2}\) ?9?\d{4}[ -]\d{4}"  # Brazil
)
_MOBILE: Final = re.compile(r"010\d{8}|07\d{9}|01[5-7]\d{8,9}|0[67]\d{8}|0[789]0\d{8}")
"""Mobile numbers that people write without a space."""

_LONGER: Final = re.compile(rb"(?:^|[^0-9])\d{4}[ -]$")
"""What makes the digits the tail of a longer number in groups of four."""

_UNIT: Final = re.compile(rb"(?i)[ ]?(?:px|ms|[kmg]i?b|bytes|rows|items|tokens|%|usd|eur)\b")

_NO_PHONE: Final = re.compile(r"\.\.|^\d{5}-\d{4}$")
"""Ranges, and postal codes of the United States."""


def rules(regions: tuple[str, ...]) -> list[Rule]:
    """Return the rules for phone numbers of the regions."""
    phones = Phones(regions)
    found = [
        _rule(rf"\+{_PART}\d(?:{_PART}\d){{6}}", rf"(?:{_PART}\d){{0,8}}", phones.international),
        _rule(
            rf"\b0\d(?:{_PART}\d){{5}}",
            rf"(?:{_PART}\d){{0,8}}",
            phones.national,
            joints=_JOINTS,
        ),
        _rule(
            rf"\(0?\d{{1,4}}\){_PART}\d{{3,5}}{_SEP}?\d{{3}}",
            rf"(?:{_PART}\d){{0,6}}",
            phones.national,
        ),
        _rule(r"\b\d{5,11}", rf"(?:{_PART}\d){{1,10}}", phones.told, WORDS),
        _rule(rf"(?:\b\d|\(\d)(?:{_PART}\d){{6}}", rf"(?:{_PART}\d){{0,9}}", phones.told, WORDS),
    ]
    if {"US", "CA", "PR"} & set(regions):
        pattern = rf"\b[2-9]\d\d{_SEP}\d{{3}}{_SEP}\d{{4}}\b"
        found.append(_rule(pattern, "", phones.national))
        found.append(
            _rule(rf"\b1{_SEP}\(?[2-9]\d\d\)?{_PART}\d{{3}}{_SEP}\d{{4}}\b", "", phones.national)
        )
    if "BR" in regions:
        found.append(_rule(rf"\b[1-9]\d{_SEP}9?\d{{4}}{_SEP}\d{{4}}\b", "", phones.national))
    if set(regions) - _KNOWN_SHAPES:
        pattern = rf"\b\d{{2,5}}(?:{_SEP}\d{{2,5}}){{2}}"
        found.append(_rule(pattern, rf"(?:{_SEP}\d{{2,5}}){{0,3}}", phones.national))
    return found


_KNOWN_SHAPES: Final = frozenset(
    ("US", "CA", "PR", "GB", "DE", "BR", "KR", "FR", "JP", "AT", "CH", "NL", "BE")
)


def _rule(
    trigger: str, rest: str, check: Check, context: tuple[str, ...] = (), joints: str = ""
) -> Rule:
    return Rule("phone", trigger, rest + _EXTENSION, check, context, joints=joints)
