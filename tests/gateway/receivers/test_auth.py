"""Who may send: tokens, files of tokens, basic authentication, quotas."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.config.types import from_yaml
from gateway.otlp.status import Refusal
from gateway.plugin import Logger
from gateway.receivers.auth import Authenticator
from gateway.tenants import TenantConfig
from gateway.testing import FakeClock

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported

TOKEN_A = "fake-" + "token-a"
TOKEN_B = "fake-" + "token-b"
PASSWORD = "fake-" + "password"


class Silent:
    """Logs nothing."""

    def debug(self, event: str, **fields: object) -> None:
        """Do nothing."""

    info = warning = error = debug


def authenticator(*tenants: dict[str, Any], clock: FakeClock | None = None) -> Authenticator:
    """Return an authenticator with its credentials loaded."""
    logger: Logger = Silent()
    auth = Authenticator(
        msgspec.convert(tenants, list[TenantConfig], dec_hook=from_yaml),
        clock or FakeClock(),
        logger,
    )
    auth.load()
    return auth


def basic(text: str) -> str:
    """Return an Authorization header."""
    return "Basic " + base64.b64encode(text.encode()).decode()


TENANTS: list[dict[str, Any]] = [
    {"name": "a", "tokens": [TOKEN_A]},
    {"name": "b", "tokens": ["other", TOKEN_B], "basic": {"username": "bob", "password": PASSWORD}},
]


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ({"Authorization": f"Bearer {TOKEN_A}"}, "a"),
        ({"Authorization": f"bearer   {TOKEN_B}"}, "b"),
        ({"x-api-key": TOKEN_A}, "a"),
        ({"X-Api-Key": "other"}, "b"),
        ({"Authorization": basic(f"bob:{PASSWORD}")}, "b"),
    ],
)
async def test_tenant_is_known(
    serve: Serve, make_request: Make, headers: dict[str, str], tenant: str
) -> None:
    """Each kind of credential names its tenant in the batch, over both protocols."""
    served = await serve(auth={"tenants": TENANTS})
    body = make_request("a").SerializeToString()

    await served.send(body, headers)
    await served.call(body, tuple((key.lower(), value) for key, value in headers.items()))

    assert [tenant] * 2 == [batch.context.tenant for batch in served.engine.batches]


@pytest.mark.parametrize(
    "authorization",
    [
        f"Bearer {PASSWORD}",
        "Bearer ",
        "Bearer",
        "",
        f"Digest {TOKEN_A}",
        f"Basic {TOKEN_A}",
        "Basic \xff",
        basic(f"bob:{TOKEN_B}"),
        basic("bob"),
        basic(TOKEN_A),
    ],
)
def test_others_are_refused(authorization: str) -> None:
    """What is no tenant's credential is refused, whatever its shape."""
    auth = authenticator(*TENANTS)

    with pytest.raises(Refusal) as caught:
        auth.authenticate(authorization, None, None)

    assert 401 == caught.value.kind.http


def test_certificate_names_the_tenant() -> None:
    """The common name is matched by glob, but wrong credentials are not made good by it."""
    auth = authenticator({"name": "nodes", "client_cert": "node-*"})

    assert "nodes" == auth.authenticate(None, None, "node-7").name
    for credentials in [(None, None, "Node-7"), (None, "wrong", "node-7")]:
        with pytest.raises(Refusal):
            auth.authenticate(*credentials)


def test_tokens_file_is_reloaded(tmp_path: Path) -> None:
    """A changed file counts within seconds; one that cannot be read leaves the old tokens."""
    file = tmp_path / "tokens"
    file.write_text(f"# ours\n{TOKEN_A}\n\n")
    clock = FakeClock()
    auth = authenticator({"name": "a", "tokens_file": str(file)}, clock=clock)
    assert "a" == auth.authenticate(None, TOKEN_A, None).name

    file.write_text(f"{TOKEN_B}\nand-another")
    clock.advance(2)
    assert "a" == auth.authenticate(None, TOKEN_B, None).name
    with pytest.raises(Refusal):
        auth.authenticate(None, TOKEN_A, None)

    file.unlink()
    clock.advance(2)
    assert "a" == auth.authenticate(None, TOKEN_B, None).name


@pytest.mark.parametrize(
    "credential", [{"tokens": [TOKEN_A]}, {"basic": {"username": "u", "password": PASSWORD}}]
)
def test_shared_credentials_are_refused(credential: dict[str, Any]) -> None:
    """Two tenants with the same credential are a mistake that names both."""
    with pytest.raises(ValueError, match='"a" and "b"'):
        authenticator({"name": "a"} | credential, {"name": "b"} | credential)


def test_missing_tokens_file_is_refused(tmp_path: Path) -> None:
    """A file that cannot be read is an error at start that names it."""
    with pytest.raises(ValueError, match="no-such-file: No such file"):
        authenticator({"name": "a", "tokens_file": str(tmp_path / "no-such-file")})


def test_cost_does_not_depend_on_the_number_of_tenants() -> None:
    """Five hundred tenants cost what one costs."""

    def cost(number: int) -> float:
        auth = authenticator(*({"name": f"t{i}", "tokens": [f"fake-{i}"]} for i in range(number)))
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            for _ in range(300):
                auth.authenticate(None, f"fake-{number - 1}", None)
            best = min(best, time.process_time() - start)
        return best

    assert cost(500) < 5 * cost(1)


async def test_refused_credentials_are_audited(serve: Serve) -> None:
    """A refusal for credentials is logged with its sender, and never with the credentials."""
    served = await serve(auth={"tenants": TENANTS})

    await served.send(b"", {"x-api-key": PASSWORD})

    [(level, event, fields)] = served.log.events
    assert ("warning", "credentials refused", True) == (level, event, fields["audit"])
    assert "127.0.0.1" == fields["peer"]
    assert PASSWORD not in str(fields)


async def test_quota(serve: Serve, make_request: Make) -> None:
    """Spans over the quota are refused with the time until they may come."""
    tenant = TENANTS[0] | {"quota": {"spans_per_second": 0.5, "burst": 2}}
    served = await serve(auth={"tenants": [tenant]})
    body = make_request("a", "b").SerializeToString()

    first = await served.send(body, {"x-api-key": TOKEN_A})
    second = await served.send(body, {"x-api-key": TOKEN_A})
    third = await served.call(body, (("x-api-key", TOKEN_A),))

    assert (200, 429, "2") == (first.status, second.status, second.headers["Retry-After"])
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == third.code
    assert third.delay_s is not None
    assert 0 < third.delay_s <= 2


async def test_byte_quota_counts_decompressed(serve: Serve, make_request: Make) -> None:
    """``mib_per_second`` counts bytes after decompression."""
    tenant = TENANTS[0] | {"quota": {"mib_per_second": 0.5}}
    served = await serve(auth={"tenants": [tenant]})
    body = make_request("a", size=520_000).SerializeToString()

    answers = [
        await served.call(body, (("x-api-key", TOKEN_A),), compression=grpc.Compression.Gzip)
        for _ in range(2)
    ]

    assert [grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED] == [a.code for a in answers]
