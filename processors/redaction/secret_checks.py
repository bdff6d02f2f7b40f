"""Decide about secrets: shapes, encodings, and whether a value is a word or code instead."""

import base64
import binascii
import math
import re
from collections import Counter

import msgspec

from processors.redaction.checks import ALNUM, whole
from processors.redaction.rules import WINDOW, Bounds, Candidate


def shannon(text: str) -> float:
    """Return the entropy in bits per character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values()) if size else 0.0


_LONGEST_HEAD = 12
"""What stands before the first separator is a provider's mark, unless it is longer."""


def looks_random(candidate: Candidate) -> Bounds | None:
    """Believe keys with a digit or mixed case; ``sk-learn-contrib-extras`` is a name."""
    text = candidate.text
    head, *rest = re.split(r"[-_.:/]", text, maxsplit=1)
    body = rest[0] if rest and len(head) <= _LONGEST_HEAD else text
    trimmed = len(text) - len(text.rstrip(".-_:"))
    mixed = any(c.isdigit() for c in body) or (body != body.lower() and body != body.upper())
    return (candidate.start, candidate.end - trimmed) if mixed else None


def aws_secret(candidate: Candidate) -> Bounds | None:
    """Believe 40 characters that mix cases and digits, and are no path or part of a blob."""
    text = candidate.text
    nearby = candidate.data[candidate.end : candidate.end + 1]
    kinds = any(c.isupper() for c in text), any(c.islower() for c in text)
    if not all(kinds) or not any(c.isdigit() for c in text) or nearby[:1] in (b"/", b"+"):
        return None
    if (nearby and nearby[0] in ALNUM) or text.count("/") > 6 or shannon(text) < 4.0:
        return None
    return whole(candidate)


def provider_key(candidate: Candidate) -> Bounds | None:
    """Believe long random characters beside a provider's name and the word key."""
    text = candidate.text
    digits = sum(c.isdigit() for c in text)
    if digits < 3 or digits == len(text) or shannon(text) < 3.0 or _denied(candidate):
        return None
    return whole(candidate)


_NO_KEY = re.compile(rb"(?i)(?:trace|span|request|digest|sha\d*|md5|commit|hash|uuid|checksum)\W*$")


def _denied(candidate: Candidate) -> bool:
    return _NO_KEY.search(candidate.before) is not None


def jwt(candidate: Candidate) -> Bounds | None:
    """Believe what begins with a JOSE header."""
    header = candidate.data[candidate.start : candidate.end].split(b".", 1)[0]
    try:
        fields = msgspec.json.decode(base64.urlsafe_b64decode(header + b"=" * (-len(header) % 4)))
    except (binascii.Error, msgspec.DecodeError):
        return None
    if not isinstance(fields, dict) or not {"alg", "typ", "kid", "enc"} & fields.keys():
        return None
    return whole(candidate)


_PEM_FAR = 32768
_PEM_END = re.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(
    rb"[A-Z ]{0,8}-{0,5}(?:(?:\s|\\+[nr])*(?:[A-Za-z0-9+/=]+|[A-Z][\w-]+:[^\r\n\\]+))*"
)


def pem_block(candidate: Candidate) -> Bounds:
    """Return the whole block, its escaped line ends too; without an end, what looks like key."""
    data, start = candidate.data, candidate.start
    far = min(len(data), candidate.end + _PEM_FAR)
    following = data.find(b"-----BEGIN", candidate.end, far)
    last = following if following >= 0 else far
    end = _PEM_END.search(data, candidate.end, last)
    if end is not None:
        return start, end.end()
    body = _PEM_BODY.match(data, candidate.end, last)
    return start, body.end() if body is not None else candidate.end


def putty_block(candidate: Candidate) -> Bounds:
    """Return a PuTTY key up to its authentication code, or what is left of it."""
    far = min(len(candidate.data), candidate.end + _PEM_FAR)
    end = re.compile(rb"Private-MAC: ?[0-9a-f]+").search(candidate.data, candidate.end, far)
    return candidate.start, end.end() if end is not None else far


def url_password(candidate: Candidate) -> Bounds | None:
    """Believe the password of a URL unless a variable stands in its place."""
    text = candidate.text
    if re.fullmatch(r"\$\{?\w+\}?|\{\w*\}|%s|\*+|x{3,}|\[[A-Z_]+(?::\w+)?\]|\.{3}", text):
        return None
    return whole(candidate)


def basic_credentials(candidate: Candidate) -> Bounds | None:
    """Believe base64 that says ``user:password``."""
    text = candidate.data[candidate.start : candidate.end].rstrip(b"=")
    try:
        plain = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
    return whole(candidate) if b":" in plain[1:] else None


def bearer(candidate: Candidate) -> Bounds | None:
    """Believe what follows ``Bearer`` where it is no word of a sentence."""
    text = candidate.text.rstrip(".,;:")
    wordy = text.isalpha() and (text.islower() or text.istitle()) and len(text) < 24
    return (
        None
        if wordy or len(text) < 6 or _is_placeholder(text)
        else (candidate.start, candidate.start + len(text))
    )


_PLACEHOLDER = re.compile(
    r"(?i)\*+|x{3,}|\.{2,}|…|null|none|nil|true|false|undefined|required|optional|missing|invalid"
    r"|str|string|int|integer|bool|boolean|object|array|any|text|bytes|secretstr|empty|redacted"
    r"|[\[<{(].*|[$%]\{?\(?\w*\)?\}?.*|(?:os|process|env|config|settings|self|args|request|params)\.\w.*"
    r"|getenv.*|\w+[\[(].*|your[-_ ].*"
)


_CODE = re.compile(
    r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*[(\[].*|[A-Za-z_]+(?:\.[A-Za-z_]+)+|_*[a-z]+(?:_[a-z]+)+"
    r"|password|passwd|token|secret|api_?key|auth_?key|authorization|(?:[A-Z][a-z]+){3,}"
    r"|(?:[A-Z][a-z]+)+(?:Token|Key|Secret|Password|Credentials?)"
)


_CONSTANT = re.compile(
    r"(?:[A-Z][A-Z0-9]*_)+(?:KEY|TOKEN|VAR)|(?:[A-Z][A-Z0-9]*_){2,}(?:SECRET|PASSWORD)"
)
"""The name of a constant, or of an environment variable."""


def _is_placeholder(text: str) -> bool:
    return _PLACEHOLDER.fullmatch(text) is not None or _CONSTANT.fullmatch(text) is not None


_TRAILING = ".,;:)]}\\\"'*»“”\u2018\u2019」』。、\uff0c"
_SPACELESS_TAIL = re.compile(
    "(?<=[!-~])[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uff0f\uff1a-\uff20].*", re.DOTALL
)


def _bare(text: str) -> str:
    """Return a value without the marks behind it, and without words that touch it."""
    return _SPACELESS_TAIL.sub("", text).rstrip(_TRAILING) or text


_PATH = re.compile(r"/[\w/.-]*")

_NEXT_PAIR = re.compile(r"[&;|](?:amp;)?[A-Za-z_][\w .-]*=.*$|;[A-Za-z]+$|[&;]$", re.DOTALL)
_ENDS_THERE = re.compile(rb"[.!?]?\s*(?:$|[\r\n,;)}\]]|[\"'`])")


def assigned(candidate: Candidate, *, words: bool = True) -> Bounds | None:
    """
    Believe the value of ``password=``, ``api_key: "..."`` and the like, not a sentence or code.

    With ``words``, a single plain word counts where nothing follows it.
    """
    data, start = candidate.data, candidate.start
    text = candidate.text.rstrip("\\")
    quoted = data[start - 1 : start] in (b'"', b"'", b"`")
    tight = data[start - 1 : start] == b"=" and data[start - 2 : start - 1] != b"="
    if not quoted:
        text = _NEXT_PAIR.sub("", text) if tight or "=" in text else text
        text = _bare(text)
    if not text.strip() or _is_placeholder(text) or len(text) < 3:
        return None
    found = _until(candidate, text)
    if quoted:
        sentence = text.count(" ") >= 2 and not any(c.isdigit() for c in text)
        return None if sentence else found
    if _CODE.fullmatch(text):
        return None
    if _PATH.fullmatch(text) and b"pwd" in candidate.before[-8:].lower():
        return None
    if tight:
        return found
    if len(text) < 4:
        return None
    if text.isalpha() and (text.islower() or text.istitle() or not text.isascii()):
        return found if words and _ENDS_THERE.match(data, found[1]) else None
    return found


_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+(?:\(.*)?")
"""What documentation sets between backticks: ``pass to `requests.Session.request()```."""


def mixed(candidate: Candidate) -> Bounds | None:
    """Believe what looks chosen or made as a secret: a letter beside a digit or a sign."""
    found = assigned(candidate, words=False)
    if found is None:
        return None
    text = candidate.data[found[0] : found[1]].decode("utf-8", "replace")
    if candidate.data[found[0] - 1 : found[0]] == b"`" and _DOTTED.fullmatch(text):
        return None
    letters = any(char.isalpha() for char in text)
    others = any(not char.isalpha() and char not in " '-_./:" for char in text)
    return found if letters and others and len(text) >= 5 and " " not in text else None


_CHANGING = re.compile(
    r"(?i)\b(?:chang|set\b|reset|updat|setz|wijzig|verander|cambi|actuali|mud(?:ei|ar|ou|ad)|alter"
    r"|modifi|impost)|(?:ge)?änder|gewijzigd|gesetzt"
)


def changed(candidate: Candidate) -> Bounds | None:
    """Believe ``changed the password to X``, where it is no word and something was changed."""
    found = juxtaposed(candidate)
    if found is None:
        return None
    start = max(0, candidate.start - 2 * WINDOW)
    said = candidate.data[start : candidate.start].decode("utf-8", "replace")
    return found if _CHANGING.search(said) else None


_COLUMN = re.compile(rb"[a-z]+(?:_[a-z]+)+_?\d{0,2}")


def passed(candidate: Candidate) -> Bounds | None:
    """Believe what is passed behind a name in a call, not the next name of a list."""
    found = mixed(candidate)
    if found is None or _COLUMN.fullmatch(candidate.data[found[0] : found[1]]):
        return None
    return found


def made(candidate: Candidate) -> Bounds | None:
    """Believe what is too long and too mixed for a word: twelve characters with a digit."""
    found = mixed(candidate)
    if found is None or found[1] - found[0] < 12:
        return None
    return found if re.search(rb"\d", candidate.data[found[0] : found[1]]) else None


def juxtaposed(candidate: Candidate) -> Bounds | None:
    """Believe what stands right behind a name: quoted, or of three kinds of characters."""
    found = mixed(candidate)
    if found is None or candidate.data[found[0] - 1 : found[0]] in (b'"', b"'"):
        return found
    text = candidate.data[found[0] : found[1]].decode("utf-8", "replace")
    kinds = (str.islower, str.isupper, str.isdigit, lambda char: char in "!#$%&*+?@^~_")
    return found if sum(any(map(kind, text)) for kind in kinds) >= 3 and len(text) >= 7 else None


_LAST_WORD = re.compile(rb"([^\s\"'`<>(]{7,})[\"'`]?$")
_ENDS_PART = re.compile(
    rb"$|[.,;!?)\"'\r\n\\]| (?:for|to|on|and|in|f\xc3\xbcr|und|pour|et|para|y|per|e|voor|en) "
)


_NO_TOKEN = re.compile(rb"[\d.,]+|[a-z]+_[a-z_]+|https?://\S+")
"""What is no token: a count, a name, and the address of a page about it."""


def as_password(candidate: Candidate) -> Bounds | None:
    """Believe what stands before ``as the password``, where that ends a part of a sentence."""
    value = _LAST_WORD.search(candidate.before)
    if value is None or _ENDS_PART.match(candidate.after) is None:
        return None
    start = candidate.start - len(candidate.before)
    return juxtaposed(candidate.moved(start + value.start(1), start + value.end(1)))


def assigned_token(candidate: Candidate) -> Bounds | None:
    """As ``assigned``, for names that also mean other things: a few digits are a count."""
    found = assigned(candidate, words=False)
    if found is None:
        return None
    text = candidate.data[found[0] : found[1]]
    return None if len(text) < 6 or _NO_TOKEN.fullmatch(text) else found


_STATE = re.compile(
    r"(?i)(?:in)?(?:correct[ao]?e?s?|valid[aeo]?)|wrong|missing|required|needed|optional|empty|expired|weak"
    r"|strong|hashed|encrypted|stored|changed|reset|ready|here|there|below|above|hidden|secret|unknown|set"
    r"|mandatory|protected|unsafe|secure|insecure|safe|used|blank|good|bad|short|long|this|that|what|the"
    r"|falsch|richtig|ungültig|abgelaufen|erforderlich|nötig|leer|sicher|geheim|requise?|expirée?|obligatoire"
    r"|obbligatori[ao]|richiest[ao]|errat[ao]|sbagliat[ao]|scadut[ao]|dimenticat[ao]|vergeten"
    r"|onjuist|verplicht|vereist|verkeerd|ongeldig|verlopen|vergessen|notwendig|oubliée?|invalide"
    r"|caducad[ao]|olvidad[ao]|esquecid[ao]|expirad[ao]|inválid[ao]|wymagane|gerekli|yanl\u0131ş"
    r"|obligatori[ao]|obrigatóri[ao]|incorret[ao]|errad[ao]|segur[ao]|requerid[ao]|necesari[ao]|vac[íi][ao]"
)


def said_token(candidate: Candidate) -> Bounds | None:
    """Believe ``the key is 7f3a...``: eight characters with a digit."""
    found = said(candidate)
    if found is None or found[1] - found[0] < 8:
        return None
    return found if re.search(rb"\d", candidate.data[found[0] : found[1]]) else None


def said(candidate: Candidate) -> Bounds | None:
    """Believe ``the password is hunter2!``, not ``the password is required``."""
    text = _bare(candidate.text)
    if len(text) < 4 or _is_placeholder(text) or not any(c.isalnum() for c in text):
        return None
    found = _until(candidate, text)
    if _PATH.fullmatch(text) and b"pwd" in candidate.before[-8:].lower():
        return None
    if any(c.isdigit() for c in text):
        return (
            found if re.search(r"\w", text) and not re.fullmatch(r"[\d.,:%/-]{1,3}", text) else None
        )
    if text.strip("!?").isalpha() and text[1:] in (text[1:].lower(), text[1:].upper()):
        if len(text) < 5 or not text.isascii() or _STATE.fullmatch(text.strip("!?")):
            return None
        if candidate.data[candidate.start - 3 : candidate.start] == b"to ":  # "to continue"
            return None
        return found if _ENDS_THERE.match(candidate.data, found[1]) else None
    if re.fullmatch(r"[a-z]+['_-][a-z]+[!?]?", text):
        return None
    return found


def _until(candidate: Candidate, text: str) -> Bounds:
    return candidate.start, candidate.start + len(text.encode("utf-8", "surrogatepass"))


def option(candidate: Candidate) -> Bounds | None:
    """Believe the value of a command's option unless it is a variable."""
    text = candidate.text.lstrip("=")
    start = candidate.end - len(text.encode("utf-8", "surrogatepass"))
    if _is_placeholder(text) or (text.isalpha() and text.islower() and len(text) < 5):
        return None
    return start, candidate.end


def header(candidate: Candidate) -> Bounds | None:
    """Believe the credentials of an Authorization header."""
    text = candidate.text.rstrip(".,;:")
    return None if _is_placeholder(text) or len(text) < 3 else _until(candidate, text)


_SCHEMES = ("basic", "bearer", "digest", "token", "apikey", "negotiate", "ntlm", "oauth", "hawk")


def opaque_header(candidate: Candidate) -> Bounds | None:
    """Believe an Authorization header without a scheme."""
    found = assigned_token(candidate)
    if found is None:
        return None
    text = candidate.data[found[0] : found[1]].decode("utf-8", "replace")
    return None if text.lower().split(" ", 1)[0] in (*_SCHEMES, "aws4-hmac-sha256") else found
