"""
Make a labelled corpus: texts in seven languages, what must go and what must stay.

Everything is put together at run time from random parts with a fixed seed, so that no secret,
not even a false one, stands in the source.
"""

import base64
import hashlib
import json
import random
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from stdnum import luhn
from stdnum.br import cnpj, cpf
from stdnum.iso7064 import mod_97_10

from gateway.otlp.values import Value


class Item(NamedTuple):
    """One labelled text."""

    type: str
    """The type to be found; empty where nothing is to be found."""

    form: str
    """How it is dressed: prose, JSON, escaped, ..."""

    key: str
    value: Value
    """The attribute."""

    hidden: str
    """What must not be readable afterwards; empty where nothing may change."""


ALNUM = string.ascii_letters + string.digits
HEX = string.digits + "abcdef"
URLSAFE = ALNUM + "-_"


class Maker:
    """Makes values of each type."""

    def __init__(self, seed: int = 0) -> None:
        self.random = random.Random(seed)

    def chars(self, alphabet: str, count: int) -> str:
        """Return random characters, a digit and a capital among them where there are any."""
        text = "".join(self.random.choices(alphabet, k=count))
        if "7" in alphabet and "K" in alphabet:
            text = "7K" + text[2:]
        return text

    def digits(self, count: int) -> str:
        """Return random digits that do not begin with a zero."""
        return str(self.random.randint(1, 9)) + "".join(
            self.random.choices("0123456789", k=count - 1)
        )

    def card(self) -> str:
        """Return a card number with its check digit, in one of the usual spellings."""
        prefix, size = self.random.choice(
            (("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16))
        )
        body = prefix + "".join(self.random.choices("0123456789", k=size - len(prefix) - 1))
        number = body + luhn.calc_check_digit(body)
        separator = self.random.choice(("", " ", "-"))
        if size == 15:
            return separator.join((number[:4], number[4:10], number[10:]))
        return separator.join(number[at : at + 4] for at in range(0, size, 4))

    def iban(self) -> str:
        """Return an IBAN with its check digits, spaced or not."""
        country, size = self.random.choice(
            (("DE", 18), ("AT", 16), ("FI", 14), ("DK", 14), ("PL", 24))
        )
        bban = "".join(self.random.choices("0123456789", k=size))
        if country == "FI":
            bban = bban[:-1] + luhn.calc_check_digit(bban[:-1])
        check = mod_97_10.calc_check_digits(bban + country)
        number = country + check + bban
        if self.random.random() < 0.5:
            return number
        return " ".join(number[at : at + 4] for at in range(0, len(number), 4))

    def phone(self) -> str:
        """Return a number that a person might write, of five countries."""
        d = self.digits
        area = self.random.choice(("212", "415", "303", "617"))
        forms = (
            lambda: f"+1 {area} 555 {d(4)}",
            lambda: f"({area}) {self.random.randint(200, 989)}-{d(4)}",
            lambda: f"{area}-{self.random.randint(200, 989)}-{d(4)}",
            lambda: f"{area}.{self.random.randint(200, 989)}.{d(4)} ext. 42",
            lambda: f"+49 30 {d(7)}",
            lambda: f"030 {d(7)}",
            lambda: f"0151 {d(8)}",
            lambda: f"+44 20 7{d(3)} {d(4)}",
            lambda: f"020 7{d(3)} {d(4)}",
            lambda: f"07700 900{d(3)}",
            lambda: f"+55 11 9{d(4)}-{d(4)}",
            lambda: f"(11) 9{d(4)}-{d(4)}",
            lambda: f"+82 10-{d(4)}-{d(4)}",
            lambda: f"010-{d(4)}-{d(4)}",
            lambda: f"+33 6 12 34 56 {self.random.randint(10, 99)}",
        )
        return self.random.choice(forms)()

    def crypto(self) -> str:
        """Return a wallet's address with its checksum, where its kind has one."""
        if self.random.random() < 0.4:
            return "0x" + self.chars(HEX, 40)
        raw = b"\0" + self.random.randbytes(20)
        raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
        alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
        number, text = int.from_bytes(raw), ""
        while number:
            number, rest = divmod(number, 58)
            text = alphabet[rest] + text
        return "1" + text

    def jwt(self) -> str:
        """Return a signed token."""

        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

        head = part({"alg": "HS256", "typ": "JWT"})
        return f"{head}.{part({'sub': self.digits(8)})}.{self.chars(URLSAFE, 43)}"

    def pem(self) -> str:
        """Return a private key."""
        body = "\n".join(self.chars(ALNUM + "+/", 64) for _ in range(4))
        kind = self.random.choice(("RSA ", "EC ", "OPENSSH ", ""))
        return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"

    def email(self) -> str:
        """Return an address."""
        name = self.random.choice(
            ("ada", "grace.hopper", "k.zuse+news", "jürgen.müller", "o'neil", "用户")
        )
        host = self.random.choice(
            ("example.org", "mail.example.co.uk", "bücher.example", "例子.公司")
        )
        return f"{name}{self.digits(2)}@{host}"


def makers(make: Maker) -> dict[str, Callable[[], str]]:
    """Return how to make a value of each type that stands by itself."""
    c, d, r = make.chars, make.digits, make.random
    return {
        "email": make.email,
        "phone": make.phone,
        "card": make.card,
        "iban": make.iban,
        "ip": lambda: r.choice(
            (
                f"{r.randint(11, 120)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}",
                f"2001:db8:{c(HEX, 4)}::{c(HEX, 3)}",
                ":".join(c(HEX, 4) for _ in range(8)),
            )
        ),
        "mac": lambda: r.choice((":", "-")).join(c(HEX, 2) for _ in range(6)),
        "ssn": lambda: f"{r.randint(100, 665)}-{r.randint(10, 99)}-{d(4)}",
        "cpf": lambda: r.choice((cpf.format, str))(_checked(d(9), cpf.is_valid)),
        "cnpj": lambda: cnpj.format(_checked(d(8) + "0001", cnpj.is_valid)),
        "rrn": lambda: (
            f"{r.randint(50, 99)}{r.randint(1, 12):02}{r.randint(1, 28):02}-{r.randint(1, 2)}{d(6)}"
        ),
        "nino": lambda: (
            f"AB{d(6)}C" if r.random() < 0.5 else "CE 12 34 " + str(r.randint(10, 99)) + " D"
        ),
        "crypto_wallet": make.crypto,
        "openai_key": lambda: "sk-" + r.choice(("proj-", "")) + c(ALNUM, 48),
        "anthropic_key": lambda: "sk-" + "ant-api03-" + c(URLSAFE, 80) + "AA",
        "aws_key": lambda: "AKIA" + c(string.ascii_uppercase + "234567", 16),
        "github_token": lambda: r.choice(("ghp_", "gho_", "ghs_")) + c(ALNUM, 36),
        "gitlab_token": lambda: "glpat-" + c(ALNUM, 20),
        "slack_token": lambda: "xoxb-" + d(12) + "-" + d(12) + "-" + c(ALNUM, 24),
        "google_key": lambda: "AIza" + c(ALNUM, 35),
        "stripe_key": lambda: r.choice(("sk_live_", "rk_live_", "sk_test_")) + c(ALNUM, 24),
        "huggingface_token": lambda: "hf_" + c(ALNUM, 34),
        "npm_token": lambda: "npm_" + c(ALNUM, 36),
        "pypi_token": lambda: "pypi-" + "AgEIcHlwaS5vcmc" + c(URLSAFE, 60) + "A",
        "twilio_key": lambda: "SK" + c(HEX, 32),
        "sendgrid_key": lambda: "SG." + c(ALNUM, 22) + "." + c(ALNUM, 43),
        "groq_key": lambda: "gsk_" + c(ALNUM, 52),
        "jwt": make.jwt,
    }


def _checked(body: str, is_valid: Callable[[str], bool]) -> str:
    return next(f"{body}{n:02}" for n in range(100) if is_valid(f"{body}{n:02}"))


PROSE = {
    "en": ("Please note {} for later.", "I use {}, thanks!", "The answer is {}.", "Contact: {}"),
    "de": ("Bitte notieren Sie {} für später.", "Meine Angabe lautet {}.", "({}) ist richtig"),
    "fr": ("Merci de noter {} pour plus tard.", "C'est {}, je crois.", "Voilà : {}"),
    "es": ("Apunta {} para luego, por favor.", "Es {}.", "¿Recibiste {}?"),
    "pt": ("Anote {} para depois, por favor.", "É {}, não é?", "Segue: {}"),
    "ko": ("나중을 위해 {} 적어 두세요.", "제 정보는 {}입니다.", "{}로 연락 주세요"),
    "ja": ("後で使うので {} を控えてください。", "こちらは{}です。", "{}に送ってください"),
}

NAMED = {
    "password": (
        ("en", "password: {}"),
        ("en", "DB_PASSWORD={} ./run.sh"),
        ("en", 'connect(user="bob", password="{}")'),
        ("en", "my password is {}, please reset it"),
        ("en", "Server=db;User Id=sa;Password={};Encrypt=true"),
        ("de", "Passwort: {} (bitte ändern)"),
        ("de", "Mein Passwort lautet {}."),
        ("fr", "mot de passe : {}"),
        ("es", "contraseña: {}"),
        ("es", "Mi contraseña es {}"),
        ("pt", "senha: {}"),
        ("pt", "A senha é {}"),
        ("ko", "비밀번호: {}"),
        ("ko", "비밀번호는 {} 입니다"),
        ("ja", "パスワード\uff1a{}"),
        ("en", "mysqldump --password={} shop"),
    ),
    "url_password": (
        ("en", "postgres://shop:{}@db.example.com:5432/orders"),
        ("en", "use redis://:{}@cache:6379/0 for that"),
        ("de", "Der Mirror ist https://bob:{}@git.example.com/x.git"),
        ("en", "amqp://guest:{}@10.0.0.7/vhost and mongodb+srv://a.example"),
    ),
    "api_key": (
        ("en", "api_key={}"),
        ("en", 'X-API-Key: "{}"'),
        ("en", "GET /v1/x?api_key={}&page=2"),
        ("en", "export SERVICE_API_KEY={}"),
    ),
    "authorization": (
        ("en", "Authorization: Bearer {}"),
        ("en", 'curl -H "Authorization: Bearer {}" https://api.example.com'),
        ("en", "authorization: token {}"),
    ),
}


def named_values(make: Maker) -> dict[str, Callable[[], str]]:
    """Return how to make values that only their name makes a secret."""
    words = ("Winter", "Harbour", "tr0ub4dor", "Sommer", "correct-horse")
    return {
        "password": lambda: (
            make.random.choice(words) + make.random.choice("!#$_") + make.digits(3) + "x"
        ),
        "url_password": lambda: make.chars(ALNUM, 10) + make.random.choice(("", "!x", "%21")),
        "api_key": lambda: make.chars(ALNUM, 32),
        "authorization": lambda: make.chars(URLSAFE, 40) + "x",
    }


TELLING = {
    "passport": (
        ("en", "Passport number {} expires soon", "X"),
        ("de", "Reisepass Nr. {}", "C"),
        ("fr", "passeport n° {}", "P"),
        ("es", "pasaporte {}", "A"),
        ("pt", "passaporte {}", "F"),
        ("ko", "여권번호 {}", "M"),
        ("ja", "パスポート番号は{}です", "T"),
    ),
    "phone": (
        ("en", "phone {}", ""),
        ("de", "Telefon: {}", ""),
        ("fr", "téléphone {}", ""),
        ("es", "teléfono {}", ""),
        ("pt", "telefone {}", ""),
        ("ko", "전화 {}", ""),
        ("ja", "電話番号 {}", ""),
    ),
}


def _dressed(kind: str, text: str, secret: str, make: Maker) -> Iterator[Item]:
    """Yield a text in the forms in which traces carry it."""
    as_json = json.dumps({"messages": [{"role": "user", "content": text}], "n": 1})
    nested = json.dumps({"arguments": json.dumps({"q": {"text": text}}, ensure_ascii=False)})
    forms: list[tuple[str, str, Value]] = [
        ("prose", "note", text),
        ("json", "input.value", as_json),
        ("nested json", "llm.tools.0", nested),
        ("truncated json", "output.value", as_json[: as_json.rindex('"}') - 0]),
        ("map", "map", {"a": {"b": [text, "plain"]}}),
        ("bytes", "raw", text.encode()),
    ]
    yield from (Item(kind, form, key, value, secret) for form, key, value in forms)


def _escaped(kind: str, text: str, secret: str) -> Iterator[Item]:
    """Yield a text whose punctuation is escaped, as browsers and careful encoders do."""
    unicode = "".join(
        c if c.isalnum() and c.isascii() else f"\\u{ord(c):04x}" for c in text if ord(c) < 65536
    )
    yield Item(kind, "unicode escapes", "input.value", f'{{"q": "{unicode}"}}', secret)
    yield Item(kind, "truncated unicode escapes", "input.value", f'{{"q": "{unicode} and ', secret)
    yield Item(
        kind,
        "percent escapes",
        "url.full",
        f"https://example.com/?q={quote(text, safe='')}",
        secret,
    )


def positives(seed: int = 1, rounds: int = 3) -> list[Item]:
    """Return items with something to find."""
    make = Maker(seed)
    items: list[Item] = []
    for _ in range(rounds):
        for kind, new in makers(make).items():
            for templates in PROSE.values():
                secret = new()
                text = make.random.choice(templates).format(secret)
                items.append(make.random.choice(list(_dressed(kind, text, secret, make))))
            secret = new()
            items.append(make.random.choice(list(_escaped(kind, f"it is {secret} ok", secret))))
        for kind, new in named_values(make).items():
            for _, template in NAMED[kind]:
                secret = new()
                items.append(
                    make.random.choice(list(_dressed(kind, template.format(secret), secret, make)))
                )
        for kind, tellings in TELLING.items():
            for _, template, letter in tellings:
                secret = letter + make.digits(8 if letter else 10)
                items.append(
                    make.random.choice(list(_dressed(kind, template.format(secret), secret, make)))
                )
    for _ in range(rounds * 2):
        items += _special(make)
    return items


def _special(make: Maker) -> list[Item]:
    secret = make.chars(ALNUM, 24)
    pem = make.pem()
    line = pem.split("\n")[2]
    return [
        Item("private_key", "prose", "note", f"my key:\n{pem}\nthanks", line),
        Item("private_key", "json", "input.value", json.dumps({"pem": pem}), line),
        Item("private_key", "escaped", "note", "key " + json.dumps(pem)[1:-1] + " end", line),
        Item("private_key", "truncated", "note", f"key {pem[:180]}", line),
        Item(
            "password",
            "json key",
            "input.value",
            json.dumps({"db": {"userPassword": secret}}),
            secret,
        ),
        Item("password", "key", "db.password", secret, secret),
        Item(
            "authorization",
            "key",
            "http.request.header.authorization",
            [f"Bearer {secret}"],
            secret,
        ),
        Item("cookie", "key", "http.request.header.cookie", f"sid={secret}; theme=dark", secret),
        Item("api_key", "map key", "config", {"x-api-key": secret}, secret),
        Item("token", "json key", "input.value", json.dumps({"accessToken": secret}), secret),
        Item("secret", "json key", "input.value", json.dumps({"client_secret": secret}), secret),
        Item("email", "attribute key", f"seen.{make.digits(3)}@example.org", 1, "@example.org"),
    ]
