"""
What the name of a value tells about it.

One table of names serves both the keys of attributes, maps and JSON objects and the assignments
in plain text (``password=...``).
"""

import fnmatch
import re
from typing import Final, NamedTuple

from processors.redaction.rules import relax

NAMES: dict[str, tuple[str, ...]] = {
    "password": (
        *(
            "password",
            "passwd",
            "passphrase",
            "passcode",
            "pwd",
            "pass word",
            "user pass",
            "db pass",
        ),
        *(
            "kennwort",
            "passwort",
            "contraseña",
            "contrasena",
            "senha",
            "mot de passe",
            "code d'accès",
            "clave de acceso",
            "chiave di accesso",
            "parola chiave",
            "psw",
            "비번",
        ),
        *(
            "parola",
            "parola d'ordine",
            "palavra passe",
            "código de acesso",
            "access code",
            "zugangscode",
            "inlogcode",
            "toegangscode",
            "wachtwoord",
            "hasło",
            "şifre",
            "şifrem",
            "parolam",
            "пароль",
            "비밀번호",
            "패스워드",
            "암호",
            "パスワード",
            "暗証番号",
            "密码",
            "密碼",
            "口令",
        ),
    ),
    "api_key": (
        *(
            "api key",
            "apikey",
            "subscription key",
            "functions key",
            "api token",
            "api secret",
            "api schlüssel",
        ),
        *("clé api", "clé d'api", "clave api", "clave de api", "clave de la api", "chiave api"),
        *(
            "chave api",
            "chave de api",
            "chave da api",
            "api sleutel",
            "klucz api",
            "api anahtar\u0131",
        ),
        *("apiキー", "api 키", "api키", "api密钥", "api 密钥", "api密鑰"),
    ),
    "secret": (
        *("secret", "secret key", "access key", "secret access key", "private key", "signing key"),
        *(
            "hmac key",
            "license key",
            "encryption key",
            "master key",
            "account key",
            "shared access key",
            "storage key",
        ),
        *("service key", "auth key", "client secret", "webhook secret", "app secret"),
        *("geheimschlüssel", "geheimer schlüssel", "zugangsschlüssel", "zugriffsschlüssel"),
        *("privater schlüssel", "clé secrète", "clé privée", "clave secreta", "clave privada"),
        *("chiave segreta", "chiave privata", "chave secreta", "chave privada", "geheime sleutel"),
        *(
            "toegangssleutel",
            "秘密鍵",
            "シークレットキー",
            "비밀 키",
            "비밀키",
            "시크릿 키",
            "密钥",
            "密鑰",
        ),
    ),
    "token": (
        "token",
        "auth token",
        "access token",
        "refresh token",
        "id token",
        "session token",
        *("jeton", "jeton d'accès", "zugangstoken", "zugriffstoken", "toegangstoken"),
        *("token de acceso", "token di accesso", "token d'accesso", "token de acesso"),
        *("アクセストークン", "トークン", "访问令牌", "令牌", "액세스 토큰", "토큰"),
    ),
    "authorization": ("authorization", "proxy authorization"),
    "cookie": ("cookie", "set cookie"),
    "date_of_birth": (
        *("date of birth", "birth date", "birthdate", "birthday", "dob", "geburtsdatum"),
        *("geburtstag", "geb datum", "date de naissance", "fecha de nacimiento", "data di nascita"),
        *("date naissance", "fecha nacimiento", "data nascita", "data nascimento", "nascimento"),
        *("f nacimiento", "fecha nac", "data nasc", "dt nasc", "dt nascimento", "geb dat"),
        *("data de nascimento", "geboortedatum", "data urodzenia", "doğum tarihi"),
        *("生年月日", "出生日期", "생년월일"),
    ),
    "cvv": ("cvv", "cvv2", "cvc", "cvc2", "card verification value"),
}
"""By kind: the last words of a key whose value is redacted whole."""

DOUBTFUL: dict[str, tuple[str, ...]] = {
    "password": ("pass", "pw", "mdp", "clave", "ww", "credentials", "credential", "creds"),
}
"""Words that mean other things too: in a text, what follows must look like a secret."""

KEYS_ONLY: dict[str, tuple[str, ...]] = {
    "secret": ("credential", "credentials", "connection string", "private key pem", "secrets"),
    "token": ("bearer", "jwt"),
    "cookie": ("cookies",),
    "password": ("pass", "passwords"),
}
"""More of them that are too common as words of a text."""

_NO_TOKEN: Final = frozenset(
    (
        *("pad", "eos", "bos", "unk", "sep", "cls", "mask", "stop", "end", "start", "eot", "eom"),
        *("first", "last", "per", "next", "prev", "previous", "page", "continuation", "new"),
        *(
            "cancellation",
            "cancel",
            "output",
            "input",
            "prompt",
            "completion",
            "max",
            "min",
            "total",
        ),
        *("cached", "reasoning", "audio", "image", "sync", "resume", "added", "special"),
    )
)
"""A ``token`` after one of these is a language model's, or a place in a list."""

_CREDENTIAL: Final = re.compile(
    r"(?:^|\W)(?:access|api|auth|bearer|bot|client|csrf|device|id|identity|jwt|login|oauth2?|personal"
    r"|private|refresh|secret|security|session|user|xsrf) ?token$"
)
_NO_PASS: Final = frozenset(("by", "all", "first", "second", "one", "two", "test", "did"))
_IDENTITY: Final = (
    "user id",
    "session id",
    "enduser id",
    "end user id",
    "conversation id",
    "thread id",
)
_IDENTITY_KEYS: Final = frozenset(("mlflow.trace.user", "mlflow.trace.session", "user", "enduser"))
EXEMPT: Final = (
    "*.token_count.*",
    "*token_count*",
    "gen_ai.usage.*",
    "*max_tokens*",
    "*.usage.*_token",
)

_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]|\d+")
_LAST: Final = re.compile(r"[^./:\[\]]+(?=[./:\[\]\d]*$)")


class KeyInfo(NamedTuple):
    """What a key says about its value."""

    words: str
    """The key in lower-case words, for context words."""

    blocked: str | None
    """Type to redact the whole value as."""

    allowed: bool
    """Whether everything below is left alone."""

    identity: bool
    """Whether the value says who or which session, so that different ones must stay apart."""

    telling: bool
    """Whether a rule that needs context finds it in this key."""

    credential: bool = False
    """Whether it names a token that lets people in, which no language model has."""


NO_KEY: Final = KeyInfo("", None, allowed=False, identity=False, telling=False)


def words(key: str) -> list[str]:
    """Split a key at separators and in camelCase, in lower case."""
    return [word.lower() for word in _WORD.findall(key)]


_REPLACED: Final = re.compile(r"[\s:=]\[[A-Z_]+\]\W*$")
"""The end of a text in which a value was replaced; what names it is no key of another value."""


class Keys:
    """
    Judge keys by the tables and the user's lists.

    Args:
        enabled: the types to look for.
        block: the user's names and globs of keys to redact.
        allow: the user's globs of keys to leave alone.
        telling: the pattern of all context words, searched in a key's words.

    """

    def __init__(
        self,
        enabled: frozenset[str],
        block: tuple[str, ...] = (),
        allow: tuple[str, ...] = (),
        telling: "re.Pattern[str] | None" = None,
    ) -> None:
        self._names = {
            tuple(words(name)): kind
            for table in (KEYS_ONLY, NAMES)
            for kind, names in table.items()
            if kind in enabled
            for name in names
        }
        self._names |= {tuple(words(name)): "blocked_key" for name in block if "*" not in name}
        self._longest = max((len(name) for name in self._names), default=0)
        self._joined = {
            "".join(name): kind for name, kind in self._names.items() if len("".join(name)) >= 6
        }
        self._block = tuple(glob for glob in block if "*" in glob)
        self._allow = allow
        self.allows = bool(allow)
        """Whether the user leaves anything alone by its key."""
        self._telling = telling
        self._known: dict[str, KeyInfo] = {}

    def info(self, key: str) -> KeyInfo:
        """Return what is known about a key; remembered, since keys repeat."""
        found = self._known.get(key)
        if found is None:
            found = self._judge(key)
            if len(self._known) > 20_000:
                self._known.clear()
            if len(key) <= 200:
                self._known[key] = found
        return found

    def _judge(self, key: str) -> KeyInfo:
        allowed = any(fnmatch.fnmatchcase(key, glob) for glob in self._allow)
        spoken = words(key[:1000])
        text = " ".join(spoken)
        return KeyInfo(
            text,
            None if allowed else self._blocked(key),
            allowed,
            text.endswith(_IDENTITY) or key in _IDENTITY_KEYS,
            self._telling is not None and self._telling.search(text) is not None,
            _CREDENTIAL.search(text) is not None,
        )

    def _blocked(self, key: str) -> str | None:
        if any(fnmatch.fnmatchcase(key, glob) for glob in self._block):
            return "blocked_key"
        key = key[-300:]
        if _REPLACED.search(key):
            return None
        last = _LAST.search(key)
        spoken = tuple(words(last.group() if last else key))
        if not spoken:
            return None
        for size in range(min(self._longest, len(spoken)), 0, -1):
            kind = self._names.get(spoken[-size:])
            if kind is not None:
                return kind if self._is_meant(kind, spoken, size, key) else None
        return self._joined_name(spoken[-1])

    @staticmethod
    def _is_meant(kind: str, spoken: tuple[str, ...], size: int, key: str) -> bool:
        if kind == "blocked_key":
            return True
        if any(fnmatch.fnmatchcase(key, glob) for glob in EXEMPT):
            return False
        before = spoken[-size - 1] if len(spoken) > size else ""
        if spoken[-size:] == ("token",) and before in _NO_TOKEN:
            return False
        return not (spoken[-size:] == ("pass",) and before in _NO_PASS)

    def _joined_name(self, word: str) -> str | None:
        """Recognise ``dbpassword`` and ``accesstoken``, where nothing parts the words."""
        return next((kind for name, kind in self._joined.items() if word.endswith(name)), None)


def raw_patterns(enabled: frozenset[str], block: tuple[str, ...]) -> list[str]:
    """
    Return prefilter patterns for the keys whose values are redacted whole.

    A key of an attribute is followed by the tag of its value, one of JSON by a colon.
    """
    names = [
        name
        for table in (KEYS_ONLY, NAMES)
        for kind, listed in table.items()
        if kind in enabled
        for name in listed
    ]
    names += [" ".join(words(name)) for name in block if "*" not in name]
    if not names and not block:
        return []
    options = [r"[ _./-]{0,3}".join(map(relax, name.split())) for name in names]
    patterns = [rf"(?i:{'|'.join(sorted(options))})" + _KEY_END] if options else []
    for glob in block:
        if "*" in glob:
            literal = max(re.split(r"[*?\[\]]", glob), key=len)
            patterns.append("".join(map(relax, map(re.escape, literal))) or "[\\x00-\\xff]")
    return patterns


_KEY_END: Final = r"[\d./:\[\]]*(?:\x12|[ \t\r\n\"'\\]*:|\\*[\"'](?:\s|\\+[nrt])*[,}\]])"
"""What follows a key, or a string that names a value beside it."""
