"""Several gateways before one MLflow, as pods are: processes with data directories of their own."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.local_mlflow import LocalMlflow
from tests.e2e.compare import spans_of
from tests.e2e.conftest import free_port, running
from tests.e2e.mlflow_server import MlflowApi, eventually
from tests.gateway.real import Gateway

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
processors: {{redaction: {{}}, mlflow_mapping: {{}}, cost: {{}}}}
exporters:
  mlflow:
    endpoint: {mlflow}
    experiment:
      default: {name}-default
      rules: [{{match: {{service.name: "*"}}, experiment: "{name}-{{service.name}}"}}]
    batch: {{flush_timeout: 50ms}}
    retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms}}
service:
  shutdown_timeout: 5s
  pipelines:
    traces:
      receivers: [otlp]
      processors: [redaction, mlflow_mapping, cost]
      exporters: [mlflow]
  telemetry: {{metrics: {{endpoint: "127.0.0.1:0"}}, status: {{endpoint: "127.0.0.1:0"}}}}
"""
TRACES = 12
Trace = list[ExportTraceServiceRequest]
"""The requests of one trace, one from each of its services."""


@asynccontextmanager
async def gateways(
    folder: Path, number: int, mlflow: str, name: str
) -> AsyncIterator[list[Gateway]]:
    """Run gateways that share nothing but MLflow."""
    async with AsyncExitStack() as stack:
        started: list[Gateway] = []
        for pod in range(number):
            started.append(await one(folder / f"pod-{pod}", mlflow, name))
            stack.push_async_callback(ended, started[-1])
        yield started


async def one(folder: Path, mlflow: str, name: str) -> Gateway:
    """Start the gateway of one pod."""
    configure(folder, mlflow, name)
    gateway = Gateway(folder)
    await gateway.start()
    return gateway


def configure(folder: Path, mlflow: str, name: str) -> None:
    """Write the configuration of one pod."""
    folder.mkdir(exist_ok=True)
    (folder / "gateway.yaml").write_text(CONFIG.format(mlflow=mlflow, name=name))


async def ended(gateway: Gateway) -> None:
    """End a gateway that has not ended yet."""
    if gateway.is_running:
        await gateway.end(gently=True)


def trace(services: int, spans: int = 3) -> Trace:
    """Return a trace that several services took part in, each with some spans."""
    trace_id, root = os.urandom(16), os.urandom(8)
    requests: Trace = []
    for service in range(services):
        request = ExportTraceServiceRequest()
        resource_spans = request.resource_spans.add()
        resource_spans.resource.attributes.add(
            key="service.name"
        ).value.string_value = f"service-{service}"
        scope_spans = resource_spans.scope_spans.add()
        for number in range(spans):
            is_root = service == number == 0
            scope_spans.spans.add(
                trace_id=trace_id,
                span_id=root if is_root else os.urandom(8),
                parent_span_id=b"" if is_root else root,
                name=f"step {number}",
                start_time_unix_nano=1_700_000_000_000_000_000 + number,
                end_time_unix_nano=1_700_000_001_000_000_000 + number,
            )
        requests.append(request)
    return requests


async def send(
    http: aiohttp.ClientSession, to: Gateway, request: ExportTraceServiceRequest
) -> None:
    """Send a request that must be accepted."""
    headers = {"Content-Type": "application/x-protobuf"}
    body = request.SerializeToString()
    async with http.post(to.traces, data=body, headers=headers) as answer:
        assert 200 == answer.status, await answer.text()


async def check_whole(mlflow: MlflowApi, traces: Sequence[Trace]) -> None:
    """Wait until every span of every trace is in MLflow, each trace in one experiment."""
    for requests in traces:
        wanted = {span.span_id for request in requests for span in spans_of(request)}
        trace_id = spans_of(requests[0])[0].trace_id

        async def is_whole(trace_id: bytes = trace_id, wanted: set[bytes] = wanted) -> bool:
            return wanted == {span.span_id for span in await mlflow.spans(trace_id)}

        await eventually(is_whole, timeout_s=60, what="the arrival of a whole trace")


@pytest.mark.parametrize("number", [pytest.param(2, marks=pytest.mark.nightly), 3])
async def test_a_trace_over_several_gateways_is_whole(
    tmp_path: Path, mlflow: MlflowApi, number: int
) -> None:
    """Gateways that would choose different experiments leave a trace in the first one's."""
    name = f"several-{number}"
    traces = [trace(number) for _ in range(TRACES)]
    async with (
        gateways(tmp_path, number, mlflow.url, name) as pods,
        aiohttp.ClientSession() as http,
    ):
        await asyncio.gather(
            *(
                send(http, pod, request)
                for requests in traces
                for pod, request in zip(pods, requests, strict=True)
            )
        )
        await check_whole(mlflow, traces)
        homes = await homes_of(mlflow, [f"{name}-service-{service}" for service in range(number)])
    assert {1} == set(homes.values())
    assert TRACES == len(homes)
    for pod in range(number):
        assert not list((tmp_path / f"pod-{pod}").glob("spangate-data/dead-letters/*.jsonl"))


async def homes_of(mlflow: MlflowApi, experiments: Sequence[str]) -> dict[str, int]:
    """Return in how many of the experiments each trace is."""
    homes: dict[str, int] = {}
    for name in experiments:
        experiment = await mlflow.experiment(name)
        for trace_id in await mlflow.trace_ids(experiment["experiment_id"]):
            homes[trace_id] = homes.get(trace_id, 0) + 1
    return homes


async def test_a_gateway_removed_in_an_outage_loses_nothing(tmp_path: Path) -> None:
    """What it could not send stays in its data directory, and goes out once that is used again."""
    server = LocalMlflow(tmp_path / "mlflow", free_port())
    traces = [trace(2) for _ in range(TRACES)]
    async with (
        gateways(tmp_path, 2, server.url, "removed") as (stays, goes),
        aiohttp.ClientSession() as http,
    ):
        for requests in traces:
            await send(http, stays, requests[0])
            await send(http, goes, requests[1])
        assert 0 == await goes.end(gently=True)
        async with running(server), MlflowApi(server.url) as mlflow:
            await check_whole(mlflow, [requests[:1] for requests in traces])
            again = await one(tmp_path / "pod-1", server.url, "removed")
            await check_whole(mlflow, traces)
            assert 0 == await again.end(gently=True)
            assert 0 == await stays.end(gently=True)


@pytest.mark.nightly
async def test_what_follows_in_an_outage_finds_its_trace(tmp_path: Path) -> None:
    """Another gateway got it, would choose another experiment, and the one that knew is gone."""
    server = LocalMlflow(tmp_path / "mlflow", free_port())
    traces = [trace(2) for _ in range(TRACES)]
    async with (
        gateways(tmp_path, 2, server.url, "followed") as (stays, goes),
        aiohttp.ClientSession() as http,
    ):
        async with running(server), MlflowApi(server.url) as mlflow:
            for requests in traces:
                await send(http, goes, requests[0])
            await check_whole(mlflow, [requests[:1] for requests in traces])
        for requests in traces:
            await send(http, stays, requests[1])
        assert 0 == await goes.end(gently=True)
        async with running(server), MlflowApi(server.url) as mlflow:
            await check_whole(mlflow, traces)
            homes = await homes_of(mlflow, ["followed-service-0"])
            assert 0 == await stays.end(gently=True)
    assert TRACES == len(homes)
