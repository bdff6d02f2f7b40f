"""Decide about personal data: checksums, ranges, and what surrounds a number."""

import functools
import hashlib
import ipaddress
import re
from typing import Final

from stdnum import bitcoin
from stdnum import iban as stdnum_iban
from stdnum.br import cnpj as stdnum_cnpj
from stdnum.br import cpf as stdnum_cpf
from stdnum.exceptions import ValidationError
from stdnum.kr import rrn as stdnum_rrn

from processors.redaction import regex
from processors.redaction.checks import ALNUM, alone, digits_of, number_alone, whole
from processors.redaction.rules import Bounds, Candidate

_IIN: Final = re.compile(
    rb"4\d{12}(?:\d{3}(?:\d{3})?)?|(?:5[1-5]|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d+"
    rb"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11,16}|6(?:011|5\d\d|4[4-9]\d)\d{12,15}|35(?:2[89]|[3-8]\d)\d{12,15}"
    rb"|62\d{14,17}|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{8,15}|220[0-4]\d{12,15}"
    rb"|(?:60|81|82|508)\d{13,14}|(?:636368|438935|504175|451416|636297|5067|4576|4011)\d{10,12}"
)


def card(candidate: Candidate) -> Bounds | None:
    """Believe numbers in a card scheme's range that pass Luhn."""
    if not number_alone(candidate):
        return None
    digits = digits_of(candidate)
    if not passes_luhn(digits) or not _IIN.fullmatch(digits):
        return None
    if digits[:1] == b"5" and digits[1:2] in _MASTERCARD and len(digits) != 16:
        return None
    if digits[:2] in _MASTERCARD_OR_MIR and not digits.startswith(b"220"):
        return whole(candidate) if len(digits) == 16 else None
    return whole(candidate)


_MASTERCARD: Final = frozenset((b"1", b"2", b"3", b"4", b"5"))
_MASTERCARD_OR_MIR: Final = frozenset((b"22", b"23", b"24", b"25", b"26", b"27"))


def passes_luhn(digits: bytes) -> bool:
    """Whether the last digit is what Luhn's formula asks for."""
    total = 0
    for at in range(len(digits)):
        digit = digits[len(digits) - 1 - at] - _ZERO
        if at % 2:
            digit = 2 * digit if digit < 5 else 2 * digit - 9
        total += digit
    return total % 10 == 0


_ZERO: Final = ord("0")


def _iban_sizes() -> dict[str, int]:
    sizes = {}
    letters = [chr(c) for c in range(65, 91)]
    for country in (a + b for a in letters for b in letters):
        info = stdnum_iban._ibandb.info(country)[0][1]  # noqa: SLF001 - the one source of lengths
        if "bban" in info:
            sizes[country] = 4 + sum(int(n) for n in re.findall(r"\d+", info["bban"]))
    return sizes


_IBAN_SIZES: Final = _iban_sizes()


def iban(candidate: Candidate) -> Bounds | None:
    """Believe what passes the country's length and mod 97."""
    data, start = candidate.data, candidate.start
    if start and (data[start - 1] in ALNUM):
        return None
    size = _IBAN_SIZES.get(data[start : start + 2].decode("ascii", "replace").upper(), 99)
    kept, end = bytearray(), start
    while end < candidate.end and len(kept) < size:
        if data[end] in ALNUM:
            kept.append(data[end])
        end += 1
    if len(kept) < size or (end < len(data) and data[end] in ALNUM):
        return None
    valid = stdnum_iban.is_valid(kept.decode("ascii"), check_country=False)
    return (start, end) if valid else None


# RE2: Python's engine tries each of these words at each place before an address.
_NOT_IP_BEFORE: Final = regex.compile(
    r"(?i)(?:\bv|\bver|versions?|versi(?:ó|o)n|versione|vers(?:ã|a)o|versie|wersja|sürüm|バージョン|版本|버전"
    r"|kapitel|abschnitt|chapitre|capítulo|capitolo|hoofdstuk|openssl|java|jdk|jre|php|windows"
    r"|python|ruby|node|nginx|redis|mysql|tomcat|macos|ios|android|kubernetes|oracle|mariadb"
    r"|release|build|firmware|section|chapter|kernel|driver|sdk|rev"
    r"|chrome|firefox|safari|edge|opr|[a-z]/|[<>=~^!]=|[~^_])[ :=\"'\\(vV]{0,4}\n?\z"
)
_VERSION_KEY: Final = re.compile(r"\b(?:version|versions|release|build|firmware|section|ver|sdk)\b")


def ipv4(candidate: Candidate) -> Bounds | None:
    """Believe addresses of hosts; versions, loopback and unspecified addresses are none."""
    if not alone(candidate) or not _is_host4(candidate.text.split(".")):
        return None
    before, after = candidate.before, candidate.after
    if before[-1:] in (b".", b"-") or (after[:1] in (b".", b"-") and _goes_on(after)):
        return None
    if before.find(b"-.") >= 0 and _DRAWING.search(before):
        return None
    if _is_version_key(candidate.key) or (before and _NOT_IP_BEFORE.find(before)[0] >= 0):
        return None
    return whole(candidate)


def _goes_on(after: bytes) -> bool:
    """Whether what follows makes a name or a longer number of an address; a sentence may follow."""
    following = after[1:2]
    return following.isdigit() or following.islower() or (after[:1] == b"-" and following.isalpha())


@functools.lru_cache(maxsize=4096)
def _is_version_key(key: str) -> bool:
    return _VERSION_KEY.search(key) is not None


_DRAWING: Final = re.compile(rb"\d-\.\d")
"""Numbers as they touch in the paths of SVG, and nowhere else."""


def _is_host4(parts: list[str]) -> bool:
    if len(parts) != 4 or parts[0] in ("127", "255") or parts == ["0"] * 4:
        return False
    return all(part in _BYTES for part in parts)


_BYTES: Final = frozenset(map(str, range(256)))


def _is_host(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified)


def ipv6(candidate: Candidate) -> Bounds | None:
    """Believe addresses that cannot be a time, a slice or a C++ name."""
    text = candidate.text
    data, start, end = candidate.data, candidate.start, candidate.end
    if text.endswith(":") and not text.endswith("::"):
        text, end = text[:-1], end - 1
    if text.endswith(".") or text.count(":") < 2:
        return None
    found = candidate.moved(start, end)
    if not alone(found) or data[start - 1 : start] == b":" or data[end : end + 1] == b":":
        return None
    groups = [group for group in text.split(":") if group]
    if len(groups) == 8 and all(len(group) == 1 for group in groups):
        return None  # a ratio, a score
    long = any(len(group) >= 3 for group in groups) and any(c.isdigit() for c in text)
    if not (long or len(groups) >= 4) or (len(groups) == 8 and all(len(g) == 2 for g in groups)):
        return None
    return (start, end) if _is_host(text) else None


def mac(candidate: Candidate) -> Bounds | None:
    """Believe six groups that are no part of a longer fingerprint."""
    data, start, end = candidate.data, candidate.start, candidate.end
    before, after = data[max(0, start - 3) : start], data[end : end + 3]
    if not alone(candidate) or re.fullmatch(rb"[0-9A-Fa-f]{2}[:-]", before):
        return None
    joined = before[-1:] in (b"-", b":") and before[:1].isalnum()
    if joined or re.match(rb"[:.-][0-9A-Fa-f]", after):
        return None
    digits = re.sub(r"[^0-9a-f]", "", candidate.text.lower())
    return None if len(set(digits)) == 1 else whole(candidate)


def ssn(candidate: Candidate) -> Bounds | None:
    """Believe numbers in the ranges that were ever issued."""
    digits = digits_of(candidate).decode()
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area[0] == "9" or group == "00" or serial == "0000":
        return None
    return whole(candidate) if number_alone(candidate) else None


def cpf(candidate: Candidate) -> Bounds | None:
    """Believe what passes the check digits."""
    valid = number_alone(candidate) and stdnum_cpf.is_valid(candidate.text)
    return whole(candidate) if valid else None


def cnpj(candidate: Candidate) -> Bounds | None:
    """Believe what passes the check digits; the letters of 2026 too."""
    valid = number_alone(candidate) and stdnum_cnpj.is_valid(candidate.text)
    return whole(candidate) if valid else None


def rrn(candidate: Candidate) -> Bounds | None:
    """Believe a birth date and a sex digit; numbers since October 2020 have no check digit."""
    digits = digits_of(candidate).decode()
    month, day = int(digits[2:4]), int(digits[4:6])
    if not (1 <= month <= 12 and 1 <= day <= 31) or digits[6] not in "12345678":
        return None
    return whole(candidate) if number_alone(candidate) else None


def rrn_checked(candidate: Candidate) -> Bounds | None:
    """As ``rrn``, with the check digit, for numbers without a dash."""
    try:
        stdnum_rrn.validate(candidate.text, allow_future=True)
    except ValidationError:
        return None
    return rrn(candidate)


def nino(candidate: Candidate) -> Bounds | None:
    """Believe prefixes that are in use."""
    prefix = candidate.text[:2].upper()
    bad = prefix in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ")
    if bad or not alone(candidate) or _OTHER.search(candidate.before):
        return None
    return whole(candidate)


_OTHER: Final = re.compile(rb"(?i)\b(?:sku|part|model|serial|article|item|code|order|ref)\W{1,3}$")


def passport(candidate: Candidate) -> Bounds | None:
    """Believe numbers beside the word passport; capitals alone are a word."""
    text = candidate.text
    digits = sum(c.isdigit() for c in text)
    enough = digits >= 4 or (digits >= 1 and not _VOWELS & set(text))
    return whole(candidate) if enough and alone(candidate) else None


_VOWELS: Final = frozenset("AEIOU")
"""The countries whose numbers are mostly letters leave these out."""


_BASE58: Final = {
    c: n for n, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}


def base58check(candidate: Candidate) -> Bounds | None:
    """Believe base58 whose last four bytes are its checksum: Bitcoin, Litecoin, Tron, Dogecoin."""
    number = 0
    for char in candidate.text:
        number = number * 58 + _BASE58[char]
    raw = number.to_bytes(32).lstrip(b"\0")
    raw = raw.rjust(25, b"\0") if len(raw) < 25 else raw
    checksum = hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4]
    return whole(candidate) if raw[-4:] == checksum and alone(candidate) else None


def bech32(candidate: Candidate) -> Bounds | None:
    """Believe segwit addresses; taproot ones (``bc1p``) by shape."""
    text = candidate.text.lower()
    valid = bitcoin.is_valid(text) or re.fullmatch(r"bc1p[ac-hj-np-z02-9]{58}", text) is not None
    valid = valid or re.fullmatch(r"(?:tb|ltc)1[ac-hj-np-z02-9]{39,59}", text) is not None
    return whole(candidate) if valid else None


def ethereum(candidate: Candidate) -> Bounds | None:
    """Believe 40 hexadecimal digits that are more than one digit repeated."""
    varied = len(set(candidate.text[2:])) > 4
    return whole(candidate) if varied and alone(candidate) else None


def luhn_digits(candidate: Candidate) -> Bounds | None:
    """Believe digits that pass Luhn, whatever separates them."""
    digits = digits_of(candidate)
    return whole(candidate) if len(digits) > 1 and passes_luhn(digits) else None
