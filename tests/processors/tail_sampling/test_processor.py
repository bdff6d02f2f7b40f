"""When ``tail_sampling`` decides, and what it says of wrong settings."""

from pathlib import Path
from typing import Any

import pytest

from gateway.plugin import Drop, Keep, Wait
from gateway.testing import batch, trace
from tests.processors.configuring import problems
from tests.processors.tail_sampling.judging import sampler

ALWAYS = {"type": "always_sample"}


def test_waits_from_the_first_span() -> None:
    """As long as configured, and no longer."""
    judge = sampler(ALWAYS, decision_wait="10s")
    assert Wait(4.0) == judge.decide(trace(batch({}), age_s=6))
    assert Keep("always_sample") == judge.decide(trace(batch({}), age_s=10))


def test_the_root_shortens_the_wait() -> None:
    """Never beyond decision_wait, and only once it has come."""
    judge = sampler(ALWAYS, decision_wait="10s", decision_wait_after_root_received="2s")
    assert Wait(1.5) == judge.decide(trace(batch({}), age_s=6, root_age_s=0.5))
    assert Wait(1.0) == judge.decide(trace(batch({}), age_s=9, root_age_s=0.5))
    assert Keep("always_sample") == judge.decide(trace(batch({}), age_s=3, root_age_s=2))
    orphan = batch({})
    orphan.spans[0].proto.parent_span_id = b"parent-1"
    assert Wait(4.0) == judge.decide(trace(orphan, age_s=6))


@pytest.mark.parametrize("ending", ["evicted", "stopping", "end_of_input"])
def test_the_end_of_waiting(ending: Any) -> None:
    """What has come is judged."""
    judge = sampler(ALWAYS)
    assert Keep("always_sample") == judge.decide(trace(batch({}), age_s=0, ending=ending))


def test_dropping_what_is_pending() -> None:
    """On stopping alone, not when others need the room."""
    judge = sampler(ALWAYS, drop_pending_traces_on_shutdown=True)
    pending = trace(batch({}), age_s=0, ending="stopping")
    assert Drop("drop_pending_traces_on_shutdown") == judge.decide(pending)
    assert isinstance(judge.decide(trace(batch({}), age_s=0, ending="evicted")), Keep)


def test_traces_that_are_too_large_are_dropped_at_once() -> None:
    """Without waiting."""
    judge = sampler(ALWAYS, maximum_trace_size_bytes=1000)
    assert isinstance(judge.decide(trace(batch({}), age_s=0)), Wait)
    large = trace(batch({"x": "y" * 1000}), age_s=0)
    assert Drop("maximum_trace_size_bytes") == judge.decide(large)


def test_what_is_remembered() -> None:
    """As many decisions as undecided traces, unless the caches say otherwise."""
    judge = sampler(ALWAYS, num_traces=7, decision_cache={"sampled_cache_size": 100})
    assert (7, (100, 7)) == (judge.max_traces, judge.remembered)


WRONG = [
    ("{}", "policies", "expected at least one"),
    ("{policies: [{type: always_sample}]}", "policies[0].name", "it is missing"),
    (
        "{policies: [{name: a, type: always_sample}, {name: a, type: always_sample}]}",
        "policies[1].name",
        '"a" stands twice',
    ),
    ("{policies: [{name: a, type: latensy}]}", "policies[0].type", 'did you mean "latency"?'),
    ("{policies: [{name: a, type: ottl_condition}]}", "policies[0].type", "type: condition"),
    ("{policies: [{name: a, type: latency}]}", "policies[0].type", 'needs the block "latency"'),
    (
        "{policies: [{name: a, type: latency, cost: {min_usd: 1}}]}",
        "policies[0].cost",
        "is of type latency",
    ),
    (
        "{policies: [{name: a, type: status_code, status_code: {status_codes: [BAD]}}]}",
        "policies[0].status_code.status_codes[0]",
        "BAD",
    ),
    (
        (
            "{policies: [{name: a, type: string_attribute, string_attribute: "
            "{key: x, values: ['('], enabled_regex_matching: true}}]}"
        ),
        "policies[0].string_attribute.values[0]",
        "no regular expression",
    ),
    (
        "{policies: [{name: a, type: condition, condition: {span: ['span.nam == 1']}}]}",
        "policies[0].condition.span[0]",
        "span.nam",
    ),
    ("{policies: [{name: a, type: cost, cost: {}}]}", "policies[0].cost.min_usd", "min_usd"),
    (
        "{policies: [{name: a, type: tokens, tokens: {min_tokens: 5, max_tokens: 4}}]}",
        "policies[0].tokens.min_tokens",
        "5 is above max_tokens",
    ),
    (
        (
            "{policies: [{name: a, type: and, and: {and_sub_policy: [{name: b, type: drop, "
            "drop: {drop_sub_policy: [{name: c, type: always_sample}]}}]}}]}"
        ),
        "policies[0].and.and_sub_policy[0].type",
        "by itself only",
    ),
    (
        (
            "{policies: [{name: a, type: composite, composite: {max_total_spans_per_second: 1, "
            "composite_sub_policy: [{name: b, type: always_sample}], policy_order: [c]}}]}"
        ),
        "policies[0].composite.policy_order[0]",
        '"c" is none of',
    ),
    ("{policies: [], num_shards: 2}", "num_shards", "num_lanes"),
    ("{policies: [], block_on_overflow: true}", "block_on_overflow", "decided early"),
]


@pytest.mark.parametrize(("settings", "place", "said"), WRONG)
def test_wrong_settings_say_where_and_what(
    tmp_path: Path, settings: str, place: str, said: str
) -> None:
    """Each at its place, with what to do."""
    found = problems(tmp_path, "tail_sampling", settings)
    texts = [f"{one.path}: {one.message} {one.hint}" for one in found]
    assert any(f"tail_sampling.{place}: " in text and said in text for text in texts), texts
