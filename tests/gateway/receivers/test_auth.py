"""Who may send: tokens, files of tokens, basic authentication, quotas."""

import base64
import time
from collections.abc import Callable
from typing import Any

import grpc
import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.config.types import from_yaml
from gateway.otlp.status import Refusal
from gateway.receivers.auth import Authenticator, Credentials
from gateway.tenants import TenantConfig
from gateway.testing import FakeClock

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported

TOKEN_A = "fake-" + "token-a"
TOKEN_B = "fake-" + "token-b"
PASSWORD = "fake-" + "password"


def authenticator(*tenants: dict[str, Any]) -> Authenticator:
    """Return an authenticator that knows tenants."""
    auth = Authenticator(FakeClock())
    settings = msgspec.convert(tenants, list[TenantConfig], dec_hook=from_yaml)
    assert [] == auth.use([Credentials(tenant) for tenant in settings])
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

    assert "nodes" == auth.authenticate(None, None, "node-7").tenant.name
    for credentials in [(None, None, "Node-7"), (None, "wrong", "node-7")]:
        with pytest.raises(Refusal):
            auth.authenticate(*credentials)


def test_the_first_fitting_certificate_glob_counts() -> None:
    """Of two globs that fit, the tenant that stands first is meant."""
    auth = authenticator(
        {"name": "db", "client_cert": "node-db-*"}, {"name": "nodes", "client_cert": "node-*"}
    )

    names = [auth.authenticate(None, None, cn).tenant.name for cn in ("node-db-1", "node-1")]

    assert ["db", "nodes"] == names


@pytest.mark.parametrize(
    "credential", [{"tokens": [TOKEN_A]}, {"basic": {"username": "u", "password": PASSWORD}}]
)
async def test_shared_credentials_are_refused(serve: Serve, credential: dict[str, Any]) -> None:
    """Two tenants with the same credential are a mistake that names both."""
    with pytest.raises(ValueError, match=r'receivers\.otlp\.auth: tenants "a" and "b"'):
        await serve(auth={"tenants": [{"name": "a"} | credential, {"name": "b"} | credential]})


def test_cost_does_not_depend_on_the_number_of_tenants() -> None:
    """Five hundred tenants cost what one costs."""

    def cost(number: int) -> float:
        auth = authenticator(
            *(
                {"name": f"t{i}", "tokens": [f"fake-{i}"], "client_cert": f"node-{i}-*"}
                for i in range(number)
            )
        )
        best = 1.0
        for _ in range(5):
            start = time.process_time()
            for _ in range(300):
                auth.authenticate(None, f"fake-{number - 1}", None)
                auth.authenticate(None, None, f"node-{number - 1}-x")
            best = min(best, time.process_time() - start)
        return best

    assert cost(500) < 5 * cost(1)


async def test_refused_credentials_are_audited(serve: Serve) -> None:
    """A refusal for credentials is logged with its sender, and never with the credentials."""
    served = await serve(auth={"tenants": TENANTS})

    await served.send(b"", {"x-api-key": PASSWORD})

    [(level, event, fields)] = served.log.events
    assert ("warning", "credentials refused", True) == (level, event, fields["audit"])
    assert ("unknown", "127.0.0.1", "http") == (
        fields["actor"],
        fields["address"],
        fields["transport"],
    )
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
