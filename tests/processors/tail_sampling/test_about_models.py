"""What the policies about calls of models promise, in MLflow's terms and in raw dialects."""

from typing import Any

import pytest

from gateway.batch import Batch
from gateway.plugin import Value
from gateway.testing import batch, processor
from processors.cost import Cost
from processors.mlflow_mapping import MlflowMapping
from tests.processors.tail_sampling.judging import kept

CALL: dict[str, Value] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 1_000_000,
    "gen_ai.usage.output_tokens": 100_000,
}
OPENINFERENCE: dict[str, Value] = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.provider": "openai",
    "llm.token_count.prompt": 1_000_000,
    "llm.token_count.completion": 100_000,
}


def raw(attributes: dict[str, Any]) -> Batch:
    return batch({"http.route": "/chat"}, attributes)


def mapped(attributes: dict[str, Any]) -> Batch:
    return processor(MlflowMapping).process(raw(attributes))


def priced(attributes: dict[str, Any]) -> Batch:
    return processor(Cost).process(mapped(attributes))


WAYS = pytest.mark.parametrize("way", [raw, mapped, priced])
DIALECTS = pytest.mark.parametrize("call", [CALL, OPENINFERENCE])


@WAYS
@DIALECTS
def test_has_llm_span(way: Any, call: dict[str, Any]) -> None:
    """A call of a model anywhere in the trace, whatever the dialect."""
    assert kept({"type": "has_llm_span"}, way(call))
    assert not kept({"type": "has_llm_span"}, way({"db.system": "postgresql"}))


def test_other_types_of_spans() -> None:
    """``span_types`` names what counts."""
    policy = {"type": "has_llm_span", "has_llm_span": {"span_types": ["EMBEDDING"]}}
    assert not kept(policy, mapped(CALL))
    assert kept(policy, mapped({"gen_ai.operation.name": "embeddings"}))


@WAYS
@DIALECTS
@pytest.mark.parametrize(
    ("expected", "bounds"),
    [
        (True, {"min_usd": 3.5}),
        (False, {"min_usd": 3.51}),
        (True, {"max_usd": 3.5}),
        (False, {"max_usd": 3.49}),
        (True, {"min_usd": 3, "max_usd": 4}),
    ],
)
def test_cost(expected: bool, bounds: dict[str, float], way: Any, call: dict[str, Any]) -> None:
    """A million tokens in and a tenth of it out: 2.50 + 1.00 US dollars."""
    assert expected is kept({"type": "cost", "cost": bounds}, way(call))


def test_costs_of_calls_are_added() -> None:
    """Two calls of 3.50 each."""
    both = processor(MlflowMapping).process(batch({}, CALL, CALL))
    assert kept({"type": "cost", "cost": {"min_usd": 7}}, both)
    assert not kept({"type": "cost", "cost": {"min_usd": 7.01}}, both)


def test_an_unknown_cost_matches_nothing() -> None:
    """A model without a price is not cheap."""
    unknown = CALL | {"gen_ai.request.model": "nobody-1", "gen_ai.response.model": "nobody-1"}
    assert not kept({"type": "cost", "cost": {"max_usd": 100}}, raw(unknown))
    assert not kept({"type": "cost", "cost": {"max_usd": 100}}, raw({}))


@WAYS
@DIALECTS
@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (True, {"min_tokens": 1_100_000}),
        (False, {"min_tokens": 1_100_001}),
        (True, {"max_tokens": 100_000, "direction": "output"}),
        (False, {"max_tokens": 999_999, "direction": "input"}),
    ],
)
def test_tokens(expected: bool, settings: dict[str, Any], way: Any, call: dict[str, Any]) -> None:
    """Of all calls together."""
    assert expected is kept({"type": "tokens", "tokens": settings}, way(call))


def test_no_tokens_match_nothing() -> None:
    """A trace without calls of models is not one with few tokens."""
    assert not kept({"type": "tokens", "tokens": {"max_tokens": 5}}, mapped({}))


@WAYS
@DIALECTS
@pytest.mark.parametrize(
    ("expected", "globs"),
    [(True, ["GPT-4o"]), (True, ["claude*", "gpt-4*"]), (False, ["gpt-4"]), (False, ["o1*"])],
)
def test_model(expected: bool, globs: list[str], way: Any, call: dict[str, Any]) -> None:
    """By globs, case does not matter."""
    assert expected is kept({"type": "model", "model": {"models": globs}}, way(call))


def tool(attributes: dict[str, Any], *, status: int = 0, event: str = "") -> Batch:
    spans = batch({}, {"gen_ai.operation.name": "execute_tool", **attributes}, name="lookup")
    spans.spans[1].proto.status.code = status  # type: ignore[assignment] # numbers are the enumeration's
    if event:
        spans.spans[1].proto.events.add(name=event)
    return spans


@pytest.mark.parametrize(
    ("expected", "spans"),
    [
        (True, tool({}, status=2)),
        (True, tool({"error.type": "timeout"})),
        (True, tool({}, event="exception")),
        (True, tool({"gen_ai.tool.call.result": '{"isError": true, "content": []}'})),
        (False, tool({})),
        (False, tool({"gen_ai.tool.call.result": '{"isError": false}'}, event="retry")),
    ],
)
@pytest.mark.parametrize(
    "way", [Batch.encode, lambda b: processor(MlflowMapping).process(b).encode()]
)
def test_tool_error(expected: bool, spans: Batch, way: Any) -> None:
    """By status, error type, exception, or a result that says so."""
    assert expected is kept({"type": "tool_error"}, Batch(way(Batch(spans.encode()))))


def test_tool_error_of_some_tools() -> None:
    """By the tool's name or that of its span."""
    failed = tool({"gen_ai.tool.name": "search_web"}, status=2)
    for expected, globs in ((True, ["search_*"]), (True, ["lookup"]), (False, ["book*"])):
        assert expected is kept({"type": "tool_error", "tool_error": {"tools": globs}}, failed)


def test_an_error_that_is_no_tools() -> None:
    """A failed call of a model is no tool error."""
    failed = raw(CALL)
    failed.spans[1].proto.status.code = 2  # type: ignore[assignment] # numbers are the enumeration's
    assert not kept({"type": "tool_error"}, failed)
