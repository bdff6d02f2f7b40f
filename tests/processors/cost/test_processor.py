"""What ``cost`` promises about spans: what is priced, what is not, and what it says of it."""

import gzip
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.batch import Batch
from gateway.otlp.json import decode_request
from gateway.otlp.values import Value
from gateway.telemetry.metrics import REGISTRY
from gateway.testing import batch, processor
from processors.cost import Cost
from processors.cost.unknown import MAX_MODELS, OTHERS
from processors.mlflow_mapping import MlflowMapping
from tests.processors.cost.support import AT_NS, COST, at, call, cost_of, priced

CAPTURES = Path(__file__).parents[2] / "data" / "captures"
INDEX: list[dict[str, Any]] = json.loads((CAPTURES / "index.json").read_text("utf-8"))
USAGE = {"input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500}
GPT_4O = {"input_cost": 0.0025, "output_cost": 0.005, "total_cost": 0.0075}


def capture(entry: Mapping[str, Any]) -> Batch:
    """Return a recorded request."""
    data = (CAPTURES / entry["file"]).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if "json" in (entry["content_type"] or ""):
        return Batch(decode_request(data).SerializeToString())
    return Batch(data)


# --- what is written


def test_the_cost_is_written_as_mlflow_reads_it() -> None:
    """A JSON text of three numbers in USD, beside it the rule and the catalogue's date."""
    found = priced(call("openai", "gpt-4o", USAGE))
    assert GPT_4O == found[COST]
    assert "openai/gpt-4o" == found["spangate.cost.rule"]
    assert found["spangate.cost.catalogue"].startswith("genai-prices ")


def test_numbers_read_as_people_write_them() -> None:
    """No binary fractions in what people see: 0.000228, not 0.00022800000000000001."""
    out = processor(Cost).process(
        at(batch(call("openai", "gpt-4o-mini", {"input_tokens": 1200, "output_tokens": 80})))
    )
    text = next(iter(out)).attributes.text(COST)
    assert '{"input_cost":0.00018,"output_cost":4.8e-05,"total_cost":0.000228}' == text


@pytest.mark.parametrize(
    ("model", "counter", "rule"),
    [
        (
            "gpt-4o-audio-preview",
            "audio_input_tokens",
            "openai/gpt-4o-audio-preview, audio as text",
        ),
        (
            "gpt-4o-audio-preview",
            "audio_output_tokens",
            "openai/gpt-4o-audio-preview, audio as text",
        ),
        ("gpt-4o-audio-preview", "reasoning_tokens", "openai/gpt-4o-audio-preview"),
        ("gpt-audio", "audio_input_tokens", "openai/gpt-audio"),
    ],
)
def test_audio_without_a_rate_of_its_own_is_said(model: str, counter: str, rule: str) -> None:
    """A price that is known to be too low tells so."""
    usage = {**USAGE, counter: 100}
    assert rule == priced(call("openai", model, usage))["spangate.cost.rule"]


@pytest.mark.parametrize(
    "span_type", ["LLM", "CHAT_MODEL", "EMBEDDING", "RERANKER", '"LLM"', "llm"]
)
def test_calls_of_models_are_priced(span_type: str) -> None:
    """Whatever calls a model itself is priced."""
    assert COST in priced({**call("openai", "gpt-4o", USAGE), "mlflow.spanType": span_type})


@pytest.mark.parametrize(
    "span_type",
    ["AGENT", "CHAIN", "WORKFLOW", "TASK", "TOOL", "RETRIEVER", "UNKNOWN", "MEMORY", "whatever"],
)
def test_what_sums_up_others_is_not(span_type: str) -> None:
    """Usage on other spans repeats that of spans below, and is never priced."""
    assert COST not in priced({**call("openai", "gpt-4o", USAGE), "mlflow.spanType": span_type})


@pytest.mark.parametrize(
    "mark", [{"spangate.rollup": True}, {"ai.operationId": "ai.generateText"}], ids=str
)
def test_wrappers_of_calls_are_not(mark: dict[str, Value]) -> None:
    """A call around calls is not priced though its type is that of a model."""
    assert COST not in priced({**call("openai", "gpt-4o", USAGE), **mark})


@pytest.mark.parametrize(
    "usage",
    [{}, {"input_tokens": 0, "output_tokens": 0}, {"input_tokens": -5}],
    ids=str,
)
def test_calls_without_tokens_have_no_cost(usage: dict[str, int]) -> None:
    """Nothing counted is not the same as free."""
    assert cost_of("openai", "gpt-4o", usage) is None


@pytest.mark.parametrize(
    "written",
    ['{"input_tokens": "1000", "output_tokens": 500.0}', dict(USAGE), '{"total_tokens": 1000}'],
    ids=str,
)
def test_usage_of_others_is_understood(written: Value) -> None:
    """MLflow's attribute counts however it was encoded."""
    sent = {**call("openai", "gpt-4o", {}), "mlflow.chat.tokenUsage": written}
    assert 0.0025 == priced(sent)[COST]["input_cost"]


@pytest.mark.parametrize("written", ["[1]", "no JSON", "null", "", 7, '{"input_tokens": null}'])
def test_broken_usage_harms_nobody(written: Value) -> None:
    """What is no usage is left as it is, without a cost."""
    sent = {**call("openai", "gpt-4o", {}), "mlflow.chat.tokenUsage": written}
    found = priced(sent)
    assert COST not in found
    assert written == found["mlflow.chat.tokenUsage"]


@given(
    st.dictionaries(
        st.sampled_from([
            "mlflow.spanType", "mlflow.chat.tokenUsage", "mlflow.llm.model", "mlflow.llm.cost",
            "mlflow.llm.provider", "llm.cost.total", "gen_ai.usage.input_tokens", "operation.cost",
            "gen_ai.request.service_tier", "llm.invocation_parameters", "ai.operationId",
            "openinference.span.kind", "langfuse.observation.cost_details", "spangate.cost.rule",
        ]),
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text()
        | st.sampled_from(["LLM", "gpt-4o", "openai", '{"input_tokens":5}', "{", "[1]", "batch"])
        | st.lists(st.integers(0, 9), max_size=2),
    )
)  # fmt: skip
def test_any_attributes_are_survived(attributes: dict[str, Value]) -> None:
    """Whatever senders write, a span leaves with all it had, and a cost is a JSON object."""
    found = priced(attributes)
    written = {COST, "spangate.cost.rule", "spangate.cost.catalogue"}
    assert attributes.keys() <= found.keys() | written
    rule = found.get("spangate.cost.rule")
    if isinstance(rule, str) and rule != attributes.get("spangate.cost.rule"):
        assert isinstance(found[COST], dict)
        assert all(value >= 0 for value in found[COST].values())


# --- without mapping


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
         "gen_ai.response.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000,
         "gen_ai.usage.output_tokens": 500},
        {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o",
         "llm.token_count.prompt": 1000, "llm.token_count.completion": 500},
        {"gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "llm.request.type": "chat",
         "gen_ai.usage.prompt_tokens": 1000, "gen_ai.usage.completion_tokens": 500},
        {"ai.operationId": "ai.generateText.doGenerate", "ai.model.provider": "openai.chat",
         "ai.response.model": "gpt-4o", "ai.usage.inputTokens": 1000, "ai.usage.outputTokens": 500},
    ],
)  # fmt: skip
def test_dialects_are_read_where_mapping_is_not_in_the_pipeline(
    attributes: dict[str, Value],
) -> None:
    """The common dialects are priced as they come."""
    assert GPT_4O == priced(attributes)[COST]


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "invoke_agent"},
        {"openinference.span.kind": "AGENT"},
        {"traceloop.span.kind": "workflow"},
        {"ai.operationId": "ai.generateText"},
        {"langfuse.observation.type": "span"},
    ],
)
def test_summing_spans_of_dialects_are_not_priced(attributes: dict[str, Value]) -> None:
    """Agents and wrappers are told from calls by what their dialects say."""
    usage: dict[str, Value] = {
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 500,
    }
    assert COST not in priced({**usage, **attributes})


# --- service tiers


@pytest.mark.parametrize(
    ("attributes", "total"),
    [
        ({"gen_ai.request.service_tier": "batch"}, 0.00375),
        ({"openai.request.service_tier": "auto"}, 0.0075),
        ({"openai.request.service_tier": "auto", "openai.response.service_tier": "priority"},
         0.01275),
        ({"openai.request.service_tier": "flex", "openai.response.service_tier": "default"},
         0.0075),
        ({"llm.invocation_parameters": '{"service_tier": "batch"}'}, 0.00375),
        ({"llm.invocation_parameters": '{"temperature": 0}'}, 0.0075),
        ({"gen_ai.request.batch": True}, 0.00375),
        ({"mlflow.traceRequestId": '"tr-1"', "mlflow.spanInputs": '{"service_tier": "batch"}'},
         0.00375),
    ],
    ids=str,
)  # fmt: skip
def test_the_service_tier_that_served_is_priced(attributes: dict[str, Value], total: float) -> None:
    """Batch and other tiers have their price; what served counts before what was asked for."""
    found = priced({**call("openai", "gpt-4o", USAGE), **attributes})
    assert total == found[COST]["total_cost"]


def test_a_tier_without_a_price_is_said() -> None:
    """Where the catalogue has no price for a tier the span says that the standard one applied."""
    sent = call("anthropic", "claude-3-haiku-20240307", USAGE)
    found = priced({**sent, "gen_ai.request.service_tier": "platinum"})
    assert "anthropic/claude-3-haiku, no platinum price: standard" == found["spangate.cost.rule"]


# --- time


@pytest.mark.parametrize(("hour", "rate"), [(12, 0.27), (20, 0.135)])
def test_prices_may_depend_on_the_hour(hour: int, rate: float) -> None:
    """DeepSeek's night tariff applies to calls at night."""
    day_ns = 1_795_000_000 // 86_400 * 86_400 * 10**9
    sent = call("deepseek", "deepseek-chat", USAGE)
    found = priced(sent, unix_ns=day_ns + hour * 3_600 * 10**9)
    assert rate * 1000 / 1e6 == pytest.approx(found[COST]["input_cost"])


def test_the_time_is_that_of_the_call() -> None:
    """A call of last year costs what it cost then; one without a time is of when it came."""
    sent = call("openai", "o3", USAGE)
    assert 0.03 == priced(sent, unix_ns=1_746_000_000 * 10**9)[COST]["total_cost"]
    assert 0.006 == priced(sent)[COST]["total_cost"]
    assert COST in priced(sent, unix_ns=0)
    assert COST in priced(sent, unix_ns=2**64 - 1)


# --- counted twice


def nested(*chain: Mapping[str, Value]) -> Batch:
    """Return a batch in which each span is the parent of the next."""
    out = at(batch(*chain))
    spans = list(out)
    for parent, child in itertools.pairwise(spans):
        child.proto.parent_span_id = parent.span_id
    return out


def costs(sent: Batch) -> list[bool]:
    """Return which spans have a cost."""
    return [COST in span.attributes for span in processor(Cost).process(sent)]


LLM = call("anthropic", "claude-sonnet-4-5", USAGE)
SDK = call("anthropic", "claude-sonnet-4-5-20250929", USAGE)
PLAIN = {"mlflow.spanType": "UNKNOWN"}


@pytest.mark.parametrize(
    ("chain", "priced_ones"),
    [
        ([LLM, SDK], [False, True]),
        ([LLM, PLAIN, SDK], [False, False, True]),
        ([LLM, {}, SDK], [False, False, True]),
        ([LLM, LLM, SDK], [False, False, True]),
        ([LLM, {"mlflow.spanType": "TOOL"}, SDK], [True, False, True]),
        ([LLM, {"mlflow.spanType": "AGENT"}, SDK], [True, False, True]),
        ([LLM, call("openai", "gpt-4o", {"input_tokens": 7})], [True, True]),
        ([LLM, {**SDK, "mlflow.spanType": "EMBEDDING"}], [True, True]),
        ([LLM, call("anthropic", "claude-sonnet-4-5", {})], [True, False]),
        ([call("", "chain", USAGE), SDK], [False, True]),
        (
            [call("openai", "gpt-4o", {"output_tokens": 900}), call("openai", "gpt-4o", USAGE)],
            [False, True],
        ),
        (
            [call("openai", "gpt-4o", {"output_tokens": 9}), call("openai", "gpt-4o", USAGE)],
            [True, True],
        ),
        (
            [
                call("openai", "gpt-4o", {"output_tokens": 900}),
                call("openai", "gpt-4o-mini", USAGE),
            ],
            [True, True],
        ),
    ],
)
def test_a_call_that_is_told_twice_is_priced_once(
    chain: list[Mapping[str, Value]], priced_ones: list[bool]
) -> None:
    """Of an instrumented call and the SDK's own span inside only the inner one is priced."""
    assert priced_ones == costs(nested(*chain))


def beside(*calls: tuple[str, int, int, Mapping[str, Value]]) -> Batch:
    """Return calls of one parent: scope, begin and end, attributes."""
    sent = Batch(b"".join(batch(held, scope=scope).encode() for scope, _, _, held in calls))
    for number, (span, (_, begin, end, _)) in enumerate(zip(sent, calls, strict=True)):
        span.proto.trace_id, span.proto.span_id = b"t" * 16, bytes([number + 1] * 8)
        span.proto.parent_span_id = b"p" * 8
        span.proto.start_time_unix_nano = AT_NS + begin
        span.proto.end_time_unix_nano = AT_NS + end
    return sent


@pytest.mark.parametrize(
    ("calls", "priced_ones"),
    [
        ([("traceloop", 0, 9, LLM), ("sdk", 1, 8, SDK)], [False, True]),
        ([("sdk", 1, 8, SDK), ("traceloop", 0, 9, LLM)], [True, False]),
        ([("traceloop", 0, 9, LLM), ("traceloop", 1, 8, SDK)], [True, True]),
        ([("traceloop", 0, 9, LLM), ("sdk", 5, 12, SDK)], [True, True]),
        ([("traceloop", 0, 9, LLM), ("sdk", 0, 9, SDK)], [True, True]),
        ([("traceloop", 0, 9, LLM), ("sdk", 1, 8, call("openai", "gpt-4o", USAGE))], [True, True]),
    ],
)
def test_an_sdks_span_beside_the_instrumented_one_is_the_same_call(
    calls: list[tuple[str, int, int, Mapping[str, Value]]], priced_ones: list[bool]
) -> None:
    """Some instrumentations are no parents of what happens inside; time and tokens tell."""
    assert priced_ones == costs(beside(*calls))


def test_an_outer_call_that_sums_up_several_is_not_priced() -> None:
    """The steps inside are, whatever models they use."""
    outer = call("openai", "router", {"input_tokens": 2000, "output_tokens": 1000})
    sent = at(batch(outer, LLM, call("openai", "gpt-4o", USAGE)))
    assert [False, True, True] == costs(sent)


def test_the_outer_span_says_that_it_repeats() -> None:
    """Whoever adds up tokens later can tell; without a model MLflow does not price it either."""
    out = processor(Cost).process(nested(LLM, SDK))
    assert [True, None] == [span.attributes.get("spangate.rollup") for span in out]
    assert ["", SDK["mlflow.llm.model"]] == [span.attributes["mlflow.llm.model"] for span in out]


def test_a_circle_of_parents_ends() -> None:
    """Spans that are each other's parents are survived."""
    sent = nested(PLAIN, PLAIN, LLM, SDK)
    first, second = list(sent)[:2]
    first.proto.parent_span_id = second.span_id
    assert [False, False, False, True] == costs(sent)


def test_equal_span_ids_in_other_traces_are_other_spans() -> None:
    """A span is known by both ids."""
    sent = at(batch(LLM, SDK, one_trace=False))
    first, second = list(sent)
    second.proto.span_id = b"\x09" * 8
    second.proto.parent_span_id = first.span_id
    assert [True, True] == costs(sent)


# --- reported costs

REPORTS: list[tuple[dict[str, Value], float]] = [
    ({"llm.cost.total": 0.5, "llm.cost.prompt": 0.2, "llm.cost.completion": 0.3}, 0.5),
    ({"llm.cost.prompt": 0.2, "llm.cost.completion": 0.3}, 0.5),
    ({"operation.cost": 0.5}, 0.5),
    ({"gen_ai.usage.cost": "0.5"}, 0.5),
    ({"langfuse.observation.cost_details": '{"input": 0.2, "output": 0.3}'}, 0.5),
    ({"mlflow.llm.cost": '{"input_cost":0.1,"output_cost":0.4,"total_cost":0.5}'}, 0.5),
]


@pytest.mark.parametrize(("report", "total"), REPORTS)
def test_reported_costs_fill_gaps(report: dict[str, Value], total: float) -> None:
    """Where nobody knows a price the instrumentation's is taken, and the span says so."""
    found = priced({**call("acme", "acme-1", USAGE), **report})
    assert total == pytest.approx(found[COST]["total_cost"])
    assert found["spangate.cost.rule"].startswith("reported: ")


@pytest.mark.parametrize(("report", "total"), REPORTS)
def test_reported_costs_may_be_preferred(report: dict[str, Value], total: float) -> None:
    """With ``prefer_reported`` they go before the catalogue."""
    cost = processor(Cost, reported="prefer_reported")
    sent = {**call("openai", "gpt-4o", USAGE), **report}
    assert total == pytest.approx(priced(sent, cost)[COST]["total_cost"])


@pytest.mark.parametrize(("report", "total"), REPORTS)
def test_reported_costs_may_be_compared(report: dict[str, Value], total: float) -> None:
    """With ``compare`` ours is written, the reported one and the difference beside it."""
    name = "spangate_llm_cost_differences_total"
    before = REGISTRY.get_sample_value(name) or 0
    found = priced(
        {**call("openai", "gpt-4o", USAGE), **report}, processor(Cost, reported="compare")
    )
    assert GPT_4O == found[COST]
    assert total == pytest.approx(found["spangate.cost.reported_usd"])
    assert 0.0075 - total == pytest.approx(found["spangate.cost.difference_usd"])
    assert before + 1 == REGISTRY.get_sample_value(name)


@pytest.mark.parametrize(("report", "total"), REPORTS)
def test_ours_goes_first(report: dict[str, Value], total: float) -> None:
    """By default, and with ``ignore``, the computed cost is written, once."""
    del total
    for cost in (processor(Cost), processor(Cost, reported="ignore")):
        found = priced({**call("openai", "gpt-4o", USAGE), **report}, cost)
        assert GPT_4O == found[COST]
        assert "spangate.cost.reported_usd" not in found


@pytest.mark.parametrize(
    "report",
    [
        {"gen_ai.usage.cost": 0},
        {"operation.cost": 0.0},
        {"operation.cost": -1.0},
        {"operation.cost": float("nan")},
        {"operation.cost": "dear"},
        {"llm.cost.total": 0},
        {"langfuse.observation.cost_details": "[]"},
    ],
    ids=str,
)
def test_a_report_of_zero_means_that_nobody_knew(report: dict[str, Value]) -> None:
    """No cost is written where the report says nothing."""
    for mode in ("prefer_computed", "prefer_reported"):
        found = priced({**call("acme", "acme-1", USAGE), **report}, processor(Cost, reported=mode))
        assert COST not in found


def test_unknown_stays_unknown_with_ignore() -> None:
    """With ``ignore`` a report does not fill the gap."""
    sent = {**call("acme", "acme-1", USAGE), "operation.cost": 0.5}
    assert COST not in priced(sent, processor(Cost, reported="ignore"))


# --- unknown models


def test_unknown_models_are_counted_by_name() -> None:
    """No attribute, but a count, so that the user can price them."""
    cost = processor(Cost)
    name, labels = "spangate_llm_unknown_models_total", {"model": "acme-unheard-of"}
    before = REGISTRY.get_sample_value(name, labels) or 0
    sent = call("acme", "acme-unheard-of", USAGE)
    known = call("openai", "gpt-4o", USAGE)
    out = cost.process(at(batch(sent, sent, known, one_trace=False)))
    assert [False, False, True] == [COST in span.attributes for span in out]
    assert [("acme-unheard-of", 2)] == cost.unknown_models.most_common()
    assert before + 2 == REGISTRY.get_sample_value(name, labels)


def test_the_names_of_unknown_models_are_bounded() -> None:
    """Senders choose the names; what is beyond the bound is counted as others."""
    cost = processor(Cost)
    cost.process(at(batch(*(call("acme", f"m-{n}", USAGE) for n in range(MAX_MODELS + 50)))))
    counted = dict(cost.unknown_models.most_common(1000))
    assert MAX_MODELS + 1 == len(counted)
    assert 50 == counted[OTHERS]


def test_free_models_are_free() -> None:
    """An id that ends in ``:free`` is a price, not a gap, whoever else sells the model."""
    nothing = {"input_cost": 0, "output_cost": 0, "total_cost": 0}
    assert nothing == cost_of("openrouter", "deepseek/deepseek-r1:free", USAGE)
    assert nothing == cost_of("", "deepseek/deepseek-chat-v3-0324:free", USAGE)


# --- recorded requests


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["file"])
def test_recorded_requests_cost_what_they_should(entry: dict[str, Any]) -> None:
    """After mapping every call of a real SDK's request has its cost, and no roll-up has one."""
    mapped = processor(MlflowMapping).process(capture(entry))
    out = processor(Cost).process(mapped)
    expected = {
        span["span_id"]: None if span["rollup"] else span["cost_usd"] for span in entry["spans"]
    }
    for span in out:
        cost = span.attributes.json(COST)
        wanted = expected[span.span_id.hex()]
        assert (None if cost is None else pytest.approx(cost["total_cost"])) == wanted, span


# --- what is noted for the gateway's figures


def noted(*spans: dict[str, Value]) -> list[tuple[str, int, int, float | None, bool]]:
    """Return what is noted of calls: model, tokens in and out, cost, cut off."""
    done = processor(Cost).process(at(batch(*spans, one_trace=False)))
    return [call[1:] for call in done.calls]


def test_calls_are_noted_with_their_cost() -> None:
    """A priced call is noted as it was priced, and one that nobody can price without a cost."""
    spans = call("openai", "gpt-4o", USAGE), call("nobody", "nothing-9", USAGE)
    assert [
        ("gpt-4o", 1000, 500, pytest.approx(0.0075), False),
        ("nothing-9", 1000, 500, None, False),
    ] == noted(*spans)


def test_calls_without_tokens_are_noted() -> None:
    """A call that failed says nothing of tokens, and is a call all the same."""
    failed: dict[str, Value] = {"mlflow.spanType": "LLM", "mlflow.llm.model": "gpt-4o"}
    assert [("gpt-4o", 0, 0, None, False)] == noted(failed)


def test_what_sums_up_calls_is_not_noted() -> None:
    """Agents, roll-ups and tools are no calls."""
    summing = {**call("openai", "gpt-4o", USAGE), "spangate.rollup": True}
    assert [] == noted(summing, {**call("openai", "gpt-4o", USAGE), "mlflow.spanType": "AGENT"})


@pytest.mark.parametrize(
    ("said", "is_cut_off"),
    [
        ({"mlflow.spanOutputs": '{"choices":[{"message":{},"finish_reason":"length"}]}'}, True),
        ({"mlflow.spanOutputs": '{"choices":[{"message":{},"finish_reason":"stop"}]}'}, False),
        ({"mlflow.spanOutputs": '"no reason"'}, False),
        ({"gen_ai.response.finish_reasons": ["max_tokens"]}, True),
        ({"gen_ai.response.finish_reasons": '["MAX_TOKENS"]'}, True),
        ({"gen_ai.response.finish_reasons": ["stop"]}, False),
        ({"ai.response.finishReason": "length"}, True),
        ({}, False),
    ],
    ids=str,
)
def test_answers_that_were_cut_off_are_noted(said: dict[str, Value], is_cut_off: bool) -> None:
    """Whatever the provider calls the limit of tokens."""
    assert is_cut_off is noted({**call("openai", "gpt-4o", USAGE), **said})[0][-1]
