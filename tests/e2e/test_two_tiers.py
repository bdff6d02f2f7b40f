"""The chart's two tiers as processes: one that spreads traces by mTLS, before one that samples."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.compare import spans_of
from tests.e2e.conftest import free_port
from tests.e2e.mlflow_server import MlflowApi, eventually
from tests.gateway.real import Gateway
from tests.helm.chart import Values, find

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

PARTS = 4
TRACES = 12
SECRETS = {"SPANGATE_TIER_TOKEN": "first-" + "tier", "MLFLOW_TRACKING_URI": ""}
TENANTS = {name: f"{name}-not-a-" + "secret" for name in ("search", "checkout")}
TLS = ("/etc/spangate/tier-tls", "demo-spangate-headless.llm.svc")
"""Where the chart mounts certificates, and what the second tier's is for."""
VALUES: Values = {
    "loadBalancing": {
        "enabled": True,
        "token": {"existingSecret": "tiers"},
        "tls": {
            "enabled": True,
            "existingSecret": "second-tls",
            "mutual": {"enabled": True, "existingSecret": "first-tls"},
        },
    },
    "tenants": {
        "enabled": True,
        "list": [
            {"name": "search", "tokens": [TENANTS["search"]], "experiment": "tiers-search"},
            {"name": "checkout", "tokens": [TENANTS["checkout"]], "experiments": ["tiers-check*"]},
        ],
    },
    "config": {
        "processors": {
            "tail_sampling": {
                "decision_wait": "5m",
                "decision_wait_after_root_received": "1s",
                # None but a whole trace is kept.
                "policies": [
                    {"name": "whole", "type": "span_count", "span_count": {"min_spans": PARTS}}
                ],
            }
        },
        "exporters": {"mlflow": {"experiment": {"default": "tiers-checkout"}}},
        "service": {
            "shutdown_timeout": "5s",
            "pipelines": {
                "traces": {
                    "processors": ["memory_limiter", "redaction", "mlflow_mapping", "tail_sampling"]
                }
            },
        },
    },
}


def certify(authority: trustme.CA, name: str, folder: Path) -> None:
    """Write what a Secret of cert-manager holds."""
    folder.mkdir(parents=True)
    cert = authority.issue_cert(name)
    authority.cert_pem.write_to_path(folder / "ca.crt")
    cert.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    cert.private_key_pem.write_to_path(folder / "tls.key")


def configure(folder: Path, name: str, mlflow: str, change: Callable[[Any], None]) -> Gateway:
    """Write what the chart gives to a tier's pods, with addresses of this machine."""
    text = find("ConfigMap", VALUES, name)["data"]["gateway.yaml"]
    for variable, value in {**SECRETS, "MLFLOW_TRACKING_URI": mlflow}.items():
        text = text.replace(f"${{env:{variable}}}", value)
    config = yaml.safe_load(text.replace(TLS[0], str(folder / "tls")))
    config["service"]["data_dir"] = str(folder / "data")
    for endpoint in (
        *config["service"]["telemetry"].values(),
        *config["receivers"]["otlp"]["protocols"].values(),
    ):
        if "endpoint" in endpoint:
            endpoint["endpoint"] = "127.0.0.1:0"
    change(config)
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return Gateway(folder)


@asynccontextmanager
async def tiers(folder: Path, mlflow: str) -> AsyncIterator[tuple[list[Gateway], list[Gateway]]]:
    """Run two gateways of each tier."""
    ports, authority = [free_port() for _ in range(2)], trustme.CA()
    for tier, name in (("back", TLS[1]), ("front", "front")):
        for at in range(2):
            certify(authority, name, folder / f"{tier}-{at}" / "tls")

    def listens_at(port: int) -> Callable[[Any], None]:
        address = f"127.0.0.1:{port}"
        return lambda config: config["receivers"]["otlp"]["protocols"]["grpc"].update(
            endpoint=address
        )

    def spreads(config: Any) -> None:
        addresses = [f"127.0.0.1:{port}" for port in ports]
        config["exporters"]["loadbalancing"]["resolver"] = {"static": {"hostnames": addresses}}

    back = [
        configure(folder / f"back-{at}", "demo-spangate", mlflow, listens_at(port))
        for at, port in enumerate(ports)
    ]
    front = [
        configure(folder / f"front-{at}", "demo-spangate-front", mlflow, spreads) for at in range(2)
    ]
    try:
        await asyncio.gather(*(gateway.start() for gateway in back + front))
        yield front, back
    finally:
        for gateway in front + back:
            await gateway.abandon()


def trace(parts: int) -> list[ExportTraceServiceRequest]:
    """Return a trace in requests of one span each, the root last."""
    own_id, root = os.urandom(16), os.urandom(8)
    requests = []
    for part in reversed(range(parts)):
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        # Who sends this would like to be somebody else.
        resource.resource.attributes.add(key="spangate.tenant").value.string_value = "search"
        resource.scope_spans.add().spans.add(
            trace_id=own_id,
            span_id=os.urandom(8) if part else root,
            parent_span_id=root if part else b"",
            name=f"part {part}",
            start_time_unix_nano=1_700_000_000_000_000_000 + part,
            end_time_unix_nano=1_700_000_001_000_000_000 + part,
        )
        requests.append(request)
    return requests


def trace_id(requests: list[ExportTraceServiceRequest]) -> bytes:
    """Return the id of a trace."""
    return bytes(spans_of(requests[0])[0].trace_id)


async def send(
    http: aiohttp.ClientSession, to: Gateway, request: ExportTraceServiceRequest, tenant: str
) -> None:
    """Send a request that must be accepted."""
    headers = {"Content-Type": "application/x-protobuf", "x-api-key": TENANTS[tenant]}
    body = request.SerializeToString()
    async with http.post(to.traces, data=body, headers=headers) as answer:
        assert 200 == answer.status, await answer.text()


async def accepted(http: aiohttp.ClientSession, gateway: Gateway) -> int:
    """Return how many spans a gateway has taken."""
    async with http.get(f"http://{gateway.endpoints['metrics']}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(
        int(float(line.split()[-1]))
        for line in lines if line.startswith("spangate_receiver_accepted_spans_total")
    )  # fmt: skip


async def test_whole_traces_are_sampled(tmp_path: Path, mlflow: MlflowApi) -> None:
    """Parts that come in everywhere meet in one place, under the right tenant, restart or not."""
    whole = {tenant: [trace(PARTS) for _ in range(TRACES // 2)] for tenant in TENANTS}
    part = trace(PARTS - 1)
    everything = [(t, one) for t, some in whole.items() for one in some] + [("search", part)]
    homes = {tenant: await mlflow.create_experiment(f"tiers-{tenant}") for tenant in TENANTS}
    async with (
        tiers(tmp_path, mlflow.url) as (front, back),
        aiohttp.ClientSession() as http,
    ):
        for tenant, requests in everything:
            for at, request in enumerate(requests[:-1]):
                await send(http, front[at % 2], request, tenant)
        waiting = sum(len(requests) - 1 for _, requests in everything)

        async def have_met() -> bool:
            return waiting == sum([await accepted(http, one) for one in back])

        await eventually(have_met, timeout_s=60, what="the arrival in the second tier")
        assert 0 == await back[0].end(gently=True)
        await back[0].start()
        for tenant, requests in everything:
            await send(http, front[0], requests[-1], tenant)
        for tenant, some in whole.items():
            wanted = {trace_id(one).hex() for one in some}

            async def is_there(home: str = homes[tenant], wanted: set[str] = wanted) -> bool:
                return wanted == await mlflow.trace_ids(home)

            await eventually(is_there, timeout_s=60, what="the arrival of whole traces")
        for gateway in front + back:
            assert 0 == await gateway.end(gently=True)
    for requests in whole["search"] + whole["checkout"]:
        assert PARTS == len(await mlflow.spans(trace_id(requests)))
    assert await mlflow.trace(trace_id(part)) is None
