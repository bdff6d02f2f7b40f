"""
Recorded requests of real instrumentations, mapped.

``tests/data/golden/mlflow_mapping`` holds what each span becomes; set ``UPDATE_GOLDEN=1`` to write
it anew, and read the difference before committing it.
"""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.batch import Batch
from gateway.otlp.json import decode_request
from gateway.testing import processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping
from processors.mlflow_mapping.keys import COST
from tests.processors.mlflow_mapping.conftest import plain

DATA = Path(__file__).parents[2] / "data"
GOLDEN = DATA / "golden" / "mlflow_mapping"
CAPTURES: list[dict[str, Any]] = json.loads((DATA / "captures" / "index.json").read_text())
FILES = [capture["file"] for capture in CAPTURES]

WRITTEN = ("mlflow.", "session.id", "user.id", "spangate.rollup", "spangate.original.",
           "spangate.cost.rule")  # fmt: skip

FINER_TYPES = {
    # (what MLflow's translators make of it, what we write): why
    ("UNKNOWN", "CHAIN"): "LangSmith says so, MLflow does not read it",
    ("UNKNOWN", "TASK"): "a rendered prompt",
}
"""Differences from the types in ``index.json``; docs/processors/mlflow_mapping.md explains them."""


def load(capture: dict[str, Any]) -> Batch:
    """Return a recorded request."""
    body = (DATA / "captures" / capture["file"]).read_bytes()
    if capture["content_encoding"] == "gzip":
        body = gzip.decompress(body)
    if capture["content_type"] == "application/json":
        return Batch(decode_request(body).SerializeToString())
    return Batch(body)


def mapped(capture: dict[str, Any], **settings: object) -> dict[str, dict[str, Any]]:
    """Return each span's attributes after mapping, by span id."""
    out = Batch(processor(MlflowMapping, **settings).process(load(capture)).encode())
    return {span.span_id.hex(): plain(span.attributes) for span in out}


def priced(capture: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return each span's attributes after mapping and pricing, by span id."""
    batch = processor(MlflowMapping).process(load(capture))
    found = {}
    for span in Batch(processor(Cost).process(batch).encode()):
        found[span.span_id.hex()] = attributes = plain(span.attributes)
        if COST in attributes:
            attributes[COST] = json.loads(attributes[COST])
    return found


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_becomes_what_the_golden_file_says(capture: dict[str, Any]) -> None:
    """Types, inputs, outputs, tools, tokens, models, costs, sessions and tags are as agreed."""
    names = {span["span_id"]: span["name"] for span in capture["spans"]}
    found = [
        {"span": names[span_id]}
        | {key: value for key, value in sorted(out.items()) if key.startswith(WRITTEN)}
        for span_id, out in priced(capture).items()
    ]
    path = GOLDEN / f"{capture['file'].removesuffix('.bin')}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")

    assert json.loads(path.read_text()) == found


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_types_agree_with_mlflow_or_are_finer(capture: dict[str, Any]) -> None:
    """Where MLflow's own translators know a span's type, ours is that one or a documented one."""
    out = mapped(capture)

    for span in capture["spans"]:
        expected, found = span["expected_type"], out[span["span_id"]]["mlflow.spanType"]
        assert expected == found or (expected, found) in FINER_TYPES, span["name"]


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_tokens_agree_with_what_was_counted(capture: dict[str, Any]) -> None:
    """Tokens are those that the instrumentation reported, input including the cache."""
    out = mapped(capture)

    for span in capture["spans"]:
        usage: dict[str, int] = out[span["span_id"]].get("mlflow.chat.tokenUsage", {})
        expected = span["usage"]
        if expected is None:
            assert not usage, span["name"]
            continue
        assert expected == {
            "input": usage["input_tokens"],
            "output": usage["output_tokens"],
            "cache_read": usage.get("cache_read_input_tokens", 0),
            "cache_write": usage.get("cache_creation_input_tokens", 0),
            # Logfire tells reasoning only in gen_ai.usage.raw, which MLflow does not read
            "reasoning": usage.get("reasoning_tokens", 0)
            if span["scope"] != "logfire.openai"
            else expected["reasoning"],
        }, span["name"]


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_costs_are_those_of_the_tokens(capture: dict[str, Any]) -> None:
    """Each call costs what its tokens cost, and nothing else costs anything."""
    out = priced(capture)

    for span in capture["spans"]:
        cost = out[span["span_id"]].get(COST)
        if span["cost_usd"] is None or span["rollup"]:
            assert cost is None, span["name"]
        else:
            assert cost is not None, span["name"]
            assert pytest.approx(span["cost_usd"]) == cost["total_cost"], span["name"]
    assert pytest.approx(capture["leaf_cost_usd"]) == sum(
        attributes[COST]["total_cost"] for attributes in out.values() if COST in attributes
    )


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_spans_that_repeat_tokens_are_marked_and_name_no_model(capture: dict[str, Any]) -> None:
    """What repeats its children's tokens cannot be priced, neither by us nor by MLflow."""
    out = mapped(capture)

    for span in capture["spans"]:
        found = out[span["span_id"]]
        below_native_sdk = span["scope"] == "pydantic-ai" and span["name"].startswith("chat ")
        if span["rollup"] and not below_native_sdk:
            assert found["spangate.rollup"] is True
            assert not found.get("mlflow.llm.model")
        else:
            assert "spangate.rollup" not in found
            assert span["model"] == found.get("mlflow.llm.model")


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_source_attributes_stay(capture: dict[str, Any]) -> None:
    """By default nothing that an instrumentation wrote is changed, but for MLflow's quotes."""
    before = {span.span_id.hex(): plain(span.attributes) for span in load(capture)}
    after = mapped(capture)

    for span_id, attributes in before.items():
        for key, value in attributes.items():
            if not key.startswith("mlflow."):
                assert value == after[span_id][key]


@pytest.mark.parametrize("capture", CAPTURES, ids=FILES)
def test_moving_makes_smaller_without_changing_the_result(capture: dict[str, Any]) -> None:
    """``keep_source_attributes: false`` drops sources and writes the same."""
    kept, moved = mapped(capture), mapped(capture, keep_source_attributes=False)

    for span_id, attributes in kept.items():
        assert {key: attributes[key] for key in moved[span_id]} == moved[span_id]
        assert {key for key in attributes if key.startswith(WRITTEN)} <= moved[span_id].keys()
