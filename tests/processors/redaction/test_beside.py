"""Secrets and numbers that stand beside their names without a sign between."""

import json

import pytest

from gateway.testing import batch, processor
from processors.redaction import Redaction
from tests.processors.redaction.reading import readable

SECRET = "p4ss" + "W0rd~x"
KEY = "q7Zk2" + "mX9rT4bV8nL1sD6f" * 2

PASSWORDS = (
    "page.fill('#password', '{}')",
    'form.append("password", "{}")',
    'define("DB_PASSWORD", "{}");',
    'HTTPBasicAuth("bob", "{}")',
    'conn.login("bob", "{}")',
    '<input type="password" name="p" value="{}">',
    "env:\n  - name: DB_PASSWORD\n    value: {}\n",
    "docker login registry.example.com -u me -p {}",
    "az login --service-principal -u x -p {} -t tenant",
    "ldapsearch -D cn=admin -w {}",
    "smbclient //h/s -U bob%{}",
    "htpasswd -b .htpasswd bob {}",
    'echo "{}" | sudo -S apt update',
    "echo {} | docker login --password-stdin",
    "net user bob {} /add",
    "ConvertTo-SecureString '{}' -AsPlainText",
    "Password changed to {}",
    "The password was reset to {}.",
    "Password -> {}",
    "Password (temporary): {}",
    "Ich habe das Passwort auf {} geändert",
    "J'ai changé le mot de passe en {}",
    "mot de passe « {} »",
    "Mon code d'accès est {}",
    "He cambiado la contraseña a {}",
    "Ho cambiato la password in {}",
    "Mudei a senha para {}",
    "Ik heb het wachtwoord gewijzigd in {}",
    "관리자 비밀번호를 {}로 변경했습니다",
    "パスワードを{}に変更しました",
    "把密码改成{}",
    "The admin password is now {}",
    "Das Passwort ist jetzt {}",
    "the wifi password's {}",
    "password1={}",
    "mot de passe provisoire : {}",
    "mot de passe administrateur : {}",
    "contraseña temporal: {}",
    "password provvisoria: {}",
    "Senha temporária = {}",
    "Passwort neu: {}",
    "log in as root with {} as the password",
    "I typed '{}' as my password.",
    "mit {} als Passwort",
    "default creds admin:{}",
    "login admin/{} works",
    'new NetworkCredential("bob", "{}")',
    'DriverManager.getConnection(url, "sa", "{}")',
)
KEYS = (
    'setenv("API_KEY", "{}", 1)',
    'os.environ.setdefault("CLIENT_SECRET", "{}")',
    "- name: GITHUB_TOKEN\n  value: {}",
    "//registry.example.org/:_authToken {}",
    "GET https://maps.example.com/?key={}",
    "GET https://weather.example.com/?q=Bonn&appid={}",
    "Location: https://app.example.com/callback?code={}&state=1",
)
NUMBERS = (
    ("iban: gr335171414x9glxnqh5v4ewpf2", "glxnqh"),
    ("Fecha nac.: 14/03/1985", "14/03/1985"),
    ("Nascimento: 14/03/1985", "14/03/1985"),
    ("Geb.-Dat.: 14.03.1985", "14.03.1985"),
    ("geboren: 14. März 1985", "14. März 1985"),
    ("d.o.b. 14/3/85", "14/3/85"),
    ("DOB 14-Mar-1985", "14-Mar-1985"),
    ("Sicherheitscode 321", "321"),
    ("cryptogramme visuel : 456", "456"),
    ("código de seguridad 456", "456"),
    ('{"cardVerificationValue":456', "456"),
    ("contact_phone=4155550132", "4155550132"),
    ("homePhone: 4155550132", "4155550132"),
    ('{"phone_number": "4155550132"', "4155550132"),
    ('{"birthDate": "1985-04-12T00:00:00Z"', "1985-04-12"),
    ('{"date_naissance": "12/04/1985"}', "12/04/1985"),
    ('{"steuer_id": "36574261809"', "36574261809"),
    ("Rentenversicherungsnummer 65 170839 J 008", "170839"),
    ("Personalausweisnummer: L01X00T471", "L01X00T471"),
    ("carte d'identité n° 880692310285", "880692310285"),
    ("请拨打13812345678联系我", "13812345678"),
    ("Zadzwoń pod 601 234 567", "601 234 567"),
)
_HEX = "0a1b2c3d4e5f6a7b8c9d"
FORMS = (
    "EAA" + "CEdEose0cBA" + KEY * 2,
    "tfp" + "_" + KEY * 2,
    "CLOJARS" + "_" + (KEY * 2)[:60],
    "duffel" + "_live_" + KEY + "9" * 20,
    "FLWSECK" + "-" + _HEX + "-X",
    "pnu" + "_" + KEY,
    "rdme" + "_" + KEY * 2,
    "tk-" + "us-" + KEY * 2,
    "aio" + "_" + KEY[:28],
    "fo1" + "_" + KEY * 2,
    "v1.0-" + (_HEX * 2)[:24] + "-" + _HEX * 7,
    "BSA" + KEY[:28],
    "sqp" + "_" + _HEX * 2,
    "sgp" + "_" + _HEX * 2,
    "sha256" + "~" + KEY + "9" * 10,
    "access-" + "sandbox-" + "0a1b2c3d-4e5f-6a7b-8c9d-0a1b2c3d4e5f",
    "CFPAT" + "-" + KEY * 2,
    "shippo" + "_live_" + _HEX * 2,
    "oy2" + (_HEX * 3)[:43],
    "outlook.office.com/webhook/" + _HEX + "@" + _HEX + "/IncomingWebhook/" + _HEX,
    "https://api.telegram.org/bot" + "1234567890:AA" + KEY[:33] + "/getMe",
)
CLEAN = (
    'FIELDS = ("username", "password", "email")',
    'one_of("api_key", "base_url", "model-4o")',
    "kwargs: keyword arguments to pass to `requests.Session.request()`",
    "Please enter your password to continue",
    "Passwords are set in section 4 of the manual",
    "The password was changed in version2",
    "COLUMNS = (name, 'password', 'created_at2')",
    "비밀번호를 8자 이상 입력하세요",
    "密码改成功了",
    "docker run -p 8080:80 nginx",
    'echo "done" | tee log.txt',
    "GET https://shop.example.com/?code=SUMMER&page=2",
    "Authorization: Bearer YOUR_API_KEY",
    "legacy-password checks (each one a hash comparison)",
    "My iPhone has 1234567 pictures",
)


@pytest.fixture(scope="module")
def redaction() -> Redaction:
    """One processor for all texts."""
    return processor(Redaction)


def _after(redaction: Redaction, text: str) -> str:
    (span,) = redaction.process(batch({"input.value": text}))
    return str(span.attributes["input.value"])


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        *((text.format(SECRET), SECRET) for text in PASSWORDS),
        *((text.format(KEY), KEY) for text in KEYS),
        *NUMBERS,
        *((f"Use {key} for it.", key[-20:]) for key in FORMS[:-1]),
        (FORMS[-1], KEY[:33]),
    ],
)
def test_found_beside_its_name(redaction: Redaction, text: str, hidden: str) -> None:
    """What stands beside its name goes, as text and in a message in JSON."""
    for dressed in (text, json.dumps([{"role": "user", "content": text}])):
        assert hidden not in readable(_after(redaction, dressed))


@pytest.mark.parametrize("text", CLEAN)
def test_words_beside_a_name_stay(redaction: Redaction, text: str) -> None:
    """Names in lists, options that mean something else and documentation stay."""
    assert text == _after(redaction, text)
