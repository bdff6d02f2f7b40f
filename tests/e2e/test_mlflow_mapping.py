"""What a real MLflow server makes of mapped traces: types, totals, previews, filters."""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gateway.otlp import values
from gateway.plugin import Batch
from gateway.testing import processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping
from tests.e2e.mlflow_server import MlflowApi
from tests.e2e.sending import exporting, send
from tests.processors.mlflow_mapping.test_captures import CAPTURES, FILES, load
from tests.processors.mlflow_mapping.test_recorded import NAMES
from tests.processors.mlflow_mapping.test_recorded import load as load_recorded

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOKENS, COST = "mlflow.trace.tokenUsage", "mlflow.trace.cost"
HAS = {
    TOKENS: "span.attributes.`mlflow.chat.tokenUsage` LIKE '%total_%'",
    COST: "span.attributes.`mlflow.llm.cost` LIKE '%total_%'",
}
_serial = itertools.count(1)


_kept: dict[str, tuple[str, Batch]] = {}


def pipeline(batch: Batch, **settings: object) -> Batch:
    """Return a request after mapping and pricing, with trace ids new to the server."""
    batch = processor(MlflowMapping, **settings).process(batch)
    batch = processor(Cost).process(batch)
    fresh: dict[bytes, bytes] = {}
    for span in batch:
        span.proto.trace_id = fresh.setdefault(span.trace_id, os.urandom(16))
    return batch


async def stored(mlflow: MlflowApi, batch: Batch) -> str:
    """Send a batch to an experiment of its own and return the id."""
    name = f"mapping-{next(_serial)}"
    async with exporting(mlflow.url, experiment={"default": name}) as exporter:
        await send(exporter, batch)
    return str((await mlflow.experiment(name))["experiment_id"])


async def kept(mlflow: MlflowApi, capture: dict[str, Any]) -> tuple[str, Batch]:
    """Return the experiment that holds a recorded request, sent once, and what was sent."""
    key = f"{mlflow.url} {capture['file']}"
    if key not in _kept:
        batch = pipeline(load(capture))
        _kept[key] = await stored(mlflow, batch), batch
    return _kept[key]


async def found(mlflow: MlflowApi, experiment_id: str, condition: str) -> list[dict[str, Any]]:
    """Return the traces of an experiment that a filter finds."""
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    body = {"locations": [place], "max_results": 500, "filter": condition}
    answer = await mlflow.call("POST", "/api/3.0/mlflow/traces/search", json=body)
    traces: list[dict[str, Any]] = answer.get("traces", [])
    return traces


def total(infos: list[dict[str, Any]], key: str, field: str) -> float:
    """Return the sum of one number over the metadata of traces."""
    held = (json.loads(info.get("trace_metadata", {}).get(key, "{}")) for info in infos)
    return sum(numbers.get(field) or 0 for numbers in held)


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
async def test_totals_are_those_of_the_calls(mlflow: MlflowApi, capture: dict[str, Any]) -> None:
    """Tokens and dollars of an experiment's traces add up to those of the models' calls."""
    experiment_id, _ = await kept(mlflow, capture)
    infos = await mlflow.trace_infos(experiment_id)

    assert capture["n_traces"] == len(infos)
    assert capture["topmost_totals"] == {
        "input": total(infos, TOKENS, "input_tokens"),
        "output": total(infos, TOKENS, "output_tokens"),
        "cache_read": total(infos, TOKENS, "cache_read_input_tokens"),
        "cache_write": total(infos, TOKENS, "cache_creation_input_tokens"),
    }
    assert pytest.approx(capture["leaf_cost_usd"]) == total(infos, COST, "total_cost")


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
async def test_filters_find_the_traces(mlflow: MlflowApi, capture: dict[str, Any]) -> None:
    """MLflow's search finds traces by type, tokens, cost and model, and finds no others."""
    experiment_id, batch = await kept(mlflow, capture)
    wanted: dict[str, set[str]] = {}
    for span in batch:
        trace_id = f"tr-{span.trace_id.hex()}"
        for condition in conditions(span.attributes):
            wanted.setdefault(condition, set()).add(trace_id)

    for condition, traces in wanted.items():
        hits = await found(mlflow, experiment_id, condition)
        assert traces == {hit["trace_id"] for hit in hits}, condition
    for metadata in (TOKENS, COST):
        hits = await found(mlflow, experiment_id, f"metadata.`{metadata}` IS NOT NULL")
        counted = {hit["trace_id"] for hit in hits}
        assert wanted[HAS[metadata]] == counted


def conditions(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the filters that must find a span's trace."""
    yield f"span.type = '{attributes['mlflow.spanType']}'"
    for key in ("mlflow.chat.tokenUsage", "mlflow.llm.cost"):
        if key in attributes:
            yield f"span.attributes.`{key}` LIKE '%total_%'"
    if model := attributes.get("mlflow.llm.model"):
        yield f"span.attributes.`mlflow.llm.model` LIKE '%{model}%'"


async def test_recorded_requests_are_taken_whole(mlflow: MlflowApi) -> None:
    """What forty instrumentations write is stored, each trace with its calls' tokens and cost."""
    batches = [pipeline(load_recorded(name)) for name in NAMES]
    spans = {(span.trace_id, span.span_id): span for batch in batches for span in batch}
    tokens, costs = Counter[str](), Counter[str]()
    for span in spans.values():
        trace_id = f"tr-{span.trace_id.hex()}"
        if usage := span.attributes.json("mlflow.chat.tokenUsage"):
            around = spans.get((span.trace_id, span.parent_span_id))
            while around is not None and "mlflow.chat.tokenUsage" not in around.attributes:
                around = spans.get((span.trace_id, around.parent_span_id))
            tokens[trace_id] += 0 if around is not None else usage["total_tokens"]
        if cost := span.attributes.json("mlflow.llm.cost"):
            costs[trace_id] += cost["total_cost"]
    merged = Batch(b"".join(batch.encode() for batch in batches))

    infos = await mlflow.trace_infos(await stored(mlflow, merged))

    assert {f"tr-{trace_id.hex()}" for trace_id, _ in spans} == {i["trace_id"] for i in infos}
    for info in infos:
        trace_id = info["trace_id"]
        assert tokens[trace_id] == total([info], TOKENS, "total_tokens"), trace_id
        assert pytest.approx(costs[trace_id]) == total([info], COST, "total_cost"), trace_id


PREVIEWS = {
    "oi-langgraph-01.bin": ("Weather in Paris?", "It is sunny in Paris, 21 degrees."),
    "langsmith-01.bin": ("Weather in Paris?", "It is sunny in Paris, 21 degrees."),
    "pydantic-v2-01.bin": ("Weather in Paris?", "It is sunny in Paris, 21 degrees."),
    "pydantic-v3-01.bin": ("Weather in Paris?", "It is sunny in Paris, 21 degrees. "),
    "vercel-proto-01.bin": ("Weather in Paris?", "It is sunny in Paris, 21 degrees."),
    "traceloop-openai-01.bin": ("Weather in Paris?", "It is sunny in Paris, 21 degrees."),
}


@pytest.mark.parametrize("capture", [c for c in CAPTURES if c["file"] in PREVIEWS],
                         ids=list(PREVIEWS))  # fmt: skip
async def test_previews_are_what_was_asked_and_answered(
    mlflow: MlflowApi, capture: dict[str, Any]
) -> None:
    """MLflow's list shows the question and the answer, not JSON."""
    experiment_id, _ = await kept(mlflow, capture)
    infos = await mlflow.trace_infos(experiment_id)

    previews = {
        (info.get("request_preview"), info.get("response_preview", "").rstrip()) for info in infos
    }
    question, answer = PREVIEWS[capture["file"]]
    assert (question, answer.rstrip()) in previews


async def test_session_user_name_and_tags_arrive(mlflow: MlflowApi) -> None:
    """What makes a trace findable is where MLflow looks for it."""
    capture = next(c for c in CAPTURES if c["file"] == "oi-openai-01.bin")

    experiment_id, batch = await kept(mlflow, capture)
    info, *_ = await mlflow.trace_infos(experiment_id)

    assert "sess-1" == info["trace_metadata"]["mlflow.trace.session"]
    assert "user-1" == info["trace_metadata"]["mlflow.trace.user"]
    tags = info["tags"]
    assert ("test", "a, b", "oi-openai") == (tags["env"], tags["tags"], tags["service.name"])
    assert "service.instance.id" not in tags
    name = str(next(iter(batch)).attributes["mlflow.traceTag.mlflow.traceName"])
    for condition in (
        "metadata.`mlflow.trace.session` = 'sess-1'",
        "metadata.`mlflow.trace.user` = 'user-1'",
        "tags.env = 'test'",
        f"trace.name = '{name}'",
    ):
        assert await found(mlflow, experiment_id, condition), condition


@pytest.mark.parametrize("keep", [True, False])
async def test_inputs_and_outputs_are_read_back_whole(mlflow: MlflowApi, *, keep: bool) -> None:
    """A call's conversation is stored as an object, whether sources stay or go."""
    capture = next(c for c in CAPTURES if c["file"] == "traceloop-openai-01.bin")
    batch = pipeline(load(capture), keep_source_attributes=keep)
    experiment_id = await stored(mlflow, batch)

    (span,) = await mlflow.spans(batch.spans[0].trace_id)
    attributes = {field.key: values.decode(field.value) for field in span.attributes}
    assert await mlflow.trace_ids(experiment_id)
    assert "CHAT_MODEL" == _said(attributes["mlflow.spanType"])
    inputs = _said(attributes["mlflow.spanInputs"])
    assert ["system", "user"] == [message["role"] for message in inputs["messages"]]
    assert keep is ("gen_ai.input.messages" in attributes)


def _said(value: Any) -> Any:
    """Return what MLflow wrote as JSON, in whatever layer."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
