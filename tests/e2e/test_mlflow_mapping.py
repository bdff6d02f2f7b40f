"""What a real MLflow server makes of mapped traces: types, totals, previews, filters."""

import itertools
import json
import os
from typing import Any

import pytest

from gateway.otlp import values
from gateway.plugin import Batch
from gateway.testing import processor
from processors.mlflow_mapping import MlflowMapping
from tests.e2e.mlflow_server import MlflowApi
from tests.e2e.sending import exporting, send
from tests.processors.mlflow_mapping.test_captures import CAPTURES, FILES, load

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_serial = itertools.count(1)


def mapped(capture: dict[str, Any], **settings: object) -> Batch:
    """Return a recorded request, mapped, with trace ids that the server has not seen yet."""
    batch = processor(MlflowMapping, **settings).process(load(capture))
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


async def found(mlflow: MlflowApi, experiment_id: str, condition: str) -> list[dict[str, Any]]:
    """Return the traces of an experiment that a filter finds."""
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    body = {"locations": [place], "max_results": 500, "filter": condition}
    answer = await mlflow.call("POST", "/api/3.0/mlflow/traces/search", json=body)
    traces: list[dict[str, Any]] = answer.get("traces", [])
    return traces


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
async def test_totals_are_those_of_the_calls(mlflow: MlflowApi, capture: dict[str, Any]) -> None:
    """The tokens of an experiment's traces add up to what the models counted."""
    infos = await mlflow.trace_infos(await stored(mlflow, mapped(capture)))

    usages = [json.loads(info["trace_metadata"].get("mlflow.trace.tokenUsage", "{}"))
              for info in infos]  # fmt: skip
    assert capture["n_traces"] == len(infos)
    assert capture["topmost_totals"] == {
        "input": sum(usage.get("input_tokens", 0) for usage in usages),
        "output": sum(usage.get("output_tokens", 0) for usage in usages),
        "cache_read": sum(usage.get("cache_read_input_tokens", 0) for usage in usages),
        "cache_write": sum(usage.get("cache_creation_input_tokens", 0) for usage in usages),
    }


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
async def test_filters_find_span_types(mlflow: MlflowApi, capture: dict[str, Any]) -> None:
    """Every type that was written is found by MLflow's own search, on those traces alone."""
    batch = mapped(capture)
    by_type: dict[str, set[str]] = {}
    for span in batch:
        kind = str(span.attributes["mlflow.spanType"])
        by_type.setdefault(kind, set()).add(f"tr-{span.trace_id.hex()}")

    experiment_id = await stored(mlflow, batch)

    for kind, traces in by_type.items():
        hits = await found(mlflow, experiment_id, f"span.type = '{kind}'")
        assert traces == {hit["trace_id"] for hit in hits}, kind


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
    infos = await mlflow.trace_infos(await stored(mlflow, mapped(capture)))

    previews = {
        (info.get("request_preview"), info.get("response_preview", "").rstrip()) for info in infos
    }
    question, answer = PREVIEWS[capture["file"]]
    assert (question, answer.rstrip()) in previews


async def test_session_user_name_and_tags_arrive(mlflow: MlflowApi) -> None:
    """What makes a trace findable is where MLflow looks for it."""
    capture = next(c for c in CAPTURES if c["file"] == "oi-openai-01.bin")

    info, *_ = await mlflow.trace_infos(await stored(mlflow, mapped(capture)))

    assert "sess-1" == info["trace_metadata"]["mlflow.trace.session"]
    assert "user-1" == info["trace_metadata"]["mlflow.trace.user"]
    tags = info["tags"]
    assert ("test", "a, b", "oi-openai") == (tags["env"], tags["tags"], tags["service.name"])
    assert "service.instance.id" not in tags


@pytest.mark.parametrize("keep", [True, False])
async def test_inputs_and_outputs_are_read_back_whole(mlflow: MlflowApi, *, keep: bool) -> None:
    """A call's conversation is stored as an object, whether sources stay or go."""
    capture = next(c for c in CAPTURES if c["file"] == "traceloop-openai-01.bin")
    batch = mapped(capture, keep_source_attributes=keep)
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
