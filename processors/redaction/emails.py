"""Decide about e-mail addresses, in scripts that put no space around them too."""

import re
from typing import Final

from processors.redaction.rules import Bounds, Candidate

_NO_ADDRESS: Final = re.compile(
    r"(?i).*\.(?:png|jpe?g|gif|svg|webp|css|json|mp4|wasm|woff2?|pdf|html?)|git@.*"
)
_AUTHORITY: Final = re.compile(rb"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/@\"'<>]*:[^\s/\"'<>]*$")
_SPACELESS: Final = (
    "\u0e00-\u0e7f\u1100-\u11ff\u2e80-\u2fff\u3000-\u30ff"
    "\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f"
)
_SPACELESS_HEAD: Final = re.compile(rf".*[{_SPACELESS}](?=[\w.+%'-]*[A-Za-z0-9])", re.DOTALL)
_SPACELESS_TAIL: Final = re.compile(rf"(?<=[A-Za-z])[{_SPACELESS}].*", re.DOTALL)

_FAR: Final = 512
"""More characters before the at sign are no address; the standard allows 64."""


def email(candidate: Candidate) -> Bounds | None:
    """
    Return the address without the words that touch it.

    Korean particles, Chinese and Japanese text stand right beside an address: where its local
    part ends, or its domain begins, in ASCII, they are no part of it.
    """
    text = candidate.text
    if _NO_ADDRESS.fullmatch(text):
        return None
    local, at, domain = text.rpartition("@") if "@" in text else text.rpartition("\uff20")
    cut = len(local[:-_FAR].encode())
    local = local[-_FAR:]
    ascii_domain = domain[:1].isascii()
    if ascii_domain and not local.isascii():
        head = _SPACELESS_HEAD.match(local)
        kept = local[len(head.group()) :] if head is not None else local
        cut += len(local.encode()) - len(kept.encode())
        local = kept
    stripped = local.lstrip(".'~-")
    cut += len(local.encode()) - len(stripped.encode())
    if ascii_domain and not domain.isascii():
        domain = _SPACELESS_TAIL.sub("", domain)
    if not stripped or "." not in domain or not domain.rsplit(".", 1)[1]:
        return None
    start = candidate.start + cut
    before = candidate.data[max(0, start - 300) : start]
    if before.find(b"://") >= 0 and _AUTHORITY.search(before):
        return None  # the password of a URL and its host, which has a rule of its own
    return start, start + len(f"{stripped}{at}{domain}".encode())
