"""What the mlflow exporter promises, on a real MLflow server."""

import itertools
from collections.abc import Callable

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.local_mlflow import LocalMlflow
from gateway.plugin import Batch, BatchContext, Reject, Retry
from gateway.tenants import TenantConfig
from gateway.testing import batch
from tests.e2e.compare import differences, spans_of
from tests.e2e.mlflow_server import MlflowApi
from tests.e2e.sending import ExporterContext, exporting, routed, send

pytestmark = pytest.mark.e2e

_serial = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name for an experiment that no other test uses."""
    return f"{request.node.name[:200]}-{next(_serial)}"


def by_id(experiment_id: str, **headers: str) -> BatchContext:
    """Return the context of a sender that chose an experiment by id."""
    found = {"x-mlflow-experiment-id": experiment_id, **headers}
    return BatchContext(headers=tuple(sorted(found.items())))


async def test_missing_experiment_is_created_and_filled(mlflow: MlflowApi, name: str) -> None:
    """A name that MLflow does not know becomes an experiment that holds the trace whole."""
    sent = batch({"prompt": "hi"}, {"n": 1})

    async with exporting(mlflow.url, experiment={"default": name}) as exporter:
        await send(exporter, sent)

    experiment = await mlflow.experiment(name)
    assert {sent.spans[0].trace_id.hex()} == await mlflow.trace_ids(experiment["experiment_id"])
    stored = await mlflow.spans(sent.spans[0].trace_id)
    assert [] == differences(spans_of(sent.peek), stored)


async def test_missing_experiment_parks_its_destination_alone(mlflow: MlflowApi, name: str) -> None:
    """Without create_missing an unknown name waits, with advice, for that experiment only."""
    settings = {"default": name, "create_missing": False}
    async with exporting(mlflow.url, experiment=settings) as exporter:
        with pytest.raises(Retry) as caught:
            await send(exporter, batch({}))

    assert "destination" == caught.value.scope
    assert caught.value.advice is not None
    assert "create the experiment" in caught.value.advice


async def test_unknown_id_parks_its_destination_alone(mlflow: MlflowApi) -> None:
    """An id that MLflow does not know waits until somebody creates it or routes elsewhere."""
    async with exporting(mlflow.url, experiment={"default": 0}) as exporter:
        with pytest.raises(Retry, match="987654321") as caught:
            await send(exporter, batch({}, context=by_id("987654321")))

    assert ("destination", True) == (caught.value.scope, caught.value.advice is not None)


async def test_header_chooses_by_id(mlflow: MlflowApi, name: str) -> None:
    """The header of a sender wins over the default."""
    experiment_id = await mlflow.create_experiment(name)
    sent = batch({}, context=by_id(f" 0{experiment_id} "))

    async with exporting(mlflow.url, experiment={"default": 0}) as exporter:
        await send(exporter, sent)

    assert {sent.spans[0].trace_id.hex()} == await mlflow.trace_ids(experiment_id)


async def test_deleted_experiment_is_refused(mlflow: MlflowApi, name: str) -> None:
    """MLflow would hide what is sent to a deleted experiment, so it waits, and goes on later."""
    experiment_id = await mlflow.create_experiment(name)
    await mlflow.delete_experiment(experiment_id)
    sent = batch({})

    async with exporting(mlflow.url, experiment={"default": name}) as exporter:
        with pytest.raises(Retry, match="deleted") as caught:
            await send(exporter, sent)
        await mlflow.restore_experiment(experiment_id)
        await send(exporter, sent)

    assert caught.value.advice is not None
    assert "restore" in caught.value.advice
    assert 1 == len(await mlflow.trace_ids(experiment_id))


async def test_deleted_experiment_is_noticed_within_seconds(mlflow: MlflowApi, name: str) -> None:
    """An experiment that is deleted while in use takes nothing more once the answer is old."""
    experiment_id = await mlflow.create_experiment(name)
    context = ExporterContext()
    async with exporting(mlflow.url, context, experiment={"default": experiment_id}) as exporter:
        await send(exporter, batch({}))
        await mlflow.delete_experiment(experiment_id)
        context.clock.advance(11)
        with pytest.raises(Retry, match="deleted"):
            await send(exporter, batch({}))


async def test_deleted_experiment_is_restored_if_told(mlflow: MlflowApi, name: str) -> None:
    """With ``deleted: restore`` the experiment comes back and takes the trace."""
    experiment_id = await mlflow.create_experiment(name)
    await mlflow.delete_experiment(experiment_id)

    settings = {"default": name, "deleted": "restore"}
    async with exporting(mlflow.url, experiment=settings) as exporter:
        await send(exporter, batch({}))

    assert "active" == (await mlflow.experiment(name))["lifecycle_stage"]
    assert 1 == len(await mlflow.trace_ids(experiment_id))


async def test_run_is_linked(mlflow: MlflowApi, name: str) -> None:
    """``x-mlflow-run-id`` links a trace whose root is in the request to the run."""
    experiment_id = await mlflow.create_experiment(name)
    body = {"experiment_id": experiment_id, "run_name": "r"}
    run = await mlflow.call("POST", "/api/2.0/mlflow/runs/create", json=body)
    run_id = run["run"]["info"]["run_id"]

    async with exporting(mlflow.url, experiment={"default": 0}) as exporter:
        await send(exporter, batch({}, context=by_id(experiment_id, **{"x-mlflow-run-id": run_id})))

    query = {
        "locations": [
            {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
        ],
        "filter": f"attributes.run_id = '{run_id}'",
    }
    found = await mlflow.call("POST", "/api/3.0/mlflow/traces/search", json=query)
    assert 1 == len(found.get("traces", []))


async def test_workspace_is_left_out_where_the_server_has_none(
    mlflow: MlflowApi, name: str
) -> None:
    """A workspace in the settings does no harm to a server without workspaces, but is reported."""
    context = ExporterContext()
    async with exporting(
        mlflow.url, context, experiment={"default": name}, workspace="team-a"
    ) as exporter:
        await send(exporter, batch({}))

    experiment = await mlflow.experiment(name)
    assert 1 == len(await mlflow.trace_ids(experiment["experiment_id"]))
    assert any("has no workspaces" in event for _, event, _ in context.logger.lines)


async def test_page_leads_to_the_experiment(mlflow: MlflowApi, name: str) -> None:
    """After start the page of each experiment in the settings is known, by its id."""
    experiment_id = await mlflow.create_experiment(name)

    async with exporting(mlflow.url, experiment={"default": name}) as exporter:
        pages = exporter.pages()
        shown = exporter.describe(routed(exporter, batch({})).context.destination)

    assert {f"experiment {name}": f"{mlflow.url}/#/experiments/{experiment_id}/traces"} == pages
    assert f"experiment {name} (id {experiment_id})" == shown


def _trace_id(span: Span) -> None:
    span.trace_id = b""


def _span_id(span: Span) -> None:
    span.span_id = b""


def _long_ids(span: Span) -> None:
    span.trace_id, span.span_id = bytes(range(1, 21)), bytes(range(1, 17))


def _start(span: Span) -> None:
    span.start_time_unix_nano = 2**63


def _attribute(key: str, value: str | list[str] | float) -> Callable[[Span], None]:
    def spoil(span: Span) -> None:
        field = span.attributes.add(key=key)
        if isinstance(value, str):
            field.value.string_value = value
        elif isinstance(value, float):
            field.value.double_value = value
        else:
            field.value.array_value.SetInParent()
            for item in value:
                field.value.array_value.values.add(string_value=item)

    return spoil


POISONS: dict[str, Callable[[Span], None]] = {
    "empty trace id": _trace_id,
    "empty span id": _span_id,
    "long ids": _long_ids,
    "kind is a list": _attribute("openinference.span.kind", ["LLM"]),
    "operation is a list": _attribute("gen_ai.operation.name", ["chat"]),
    "operation is JSON": _attribute("gen_ai.operation.name", "[1]"),
    "cost is a number": _attribute("mlflow.llm.cost", 0.5),
    "cost is a list": _attribute("mlflow.llm.cost", "[1]"),
    "cost is text": _attribute("mlflow.llm.cost", '{"total_cost": "1"}'),
    "usage is text": _attribute("mlflow.chat.tokenUsage", '{"input_tokens": "1"}'),
    "usage is null": _attribute("mlflow.chat.tokenUsage", '{"input_tokens": null}'),
    "session is long": _attribute("session.id", "s" * 251),
    "start is beyond 63 bits": _start,
}


@pytest.mark.parametrize("kind", POISONS)
async def test_poison_asks_for_isolation(mlflow: MlflowApi, name: str, kind: str) -> None:
    """MLflow refuses the whole request for one bad span; its neighbours alone are stored."""
    good = batch({}, {}, one_trace=False)
    bad = batch({})
    POISONS[kind](bad.spans[0].proto)
    request = good.request
    request.resource_spans.add().CopyFrom(bad.peek.resource_spans[0])

    async with exporting(mlflow.url, experiment={"default": name}) as exporter:
        with pytest.raises(Reject) as caught:
            await send(exporter, Batch(request.SerializeToString()))
        nothing = await mlflow.trace_ids((await mlflow.experiment(name))["experiment_id"])
        del request.resource_spans[1]
        await send(exporter, Batch(request.SerializeToString()))

    assert caught.value.isolate
    assert set() == nothing
    assert 2 == len(await mlflow.trace_ids((await mlflow.experiment(name))["experiment_id"]))


async def test_broken_body_is_rejected(mlflow: MlflowApi, name: str) -> None:
    """What MLflow cannot parse at all is no outage."""
    async with exporting(mlflow.url, experiment={"default": name}) as exporter:
        destination = routed(exporter, batch({})).context
        with pytest.raises(Reject, match="400") as caught:
            await exporter.export(Batch(b"\x0a\xff", destination))

    assert caught.value.isolate


async def test_server_without_answer_is_retried(mlflow_server: LocalMlflow) -> None:
    """A server that is not there costs neither start nor spans."""
    async with exporting("http://127.0.0.1:9", experiment={"default": 0}) as exporter:
        with pytest.raises(Retry):
            await send(exporter, batch({}))


async def test_a_known_trace_id_opens_no_other_experiment(mlflow: MlflowApi, name: str) -> None:
    """Who knows the id of another tenant's trace cannot add to it, whatever MLflow would do."""
    tenants = {
        who: TenantConfig(name=who, experiment=f"{name}-{who}", experiments=[f"{name}-{who}"])
        for who in ("pay", "search")
    }
    sent = {who: batch({}, context=BatchContext(tenant=who)) for who in tenants}
    trace_id = sent["pay"].spans[0].trace_id
    sent["search"].spans[0].proto.trace_id = trace_id
    async with exporting(mlflow.url, ExporterContext(tenants)) as exporter:
        await send(exporter, sent["pay"])
        with pytest.raises(Reject, match="tenant may not use"):
            await send(exporter, sent["search"])
        await send(exporter, batch({}, context=BatchContext(tenant="search")))

    stored = await mlflow.spans(trace_id)
    assert [] == differences(spans_of(sent["pay"].peek), stored)


async def test_runs_of_other_experiments_get_no_links(mlflow: MlflowApi, name: str) -> None:
    """A run that MLflow does not know in the tenant's experiment does not hold up its traces."""
    tenants = {"pay": TenantConfig(name="pay", experiment=name, from_header=True)}
    context = BatchContext(tenant="pay", headers=(("x-mlflow-run-id", "0" * 32),))
    sent = batch({}, context=context)
    async with exporting(mlflow.url, ExporterContext(tenants)) as exporter:
        await send(exporter, sent)

    assert [] == differences(spans_of(sent.peek), await mlflow.spans(sent.spans[0].trace_id))
