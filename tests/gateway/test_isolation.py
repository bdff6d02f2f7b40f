"""A tenant never writes into, creates or learns of another's experiment, however it tries."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from exporters.mlflow.destinations import Destination
from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Batch
from gateway.queue.dead_letters import DeadLetter, LetterFile
from gateway.testing import batch
from tests.e2e.mlflow_server import eventually
from tests.gateway.cli.support import call
from tests.gateway.running import Gateway, gateway

SEARCH = "fake-" + "token-search"
PAY = "fake-" + "token-pay"
OPEN = "fake-" + "token-open"
NODE = "fake-" + "token-node"

CONFIG = f"""
receivers:
  otlp:
    auth:
      tenant_attribute: k8s.namespace.name
      tenants:
        - {{name: search, tokens: [{SEARCH}], experiment: search-llm, from_header: true,
           rules: [{{match: {{team: "*"}}, experiment: "{{team}}-llm"}}],
           experiments: ["search-*"]}}
        - {{name: open, tokens: [{OPEN}]}}
        - {{name: pay, tokens: [{PAY}], experiment: pay-llm, experiments: ["pay-*"]}}
        - {{name: node, tokens: [{NODE}], trusted: true}}
exporters:
  mlflow:
    endpoint: URL
    experiment:
      default: llm
      rules: [{{match: {{to: "*"}}, experiment: "{{to}}"}}]
    sending_queue: {{storage: memory}}
    batch: {{flush_timeout: 20ms}}
    retry_on_failure: {{initial_interval: 20ms, max_interval: 50ms}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}}}}}
"""

VERSIONS = pytest.mark.parametrize("world", ["3.17.2", "3.18.0"], indirect=True)
Attack = Callable[["World"], tuple[dict[str, Any], dict[str, str]]]


def letter(tenant: str, experiment: str) -> DeadLetter:
    """Return a dead letter that names its tenant as its trace, and its experiment as its span."""
    return DeadLetter(
        time_unix_ns=1,
        exporter="mlflow",
        destination=experiment,
        reason="refused",
        attempts=1,
        trace_id=tenant,
        span_id="",
        name=experiment,
        request=base64.b64encode(batch({}).encode()).decode(),
        key=Destination(name=experiment, tenant=tenant).key,
    )


class World:
    """A gateway with tenants, and the MLflow behind it."""

    def __init__(self, server: FakeMlflow, running: Gateway, pay: str) -> None:
        self.server = server
        self.running = running
        self.pay = pay
        """Id of the experiment of the tenant ``pay``."""

    async def send(
        self, sent: Batch, token: str, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send over HTTP as a tenant."""
        status, body, _ = await self.running.post(
            sent.encode(), {"x-api-key": token} | (headers or {})
        )
        return status, body

    async def settled(self) -> None:
        """Return once everything is delivered or given up."""

        async def empty() -> bool:
            return self.running.service.status().exporters[0].waiting_spans == 0

        await eventually(empty, timeout_s=20, what="delivery of everything")

    def written(self) -> dict[str, int]:
        """Return the number of spans in each experiment that has some."""
        return {e.name: len(e.spans) for e in self.server.experiments.values() if e.spans}


@pytest.fixture
async def world(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """Run a gateway for an MLflow in which ``pay`` has an experiment and a run."""
    async with FakeMlflow() as server:
        pay = server.add_experiment("pay-llm")
        server.runs["run-of-pay"] = pay
        server.runs["run-of-search"] = server.add_experiment("search-llm")
        server.version = getattr(request, "param", "3.18.0")
        server.merges = server.version < "3.18"
        async with gateway(tmp_path, CONFIG.replace("URL", server.url)) as running:
            yield World(server, running, pay)


ATTACKS: dict[str, Attack] = {
    "header": lambda w: ({}, {"x-mlflow-experiment-id": w.pay}),
    "header with zeros": lambda w: ({}, {"x-mlflow-experiment-id": f"00{w.pay}"}),
    "attribute by name": lambda _: ({"mlflow.experiment": "pay-llm"}, {}),
    "attribute by id": lambda w: ({"mlflow.experiment": w.pay}, {}),
    "attribute as a number": lambda w: ({"mlflow.experiment": int(w.pay)}, {}),
    "attribute with spaces": lambda _: ({"mlflow.experiment": " pay-llm "}, {}),
    "workspace of the gateway by its name": lambda w: (
        {},
        {"x-mlflow-experiment-id": w.pay, "x-mlflow-workspace": "default"},
    ),
    "name in another workspace": lambda _: (
        {"mlflow.experiment": "pay-llm"},
        {"x-mlflow-workspace": "elsewhere"},
    ),
    "new experiment": lambda _: ({"mlflow.experiment": "pay-new"}, {}),
    "own template": lambda _: ({"team": "pay"}, {}),
    "template for all": lambda _: ({"to": "pay-llm"}, {}),
    "template for all by id": lambda w: ({"to": w.pay}, {}),
    "trusted attribute": lambda _: (
        {"k8s.namespace.name": "pay", "mlflow.experiment": "pay-llm"},
        {},
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("token", [SEARCH, OPEN], ids=["with list", "without list"])
async def test_other_experiments_are_out_of_reach(world: World, attack: str, token: str) -> None:
    """Every way of choosing is refused with 403 / PERMISSION_DENIED, or confined; none writes."""
    if attack == "own template" and token == OPEN:
        pytest.skip("this tenant has no rules")
    resource, headers = ATTACKS[attack](world)
    sent = batch({}, resource=resource)
    before = len(world.server.experiments)

    status, _ = await world.send(sent, token, headers)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.running.call(sent.encode(), {"x-api-key": token} | headers)
    await world.settled()

    assert (403, grpc.StatusCode.PERMISSION_DENIED) == (status, caught.value.code())
    assert {} == world.written()
    assert before == len(world.server.experiments)


async def test_own_experiments_are_within_reach(world: World) -> None:
    """The same tenants write where they may, and a trusted one for whom it names."""
    assert 200 == (await world.send(batch({}), SEARCH))[0]
    assert 200 == (await world.send(batch({}, resource={"team": "search"}), SEARCH))[0]
    assert 200 == (await world.send(batch({}), OPEN))[0]
    assert 200 == (await world.send(batch({}, resource={"k8s.namespace.name": "pay"}), NODE))[0]
    await world.settled()

    assert {"search-llm": 2, "llm": 1, "pay-llm": 1} == world.written()


async def test_hidden_in_a_merged_request(world: World) -> None:
    """One foreign resource among own ones is refused with them: nothing slips through."""
    mixed = batch({}, resource={"mlflow.experiment": "search-a"})
    other = batch({}, resource={"mlflow.experiment": "pay-llm"})
    mixed.request.resource_spans.add().CopyFrom(other.peek.resource_spans[0])

    assert 403 == (await world.send(mixed, SEARCH))[0]
    await world.settled()
    assert {} == world.written()


async def test_trusted_tenants_keep_others_apart(world: World) -> None:
    """What one tenant may not is refused for it alone, also by way of a trusted sender."""
    merged = ExportTraceServiceRequest()
    for resource in (
        {"k8s.namespace.name": "search", "mlflow.experiment": "pay-llm"},
        {"k8s.namespace.name": "pay"},
    ):
        merged.resource_spans.add().CopyFrom(batch({}, resource=resource).peek.resource_spans[0])

    status, body = await world.send(Batch(merged.SerializeToString()), NODE)
    await world.settled()

    assert 200 == status
    assert b'tenant "search"' in body
    assert {"pay-llm": 1} == world.written()


@pytest.mark.parametrize(("run", "linked"), [("run-of-pay", None), ("run-of-search", True)])
async def test_runs_of_others_get_no_links(world: World, run: str, linked: bool | None) -> None:
    """Traces arrive in the tenant's own experiment, linked only to a run of that experiment."""
    assert 200 == (await world.send(batch({}), SEARCH, {"x-mlflow-run-id": run}))[0]
    await world.settled()

    (posted,) = world.server.calls("/v1/traces")
    assert {"search-llm": 1} == world.written()
    assert (run if linked else None) == posted.headers.get("x-mlflow-run-id")


async def test_workspaces_of_others_are_closed(world: World) -> None:
    """A tenant with an allow list cannot take its names to another workspace."""
    assert 403 == (await world.send(batch({}), SEARCH, {"x-mlflow-workspace": "pay"}))[0]


@VERSIONS
async def test_a_known_trace_id_opens_nothing(world: World) -> None:
    """Spans with the trace id of another tenant's trace never reach that trace."""
    mine = batch({})
    assert 200 == (await world.send(mine, PAY))[0]
    await world.settled()
    stranger = Batch(mine.encode())
    for span in stranger:
        span.proto.span_id = b"stranger"

    await world.send(stranger, SEARCH)
    await world.settled()

    assert {"pay-llm": 1} == world.written()
    assert 1 == world.running.service.status().dead_letters


@VERSIONS
async def test_a_trace_id_taken_early_harms_no_one(world: World) -> None:
    """Whoever comes first with a trace id draws no spans of others to itself."""
    theirs = batch({})
    stranger = Batch(theirs.encode())
    for span in stranger:
        span.proto.span_id = b"stranger"
    await world.send(stranger, SEARCH)
    await world.settled()

    await world.send(theirs, PAY)
    await world.settled()

    assert {"search-llm": 1} == world.written()
    assert 1 == world.running.service.status().dead_letters, "kept for a person, not lost"


@pytest.mark.parametrize("world", ["3.17.2"], indirect=True)
async def test_a_trace_that_two_begin_at_once_is_of_one(world: World) -> None:
    """Where MLflow adds spans to a trace wherever it is, nobody slips in between look and write."""
    for _ in range(10):
        theirs = batch({})
        stranger = Batch(theirs.encode())
        for span in stranger:
            span.proto.span_id = b"stranger"
        await asyncio.gather(world.send(theirs, PAY), world.send(stranger, SEARCH))
    await world.settled()

    homes = {e.name: {span for _, span in e.spans} for e in world.server.experiments.values()}
    assert b"stranger" not in homes["pay-llm"]
    assert homes["search-llm"] <= {b"stranger"}
    assert 10 == sum(world.written().values())
    assert 10 == world.running.service.status().dead_letters


async def test_a_name_is_what_mlflow_takes_it_for(world: World) -> None:
    """Where MLflow's database finds one name by another (MySQL), whose it is decides."""
    document = {"experiment_id": world.pay, "name": "pay-llm", "lifecycle_stage": "active"}
    for _ in range(4):
        answer = json.dumps({"experiment": document})
        world.server.answer_next(200, answer, path="/experiments/get-by-name")

    assert 200 == (await world.send(batch({}, resource={"mlflow.experiment": "páy-llm"}), OPEN))[0]
    await world.settled()

    assert {} == world.written()
    assert 1 == world.running.service.status().dead_letters


async def test_tags_lead_to_no_other_files(world: World) -> None:
    """A trace's tags cannot send who reads it to what another tenant has in the artifact store."""
    location = "mlflow.traceTag.mlflow.artifactLocation"
    assert 200 == (await world.send(batch({location: f"mlflow-artifacts:/{world.pay}"}), SEARCH))[0]
    await world.settled()

    (posted,) = world.server.calls("/v1/traces")
    (span,) = Batch(posted.body)
    assert location not in span.attributes


async def test_names_of_tenants_are_not_told(world: World) -> None:
    """Nobody learns from a refusal which tenants or experiments there are."""
    texts = [
        (await world.send(batch({}), SEARCH, {"x-mlflow-experiment-id": number}))[1]
        for number in (world.pay, "9")
    ]
    unauthenticated = (await world.send(batch({}), "no-" + "token"))[1]

    for text in (*texts, unauthenticated):
        assert b"pay" not in text
    assert texts[0].replace(f"id {world.pay}:".encode(), b"id 9:") == texts[1]


async def test_rights_that_go_are_gone(tmp_path: Path) -> None:
    """What a tenant was allowed before its settings changed is decided anew."""
    (tmp_path / "tenants.d").mkdir()
    file = tmp_path / "tenants.d" / "search.yaml"
    text = f"name: search\ntokens: [{SEARCH}]\nexperiments: [LIST]\n"
    file.write_text(text.replace("LIST", "a, b"))
    start, _, rest = CONFIG.partition("      tenants:")
    config = f"{start}      tenants_from: tenants.d\n{rest[rest.index('exporters:') :]}"
    sent = batch({}, resource={"mlflow.experiment": "a"}).encode()
    async with (
        FakeMlflow() as server,
        gateway(tmp_path, config.replace("URL", server.url)) as running,
    ):
        assert 200 == (await running.post(sent, {"x-api-key": SEARCH}))[0]
        file.write_text(text.replace("LIST", "b"))

        async def refused() -> bool:
            return (await running.post(sent, {"x-api-key": SEARCH}))[0] == 403

        await eventually(refused, timeout_s=20, what="the new list")


async def test_replay_asks_again(tmp_path: Path) -> None:
    """What a tenant was allowed when its spans came opens nothing once that has changed."""
    letters = LetterFile(tmp_path / "data" / "dead-letters")
    places = [("search", "search-llm"), ("open", "llm"), ("search", "pay-llm"), ("open", "pay-llm")]
    letters.add([letter(tenant, experiment) for tenant, experiment in places])
    async with FakeMlflow() as server:
        server.add_experiment("pay-llm")
        config = tmp_path / "gateway.yaml"
        config.write_text(CONFIG.replace("URL", server.url))
        data = f"service.data_dir={tmp_path / 'data'}"
        done = await asyncio.to_thread(
            call, "dead-letters", "replay", "--all", "--config", config, "--set", data
        )
        written = {e.name: len(e.spans) for e in server.experiments.values() if e.spans}

    assert {"search-llm": 1, "llm": 1} == written
    assert places[2:] == [(x.trace_id, x.name) for x in letters.read()]
    for text in ('tenant "search" may no longer', 'tenant "open" may no longer', '"audit": true'):
        assert text in done.stderr


async def test_status_is_closed_to_senders(world: World) -> None:
    """The receivers' ports show nothing of the status page."""
    async with aiohttp.ClientSession() as session:
        for path in ("/status.json", "/metrics", "/"):
            async with session.get(world.running.url(path)) as answer:
                assert 404 == answer.status
