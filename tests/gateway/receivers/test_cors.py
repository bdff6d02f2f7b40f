"""Which web pages may send."""

from typing import Any

import pytest

Serve = Any  # the fixture's types live in conftest, which cannot be imported
APP = "https://app.example.com"
ASK = {
    "Origin": APP,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-own",
}


@pytest.mark.parametrize("origins", [[APP], ["https://*.example.com"], ["HTTPS://APP.example.com"]])
async def test_allowed_origin(serve: Serve, origins: list[str]) -> None:
    """An allowed page is told so before and after, also where it is refused otherwise."""
    served = await serve(http={"cors": {"allowed_origins": origins, "max_age": "1m"}})

    before = await served.send(b"", ASK, method="OPTIONS", media=None)
    after = await served.send(b"", {"Origin": APP})
    refused = await served.send(b"\xff", {"Origin": APP})

    assert (204, APP, "POST", "60") == (
        before.status,
        before.headers["Access-Control-Allow-Origin"],
        before.headers["Access-Control-Allow-Methods"],
        before.headers["Access-Control-Max-Age"],
    )
    assert "content-type" in before.headers["Access-Control-Allow-Headers"]
    assert (200, APP) == (after.status, after.headers["Access-Control-Allow-Origin"])
    assert (400, APP) == (refused.status, refused.headers["Access-Control-Allow-Origin"])


async def test_other_origin(serve: Serve) -> None:
    """Another page gets no permission."""
    served = await serve(http={"cors": {"allowed_origins": [APP]}})
    evil = {"Origin": "https://evil.example.org"}

    before = await served.send(b"", ASK | evil, method="OPTIONS", media=None)
    after = await served.send(b"", evil)

    assert "Access-Control-Allow-Origin" not in before.headers
    assert "Access-Control-Allow-Origin" not in after.headers


async def test_any_origin_and_header(serve: Serve) -> None:
    """``*`` allows every page, without credentials, and every header."""
    served = await serve(http={"cors": {"allowed_origins": ["*"], "allowed_headers": ["*"]}})

    before = await served.send(b"", ASK, method="OPTIONS", media=None)

    assert ("*", "content-type,x-own") == (
        before.headers["Access-Control-Allow-Origin"],
        before.headers["Access-Control-Allow-Headers"],
    )
    assert "Access-Control-Allow-Credentials" not in before.headers


async def test_preflight_needs_no_credentials(serve: Serve) -> None:
    """A browser asks without credentials, so that asking needs none."""
    tenants = [{"name": "a", "tokens": ["fake-" + "token"]}]
    served = await serve(
        http={"cors": {"allowed_origins": [APP], "allowed_headers": ["x-own"]}},
        auth={"tenants": tenants},
    )

    before = await served.send(b"", ASK, method="OPTIONS", media=None)
    after = await served.send(b"", {"Origin": APP})

    assert 204 == before.status
    assert before.headers["Access-Control-Allow-Headers"].endswith("x-own")
    assert (401, APP) == (after.status, after.headers["Access-Control-Allow-Origin"])
