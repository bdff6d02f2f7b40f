"""No text makes redaction slower than its length."""

import time

import pytest

from gateway.testing import batch, processor
from processors.redaction import Redaction
from tests.processors.redaction.corpus import Maker

PEM_HEAD = "-----BEGIN RSA " + "PRIVATE KEY-----\\n"
UNITS = (
    *(
        "a",
        "a@",
        "a.",
        "안",
        "1 ",
        "0 ",
        "+1",
        "\\",
        "\\u0040",
        "%40",
        '{"',
        "[[",
        '{"a":"b"}',
        "[1,",
    ),
    *(
        "://a:b",
        "http://a:b@c",
        "password=",
        'password: "',
        "phone 1",
        "aws ",
        "eyJ",
        "::1:",
        "aa:",
    ),
    *(
        "sk-",
        "=",
        " ",
        "@",
        "/",
        "%25",
        "QUJD",
        "|",
        "«",
        "$2b$",
        "<password>",
        "login a password ",
    ),
    *(
        "mysql -u a ",
        "auth=('a', 'b')",
        "born on 1",
        "BSN 1",
        "RSSMRA80A01H501",
        "é",
        "::",
        "pass: ",
    ),
    *(
        '{"value":"x","name":"password"},',
        '[["password","x"],',
        "3f4b2a1c",
        "DE1234 5678",
        "-----BEGIN ",
    ),
    *("Bearer a1", "cookie: a=", "ab.cd@ef.gh ", "4111 1111 1111 1111 ", PEM_HEAD, "curl -u a:"),
    "ab.cd@ef.gh 4%41\n" + "The clerk compares two ledgers. " * 9,  # hits apart, on many lines
)


@pytest.fixture(scope="module")
def redaction() -> Redaction:
    """Return a processor that takes long values."""
    return processor(Redaction, max_value_bytes=1 << 24)


def _seconds(redaction: Redaction, text: str) -> float:
    received = batch({"v": text})
    started = time.process_time()
    redaction.process(received)
    return time.process_time() - started


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_with_length(redaction: Redaction, unit: str) -> None:
    """Eight times the text takes about eight times as long, whatever is repeated in it."""
    _seconds(redaction, unit * 100)

    # Each text is another one: what was seen is remembered.
    short = min(_seconds(redaction, (unit * 100_000)[at : at + 100_000]) for at in range(2))
    long = min(_seconds(redaction, (unit * 800_000)[at : at + 800_000]) for at in range(2))
    for at in range(2, 8):  # a moment in which others fill the caches is no growth
        if long < 24 * max(short, 0.005):
            break
        long = min(long, _seconds(redaction, (unit * 800_000)[at : at + 800_000]))

    assert long < 24 * max(short, 0.005)


@pytest.mark.slow
def test_ten_megabytes_of_hostile_text(redaction: Redaction) -> None:
    """10 MB made of beginnings that never end take seconds, not hours."""
    text = "".join(UNITS) + Maker().email()

    assert 30 > _seconds(redaction, (text * (10_000_000 // len(text) + 1))[:10_000_000])
