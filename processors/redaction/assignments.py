"""Secrets that plain text gives a name: ``password=...``, ``api_key: ...``, headers, options."""

from processors.redaction import checks, commands, secret_checks
from processors.redaction.keys import DOUBTFUL, NAMES
from processors.redaction.rules import Check, Rule, relax

_COLON = "\uff1a"  # as Chinese and Japanese write it
_BLANK = "(?:[ \t]|\u00a0|\u202f)"  # French sets a narrow space before a colon
_QUOTES = "«»„“”「『\u2018\u201a"
_OPENING = rf"(?:[{_QUOTES}]\s?)?"
_SEPARATOR = (
    rf"[\"'`\\\]*]{{0,12}}{_BLANK}{{0,4}}(?::=|=>|:|==?|\||{_COLON})"
    rf"\*{{0,2}}{_BLANK}{{0,4}}(?:[\w.\[\]\"'()]{{1,60}} (?:\|\||\?\?|or) )?"
    r"(?:[a-z]{1,3}(?:\\*[\"']))?"
)
_VERBS = (
    "is",
    "was",
    "ist",
    "war",
    "lautet",
    "es",
    "est",
    "c'est",
    "é",
    "è",
    "to",
    "jest",
    "era",
    "était",
    "luidt",
)
_ADVERBS = (
    "now",
    "currently",
    "jetzt",
    "nun",
    "maintenant",
    "ahora",
    "adesso",
    "ora",
    "agora",
    "nu",
)
_PARTICLES = (*"는은은は为是를을を", "改成", "改为", "設為", "设为", "设置为")
_SAYS = (
    rf"[\"'`]?(?: (?:{'|'.join(_VERBS)})(?: (?:{'|'.join(_ADVERBS)}))?[ :]{{1,3}}"
    rf"|(?:{'|'.join(_PARTICLES)})[ :]{{0,3}})"
    rf"(?:[\"'`]{{1,2}})?{_OPENING}"
)
_QUOTED = r"\\{0,15}(?:\"([^\"\r\n]+)|'([^'\r\n]+)|`([^`\r\n]+))"
_BARE = rf"{_OPENING}([^\s\"'`&<>;|,\\\[({{{_QUOTES}][^\s\"'`<>]*)"


def _pattern(names: tuple[str, ...]) -> str:
    """Return the names, longest first, with their words apart in any usual way."""
    ordered = sorted(names, key=len, reverse=True)
    return "(?i:" + "|".join(name.replace(" ", "[ _.-]?") for name in ordered) + ")"


def _says_raw() -> str:
    spoken = "|".join(map(relax, _VERBS))
    glued = "|".join(map(relax, _PARTICLES))
    return rf"[\"'`\\]{{0,8}}(?: (?:{spoken})(?: (?:{'|'.join(_ADVERBS)}))?[ :\\]|{glued})"


_GAP = rf"(?:[\"'`\\ \t\]*]|{relax(chr(0xA0))}|{relax(chr(0x202F))}){{0,40}}"
_ASSIGNS = rf"{_GAP}(?:[:=|\x12]|{relax(_COLON)})"


_KINDS = ("password", "api_key", "secret", "token")
_ELEMENTS = _pattern((*NAMES["password"], *NAMES["secret"], *NAMES["api_key"], "token"))
_DOUBTFUL = rf"(?:\b|_){_pattern(DOUBTFUL['password'])}"
_FOR_WHAT = (
    r" (?i:for|of|to|für|vom|zum|de|du|del|de la|da|do|di|della|per|para|van|voor)"
    r"(?: [^\s:=]{1,30}){1,2}"
)
_STEMS = (
    *("tempor", "provisoire", "provvisori", "provisóri", "provisional", "initial", "inicial"),
    *(
        "iniziale",
        "actual",
        "actuel",
        "attuale",
        "atual",
        "nueva",
        "nouveau",
        "nuova",
        "nova",
        "neu",
    ),
    *("wifi", "wi-fi", "wlan", "admin", "root", "maître", "maestra", "mestra", "principal"),
)
_WHICH = rf" (?i:{'|'.join(_STEMS)})[\p{{L}}]{{0,12}}"
"""Adjectives stand behind the noun in many tongues: ``mot de passe provisoire : ...``."""
_CHANGED = (
    r"(?: (?i:was|has been|changed|set|reset|updated|wurde|ist|jetzt|geändert|zurückgesetzt|gesetzt"
    r"|gewijzigd|veranderd|cambiada|actualizada|alterada|mudada|modifié|changé|cambiata)){1,3}"
)
_TO = r" (?i:to|as|auf|naar)(?: :)? "
_INTO = r" (?i:to|as|zu|naar|in|a|para|en) "
_MARKED = r"(?: ?(?:->|\x{2192}|\x{2013}|\x{2014}) ?| ?\([\w -]{1,20}\) ?: ?)"
_BESIDE = r"(?: - | ?\( ?|(?:['\x{2019}]s)? )\\{0,15}"

_AS = " (?i:as|als|comme|como|come) (?i:(?:the|my|your|his|her|das|mein|le|mon|mi|het|mijn) )?"
"""A password may stand before its name: ``log in with ... as the password``."""

_CALLED = r"\\*[\"'`] ?, ?\\*[\"'`]"
_LISTED = r"[\"'\\]*(?:\s|\\+[nr])+(?:- )?value: ?"

# One hint for all that begin with a name: the automaton would hold the names once for each. What
# follows tokens and keys is asked more strictly: texts about models are full of tokens.
_PASSWORD_HINT = (
    rf"{relax(_pattern((*NAMES['password'], *DOUBTFUL['password'])))}"
    rf"(?:[0-9]{{0,2}}{_ASSIGNS}|{_says_raw()}"
    r"| (?i:for|of|to|f|vom|zum|d[eaiou]|p[ae]r|va?o?o?[nr]|was|has|a|as|in|en|zu|naar|changed"
    rf"|set|reset|updated|wurde|ist|jetzt|{relax('geändert')}|{relax('zurückgesetzt')}|gesetzt|gewijzigd|veranderd"
    r"|cambiad?t?a|actualizada|alterada|mudada|modifi|chang|auf)"
    r"| ?(?:->|\xe2\x86\x92|\xe2\x80[\x93\x94]|\\+u(?:2192|2013|2014))| ?\([\w -]{1,20}\) ?:"
    rf"|(?i: (?:{'|'.join(map(relax, _STEMS))}))"
    rf"|(?:{relax(chr(0x2019))}s|'s|[\"'`)]{{0,2}})(?: - | ?\( ?| )"
    r"(?:\xc2\xab ?)?(?:\\*[\"'`]|[!-~\x80-\xff]*[0-9!#$%&*+?@^~_])"
    rf"|{_CALLED}|{_LISTED})"
)
_KEY_HINT = (
    rf"{relax(_pattern(tuple(name for kind in _KINDS[1:] for name in NAMES[kind])))}"
    rf"(?:[0-9]{{0,2}}{_ASSIGNS}|{_says_raw()}[ :\\\"'`]*[!-~\x80-\xff]*[0-9]|{_CALLED}|{_LISTED})"
)


def _named(kind: str, check: Check, said: Check) -> list[Rule]:
    pattern = _pattern(NAMES[kind])
    hint = _PASSWORD_HINT if kind == "password" else _KEY_HINT
    return [
        Rule(kind, pattern, rf"\d{{0,2}}{_SEPARATOR}(?:{_QUOTED}|{_BARE})", check, hint=hint),
        Rule(kind, pattern, f"{_SAYS}{_BARE}", said, hint=hint),
    ]


def _beside(kind: str, check: Check) -> list[Rule]:
    """Return rules for ``("name", "value")`` of a call and for a ``value:`` below a name."""
    pattern = _pattern(NAMES[kind])
    hint = _PASSWORD_HINT if kind == "password" else _KEY_HINT
    return [
        Rule(kind, pattern, rf"\\{{0,15}}[\"'`] ?, ?{_QUOTED}", check, hint=hint),
        Rule(
            kind,
            pattern,
            rf"[\"']?\s{{1,40}}(?:- )?value: ?(?:{_QUOTED}|{_BARE})",
            check,
            hint=hint,
        ),
    ]


_CVV = (
    r"(?i:\b(?:cvv2?|cvc2?|card[ _]?verification[ _]?(?:value|code|number)"
    r"|security code|sicherheitscode|kartenprüf(?:nummer|ziffer)|cryptogramme(?: visuel)?"
    r"|code de s[ée]curit[ée]|c[óo]digo de seguridad|c[óo]digo de segurança"
    r"|codice di sicurezza|beveiligingscode))"
)
_HEADER = rf"(?i:authorization){_ASSIGNS}"

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
        hint=rf"(?i:cookies?){_ASSIGNS}",
    ),
    *commands.RULES,
    Rule(
        "password",
        rf"<(?:\w{{1,20}}:)?{_ELEMENTS}",
        r"(?: [^<>]{1,200})?>([^<>]{3,})</",
        secret_checks.option,
    ),
    Rule(
        "password",
        r"(?i:type=\\{0,15}[\"']password)",
        r"[^<>]{0,200}? value=\\{0,15}[\"']([^\"'<>\\]{3,})",
        secret_checks.option,
    ),
    Rule(
        "password",
        _DOUBTFUL,
        f"(?:{_SEPARATOR}|{_SAYS})(?:{_QUOTED}|{_BARE})",
        secret_checks.mixed,
        hint=_PASSWORD_HINT,
    ),
    Rule(
        "password",
        _pattern(NAMES["password"]),
        f"(?:{_FOR_WHAT}|{_WHICH})(?:{_SEPARATOR}|{_SAYS})(?:{_QUOTED}|{_BARE})",
        secret_checks.mixed,
        hint=_PASSWORD_HINT,
    ),
    Rule("password", _AS + _pattern(NAMES["password"]), check=secret_checks.as_password),
    *(
        Rule(
            "password",
            _pattern(NAMES["password"]),
            f"{between}(?:{_QUOTED}|{_BARE})",
            secret_checks.mixed,
            hint=_PASSWORD_HINT,
        )
        for between in (_CHANGED + _TO, " auf ", _MARKED)
    ),
    Rule(
        "password",
        _pattern(NAMES["password"]),
        f"(?:{_CHANGED})?{_INTO}(?:{_QUOTED}|{_BARE})",
        secret_checks.changed,
        hint=_PASSWORD_HINT,
    ),
    Rule(
        "password",
        _pattern(NAMES["password"]),
        rf"{_BESIDE}(?:\"([^\"\r\n]+)|'([^'\r\n]+)|{_BARE})",
        secret_checks.juxtaposed,
        hint=_PASSWORD_HINT,
    ),
    Rule(
        "cookie",
        r"(?i:\b(?:jsessionid|phpsessid|asp\.net_sessionid|connect\.sid|laravel_session))",
        r"=([A-Za-z0-9%+/=._-]{8,})",
        None,
    ),
    Rule(
        "token",
        r"(?i:x-(?:amz|goog)-signature)",
        r"=([A-Za-z0-9%/+_-]{32,})",
        None,
    ),
    Rule(
        "azure_key",
        r"(?i:accountkey|sharedaccesskey|sharedaccesssignature)",
        r"[ ]{0,2}=[ ]{0,2}([A-Za-z0-9+/%=]{16,})",
        None,
    ),
    Rule("azure_key", r"(?i:[?&;]sig=)", r"([A-Za-z0-9+/%=_-]{20,200})", None),
    # Where the query of a URL says key or code, it means one that opens something.
    Rule(
        "api_key",
        r"[?&](?i:key|app_?id|auth)=",
        r"([A-Za-z0-9_-]{20,200})",
        secret_checks.looks_random,
    ),
    Rule("token", r"[?&](?i:code)=", r"([A-Za-z0-9._~%/-]{20,200})", secret_checks.looks_random),
    *_named("password", secret_checks.assigned, secret_checks.said),
    *_named("api_key", secret_checks.assigned_token, secret_checks.said_token),
    *_named("secret", secret_checks.assigned_token, secret_checks.said_token),
    *_named("token", secret_checks.assigned_token, secret_checks.said_token),
    *_beside("password", secret_checks.passed),
    *_beside("api_key", secret_checks.made),
    *_beside("secret", secret_checks.made),
    *_beside("token", secret_checks.made),
    Rule(
        "cvv",
        _CVV,
        r"[\"'\\]{0,12}[ \t]{0,3}(?:[:=#]| is| ist| es| est| é)?[ \t\"'\\]{0,8}(\d{3,4})\b",
        checks.standing_alone,
        hint=rf"{relax(_CVV)}[^\n]{{0,40}}\d{{3}}",
    ),
]
"""In the order of precedence, after the providers' own forms."""
