"""``mlflow`` in a whole gateway, on a server that answers as MLflow 3.18 does."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Batch
from gateway.testing import batch
from tests.e2e.mlflow_server import eventually
from tests.gateway.running import Gateway, gateway

TOKEN = "not-a-real-" + "token"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}

CONFIG = """
receivers:
  otlp:
    auth: {auth}
exporters:
  mlflow:
    endpoint: {url}
    experiment: {experiment}
    sending_queue: {{storage: memory}}
    batch: {{flush_timeout: 50ms}}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 100ms}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}}}}}
"""
TENANT = f"{{tenants: [{{name: search, tokens: [{TOKEN}], experiments: ['search-*']}}]}}"


@pytest.fixture
async def server() -> AsyncIterator[FakeMlflow]:
    """Run a server."""
    async with FakeMlflow() as running:
        yield running


@asynccontextmanager
async def to(
    server: FakeMlflow, folder: Path, experiment: str = "{default: llm}", auth: str = "{}"
) -> AsyncIterator[Gateway]:
    """Run a gateway that sends to a server."""
    text = CONFIG.format(url=server.url, experiment=experiment, auth=auth)
    async with gateway(folder, text) as running:
        yield running


async def settled(running: Gateway) -> None:
    """Return once nothing waits."""

    async def empty() -> bool:
        return running.service.status().exporters[0].waiting_spans == 0

    await eventually(empty, timeout_s=20, what="delivery of everything")


def letters(folder: Path) -> list[dict[str, object]]:
    """Return the dead letters."""
    path = folder / "data" / "dead-letters" / "letters.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def test_traces_follow_their_first_part_and_later_spans_with_them(
    server: FakeMlflow, tmp_path: Path
) -> None:
    """Of five traces two are elsewhere: all five are whole, and nobody asks twice."""
    homes = [server.add_experiment("one"), server.add_experiment("two")]
    sent = batch(*({} for _ in range(5)), one_trace=False)
    for home, span in zip(homes, sent.spans, strict=False):
        server.experiments[home].spans[span.trace_id, b"earlier!"] = span.peek

    async with to(server, tmp_path) as running:
        assert 200 == (await running.post(sent.encode()))[0]
        await settled(running)
        asked = len(server.calls("batchGetInfos"))
        later = Batch(sent.encode())
        for number, span in enumerate(later.spans):
            span.proto.span_id = (1 << 32 | number).to_bytes(8)
        assert 200 == (await running.post(later.encode()))[0]
        await settled(running)

    assert [3, 3] == [len(server.experiments[home].spans) for home in homes]
    (default,) = (one for one in server.experiments.values() if one.name == "llm")
    assert 6 == len(default.spans)
    assert asked
    assert asked == len(server.calls("batchGetInfos"))
    assert [] == letters(tmp_path)


async def test_poison_is_found_among_many(server: FakeMlflow, tmp_path: Path) -> None:
    """Two bad spans of eighty become dead letters with MLflow's words; the rest is stored."""
    server.poison = lambda span: span.name == "bad"
    sent = batch(*({} for _ in range(80)), one_trace=False)
    for span in (sent.spans[17], sent.spans[61]):
        span.name = "bad"

    async with to(server, tmp_path) as running:
        await running.post(sent.encode())
        await settled(running)

    assert 78 == len(server.experiments["1"].spans)
    found = letters(tmp_path)
    assert ["bad", "bad"] == [letter["name"] for letter in found]
    assert all("Cannot convert" in str(letter["reason"]) for letter in found)


async def test_header_that_is_no_id_is_the_senders_mistake(
    server: FakeMlflow, tmp_path: Path
) -> None:
    """400 and INVALID_ARGUMENT, with how to choose by name."""
    headers = {"x-mlflow-experiment-id": "checkout"}
    async with to(server, tmp_path) as running:
        status, body, _ = await running.post(batch({}).encode(), headers)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.call(batch({}).encode(), headers)

    assert 400 == status
    assert b"mlflow.experiment" in body
    assert grpc.StatusCode.INVALID_ARGUMENT is caught.value.code()


async def test_tenant_is_kept_to_its_experiments(server: FakeMlflow, tmp_path: Path) -> None:
    """403 and PERMISSION_DENIED outside the allow list, also by id; inside it spans arrive."""
    closed = server.add_experiment("payroll")
    inside = server.add_experiment("search-known")
    async with to(server, tmp_path, auth=TENANT) as running:
        outside = batch({}, resource={"mlflow.experiment": "payroll"}).encode()
        statuses = [
            (await running.post(batch({}).encode(), AUTHORIZED))[0],
            (await running.post(outside, AUTHORIZED))[0],
            (
                await running.post(
                    batch({}).encode(), AUTHORIZED | {"x-mlflow-experiment-id": closed}
                )
            )[0],
            (
                await running.post(
                    batch({}).encode(), AUTHORIZED | {"x-mlflow-experiment-id": inside}
                )
            )[0],
        ]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.call(outside, {"authorization": AUTHORIZED["Authorization"]})
        named = batch({}, resource={"mlflow.experiment": "search-new"}).encode()
        assert 200 == (await running.post(named, AUTHORIZED))[0]
        await settled(running)

    assert [403, 403, 403, 200] == statuses
    assert grpc.StatusCode.PERMISSION_DENIED is caught.value.code()
    assert {"search-known": 1, "search-new": 1} == {
        one.name: len(one.spans) for one in server.experiments.values() if one.spans
    }


async def test_one_resource_outside_refuses_the_whole_request(
    server: FakeMlflow, tmp_path: Path
) -> None:
    """A request is taken whole or not at all."""
    mixed = batch({}, resource={"mlflow.experiment": "search-a"})
    other = batch({}, resource={"mlflow.experiment": "payroll"})
    mixed.request.resource_spans.add().CopyFrom(other.peek.resource_spans[0])
    async with to(server, tmp_path, auth=TENANT) as running:
        status, _, _ = await running.post(mixed.encode(), AUTHORIZED)
        await settled(running)

    assert 403 == status
    assert not any(one.spans for one in server.experiments.values())


async def test_senders_credentials_are_not_passed_on(server: FakeMlflow, tmp_path: Path) -> None:
    """What proves a sender's identity to us is nobody else's business."""
    async with to(server, tmp_path, auth=TENANT) as running:
        sent = batch({}, resource={"mlflow.experiment": "search-a"})
        await running.post(sent.encode(), AUTHORIZED)
        await settled(running)

    assert server.calls("/v1/traces")
    assert not any(TOKEN in str(asked.headers) for asked in server.asked)


async def test_traces_of_one_request_go_each_its_way(server: FakeMlflow, tmp_path: Path) -> None:
    """A Collector that merges services sends one request; each service has its experiment."""
    merged = batch({}, resource={"service.name": "checkout-api"})
    for team in ("pay", "ship"):
        other = batch({}, resource={"team": team})
        merged.request.resource_spans.add().CopyFrom(other.peek.resource_spans[0])
    rules = (
        "{default: llm, rules: [{match: {service.name: 'checkout-*'}, experiment: checkout}, "
        "{match: {team: '*'}, experiment: 'team-{team}'}]}"
    )
    async with to(server, tmp_path, rules) as running:
        await running.post(merged.encode())
        await settled(running)

    found = {one.name: len(one.spans) for one in server.experiments.values() if one.spans}
    assert {"checkout": 1, "team-pay": 1, "team-ship": 1} == found


async def test_trouble_of_the_server_shows_with_advice_and_ends_by_itself(
    server: FakeMlflow, tmp_path: Path
) -> None:
    """While MLflow refuses our Host nothing is lost; the status says what to do until it ends."""
    async with to(server, tmp_path) as running:
        for _ in range(1000):
            server.answer_next(403, "Invalid Host header", "text/plain")
        await running.post(batch({}).encode())

        async def shown() -> bool:
            return any("--allowed-hosts" in reason for reason in running.service.status().degraded)

        await eventually(shown, what="the advice")
        server.forget_answers()
        await settled(running)

    assert 1 == len(server.experiments["1"].spans)
