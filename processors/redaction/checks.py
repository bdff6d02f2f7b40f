"""What all checks of candidates share: what stands around them."""

from typing import Final

from processors.redaction.rules import Bounds, Candidate

ALNUM: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_BLOB: Final = frozenset(ALNUM | set(b"+/=_-"))


def whole(candidate: Candidate) -> Bounds:
    """Return the bounds of the candidate as it is."""
    return candidate.start, candidate.end


_NO_DIGITS: Final = bytes(set(range(256)) - set(b"0123456789"))


def digits_in(text: bytes) -> bytes:
    """Return the digits of a text alone."""
    return text.translate(None, _NO_DIGITS)


def digits_of(candidate: Candidate) -> bytes:
    """Return the digits of the candidate alone."""
    return digits_in(candidate.data[candidate.start : candidate.end])


def alone(candidate: Candidate) -> bool:
    """Whether no letter, digit or underscore touches the candidate."""
    data, start, end = candidate.data, candidate.start, candidate.end
    before = data[start - 1] if start else 32
    after = data[end] if end < len(data) else 32
    return not (before in ALNUM or after in ALNUM or before == 95 or after == 95)


def in_blob(candidate: Candidate, least: int = 40) -> bool:
    """Whether the candidate stands in a long run of base64 or hexadecimal digits."""
    data, start, end = candidate.data, candidate.start, candidate.end
    first, last = max(0, start - least), min(len(data), end + least)
    while start > first and data[start - 1] in _BLOB:
        start -= 1
    while end < last and data[end] in _BLOB:
        end += 1
    run = data[start:end]
    return len(run) - (candidate.end - candidate.start) >= least // 2


JOINTS: Final = ".,/-"
"""The marks that tie a number to a digit before them; see ``number_alone``."""


def number_alone(candidate: Candidate) -> bool:
    """Whether the candidate is a number of its own: no part of a decimal, a word, an id."""
    data, start, end = candidate.data, candidate.start, candidate.end
    if not alone(candidate) or in_blob(candidate):
        return False
    before, after = data[max(0, start - 2) : start], data[end : end + 2]
    if before[:1].isdigit() and chr(before[-1]) in JOINTS:
        return False
    return not (after[:1] in (b".", b"-", b"/") and after[1:2].isdigit())


def standing_alone(candidate: Candidate) -> Bounds | None:
    """Believe what no letter or digit touches."""
    return whole(candidate) if alone(candidate) else None
