"""Who may see the status page and the metrics."""

import base64
from typing import Any, NamedTuple

import msgspec
import pytest

from gateway.config.settings import EndpointAuthConfig
from gateway.config.types import from_yaml
from gateway.telemetry.doors import Door

TOKEN = "fake-" + "token"
PASSWORD = "fake-" + "password"
PATH = "service.telemetry.status"


class Request(NamedTuple):
    """What a door looks at."""

    remote: str = "127.0.0.1"
    headers: dict[str, str] = {"Host": "localhost:13133"}  # noqa: RUF012 - never changed


def door(*, local: bool = True, **auth: Any) -> Door:
    """Return a door with these credentials."""
    config = msgspec.convert(auth, EndpointAuthConfig, dec_hook=from_yaml) if auth else None
    return Door(config, PATH, local=local)


def status(guard: Door, remote: str = "127.0.0.1", **headers: str) -> int:
    """Return what somebody is answered."""
    request: Any = Request(remote, {"Host": "localhost:1"} | headers)
    return guard.judge(request).status


def basic(text: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("remote", "host", "expected"),
    [
        ("127.0.0.1", "localhost:13133", 200),
        ("127.0.0.1", "127.0.0.1", 200),
        ("127.8.8.8", "LOCALHOST", 200),
        ("::1", "[::1]:13133", 200),
        ("::1", "[::1]", 200),
        ("::ffff:127.0.0.1", "localhost:13133", 200),
        ("10.0.0.7", "localhost:13133", 403),
        ("fe80::1%eth0", "localhost", 403),
        ("::ffff:10.0.0.7", "localhost", 403),
        ("", "localhost", 403),
        ("127.0.0.1", "evil.example.com", 403),
        ("127.0.0.1", "evil.example.com:13133", 403),
        ("127.0.0.1", "localhost.evil.example.com", 403),
        ("127.0.0.1", "", 403),
    ],
)
def test_without_credentials_only_this_machine(remote: str, host: str, expected: int) -> None:
    """Others are refused, and so are web pages that pretend their name is ours."""
    assert expected == status(door(), remote, Host=host)


def test_refusal_says_what_to_set() -> None:
    """The answer names the setting that opens the page."""
    request: Any = Request("10.0.0.7")

    assert f"{PATH}.auth" in door().judge(request).reason


def test_metrics_are_open_without_credentials() -> None:
    """A scraper needs none unless they are set."""
    assert 200 == status(door(local=False), "10.0.0.7", Host="gateway:8888")
    assert 401 == status(door(local=False, token=TOKEN), "10.0.0.7", Host="gateway:8888")


@pytest.mark.parametrize(
    ("authorization", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (basic(f"ada:{PASSWORD}"), 200),
        (f"Bearer {PASSWORD}", 401),
        (f"Basic {TOKEN}", 401),
        (basic(f"bob:{PASSWORD}"), 401),
        (basic(PASSWORD), 401),
        (TOKEN, 401),
        ("Bearer", 401),
        ("", 401),
        ("\udcff \udcff", 401),
    ],
)
@pytest.mark.parametrize("remote", ["127.0.0.1", "10.0.0.7"])
def test_with_credentials_nothing_else_counts(
    remote: str, authorization: str, expected: int
) -> None:
    """Token or password open from everywhere, and nothing else does from anywhere."""
    guard = door(token=TOKEN, basic={"username": "ada", "password": PASSWORD})

    assert expected == status(guard, remote, Host="any.example.com", Authorization=authorization)


@pytest.mark.parametrize(
    ("auth", "challenge"),
    [
        ({"token": TOKEN}, "Bearer"),
        ({"basic": {"username": "u", "password": PASSWORD}}, "Basic"),
    ],
)
def test_challenge_lets_browsers_ask(auth: dict[str, Any], challenge: str) -> None:
    """Where there is a password a browser is told to ask for it."""
    assert challenge == door(**auth).challenge.split()[0]


@pytest.mark.parametrize(
    "auth", [{}, {"token": ""}, {"basic": {"username": "u", "password": ""}}], ids=str
)
def test_auth_without_secrets_is_a_mistake(auth: dict[str, Any]) -> None:
    """Credentials that are empty, as those of an unset variable, open nothing by accident."""
    config = msgspec.convert(auth, EndpointAuthConfig, dec_hook=from_yaml)

    with pytest.raises(ValueError, match=r"token|password"):
        config.validate()
