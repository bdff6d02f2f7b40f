"""Secrets that plain text gives a name: ``password=...``, ``api_key: ...``, headers, options."""

from processors.redaction import personal_checks, secret_checks
from processors.redaction.keys import NAMES
from processors.redaction.rules import Check, Rule, relax

_COLON = "\uff1a"  # as Chinese and Japanese write it
_SEPARATOR = (
    rf"[\"'`\\\]]{{0,12}}[ \t]{{0,4}}(?::=|=>|:|==?|{_COLON})"
    r"[ \t]{0,4}(?:[a-z]{1,3}(?:\\*[\"']))?"
)
_SAYS = (
    r"[\"'`]?(?: is| was| ist| lautet| es| est| é| è| to|는|은|は|为|是)[ :]{0,3}(?:[\"'`]{1,2})?"
)
_QUOTED = r"\\{0,15}(?:\"([^\"\r\n]+)|'([^'\r\n]+)|`([^`\r\n]+))"
_BARE = r"([^\s\"'`&<>;|,\\\[({][^\s\"'`<>]*)"


def _pattern(names: tuple[str, ...]) -> str:
    """Return the names, longest first, with their words apart in any usual way."""
    ordered = sorted(names, key=len, reverse=True)
    return "(?i:" + "|".join(name.replace(" ", "[ _.-]?") for name in ordered) + ")"


def _says_raw() -> str:
    words = ("is", "was", "ist", "lautet", "es", "est", "é", "è", "to")
    spoken = "|".join(relax(word) for word in words)
    glued = "|".join(map(relax, "는은は为是"))
    return rf"[\"'`\\]{{0,8}}(?: (?:{spoken})[ :\\]|{glued})"


def _named(kind: str, names: tuple[str, ...], check: Check, said: Check) -> list[Rule]:
    pattern = _pattern(names)
    hint = rf"{relax(pattern)}(?:[\"'`\\ \t\]]{{0,40}}(?:[:=\x12]|{relax(_COLON)})|{_says_raw()})"
    return [
        Rule(kind, pattern, f"{_SEPARATOR}(?:{_QUOTED}|{_BARE})", check, hint=hint),
        Rule(kind, pattern, f"{_SAYS}{_BARE}", said, hint=hint),
    ]


_HEADER = r"(?i:authorization)[\"'`\\ \t\]]{0,40}[:=\x12]"

RULES: list[Rule] = [
    Rule(
        "authorization",
        r"(?i:authorization)",
        _SEPARATOR
        + r"\\{0,15}[\"']?(?i:basic|bearer|token|apikey|api-key|negotiate|ntlm|key)[ \t]{1,4}"
        r"([A-Za-z0-9._~+/=:-]{3,})",
        secret_checks.header,
        hint=_HEADER,
    ),
    Rule(
        "authorization",
        r"(?i:authorization)",
        _SEPARATOR
        + r"\\{0,15}[\"']?((?i:digest|aws4-hmac-sha256|hawk|oauth|signature)[ \t]{1,4}[^\r\n]+)",
        None,
        hint=_HEADER,
    ),
    Rule(
        "authorization",
        r"(?i:authorization)",
        rf"{_SEPARATOR}(?:{_QUOTED}|{_BARE})",
        secret_checks.opaque_header,
        hint=_HEADER,
    ),
    Rule(
        "authorization",
        r"(?i:\bbearer)(?: |%20|\+)",
        r"[ \t]{0,3}([A-Za-z0-9._~+/=-]{6,})",
        secret_checks.bearer,
        hint=r"(?i:bearer)(?: |%20|\+)[ \t]{0,3}[A-Za-z0-9._~+/=\\-]{6}",
    ),
    Rule(
        "authorization",
        r"(?i:\bbasic) ",
        r"{0,3}([A-Za-z0-9+/]{6,}={0,2})",
        secret_checks.basic_credentials,
        hint=r"(?i:basic) {1,4}[A-Za-z0-9+/\\]{6}",
    ),
    Rule(
        "cookie",
        r"(?i:cookie)",
        _SEPARATOR + r"\\{0,15}[\"']?([A-Za-z0-9_.-]{1,80}=[^\r\n\"']+)",
        None,
        hint=r"(?i:cookies?)[\"'`\\ \t\]]{0,40}[:=\x12]",
    ),
    Rule(
        "password",
        r"(?i:--?(?:password|passwd|pass|pwd)[ =])",
        r"[ \t]{0,2}([^\s\"'`-][^\s\"'`]{2,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:\bcurl )",
        r"(?:[^\r\n|]{0,200}? )??(?:-u|--user)[ =][\"']?[^\s:\"']{1,80}:([^\s\"'`]{3,})",
        secret_checks.option,
    ),
    Rule(
        "token",
        r"(?i:--(?:token|api-key|apikey|secret|access-token|auth-token|client-secret))",
        r"[ \t]{1,2}([^\s\"'`-][^\s\"'`]{5,})",
        secret_checks.option,
    ),
    Rule(
        "azure_key",
        r"(?i:accountkey|sharedaccesskey|sharedaccesssignature)",
        r"[ ]{0,2}=[ ]{0,2}([A-Za-z0-9+/%=]{16,})",
        None,
    ),
    Rule("azure_key", r"(?i:[?&;]sig=)", r"([A-Za-z0-9+/%=_-]{20,200})", None),
    *_named("password", NAMES["password"], secret_checks.assigned, secret_checks.said),
    *_named("api_key", NAMES["api_key"], secret_checks.assigned_token, secret_checks.said_token),
    *_named("secret", NAMES["secret"], secret_checks.assigned_token, secret_checks.said_token),
    *_named("token", NAMES["token"], secret_checks.assigned_token, secret_checks.said_token),
    Rule(
        "cvv",
        r"(?i:\b(?:cvv2?|cvc2?|card verification value|security code)\b)",
        r"[\"'\\]{0,12}[ \t]{0,3}(?:[:=#]| is| ist| es| est| é)?[ \t\"'\\]{0,8}(\d{3,4})\b",
        personal_checks.standing_alone,
        hint=r"(?i:cvv|cvc|card verification value|security code)[^\n]{0,40}\d{3}",
    ),
]
"""In the order of precedence, after the providers' own forms."""
