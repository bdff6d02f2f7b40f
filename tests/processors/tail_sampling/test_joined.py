"""What policies made of policies promise."""

from typing import Any

import pytest

from gateway.plugin import Drop, Keep
from gateway.testing import batch, trace
from tests.processors.tail_sampling.judging import decision, kept, sampler


def has(key: str, value: str = "yes") -> dict[str, Any]:
    return {
        "name": f"has-{key}",
        "type": "string_attribute",
        "string_attribute": {"key": key, "values": [value]},
    }


BOTH = {"type": "and", "and": {"and_sub_policy": [has("a"), has("b")]}}
NEITHER = {"type": "not", "not": {"not_sub_policy": has("a")}}


@pytest.mark.parametrize(
    ("expected", "spans"),
    [(True, [{"a": "yes"}, {"b": "yes"}]), (False, [{"a": "yes"}]), (False, [{}])],
)
def test_and(expected: bool, spans: list[dict[str, str]]) -> None:
    """All must match, each by any span."""
    assert expected is kept(BOTH, batch(*spans))


def test_not() -> None:
    """The opposite."""
    assert kept(NEITHER, batch({"b": "yes"}))
    assert not kept(NEITHER, batch({"a": "yes"}))


def test_not_inside_and() -> None:
    """Policies nest."""
    policy = {"type": "and", "and": {"and_sub_policy": [has("b"), {"name": "n", **NEITHER}]}}
    assert kept(policy, batch({"b": "yes"}))
    assert not kept(policy, batch({"b": "yes", "a": "yes"}))


def test_drop_beats_what_keeps() -> None:
    """Wherever it stands; all of its sub-policies must match."""
    drop = {"type": "drop", "drop": {"drop_sub_policy": [has("a"), has("b")]}}
    judge = sampler({"type": "always_sample"}, drop)
    assert Drop("drop") == judge.decide(trace(batch({"a": "yes", "b": "yes"})))
    assert Keep("always_sample") == judge.decide(trace(batch({"a": "yes"})))


def test_what_no_policy_matches_is_dropped() -> None:
    """And says so."""
    assert Drop("no_policy_matched") == decision(has("a"), batch({}))


def test_drop_is_asked_first() -> None:
    """Also with sample_on_first_match, wherever it stands, as in the Collector."""
    drop = {"type": "drop", "drop": {"drop_sub_policy": [has("a")]}}
    judge = sampler({"type": "always_sample"}, drop, sample_on_first_match=True)
    assert Drop("drop") == judge.decide(trace(batch({"a": "yes"})))
    assert Keep("always_sample") == judge.decide(trace(batch({})))


def test_what_is_dropped_spends_no_budget() -> None:
    """The trace behind a dropped one still fits the rate."""
    limit = {"type": "rate_limiting", "rate_limiting": {"spans_per_second": 1}}
    judge = sampler(limit, {"type": "drop", "drop": {"drop_sub_policy": [has("a")]}})
    assert Drop("drop") == judge.decide(trace(batch({"a": "yes"})))
    assert Keep("rate_limiting") == judge.decide(trace(batch({})))


def test_the_first_match_ends_the_questions() -> None:
    """With sample_on_first_match those behind it spend no budget."""
    limit = {"type": "rate_limiting", "rate_limiting": {"spans_per_second": 1}}
    for first, then in ((True, Keep("rate_limiting")), (False, Drop("no_policy_matched"))):
        judge = sampler(has("a"), limit, sample_on_first_match=first)
        assert Keep("has-a") == judge.decide(trace(batch({"a": "yes"})))
        assert then == judge.decide(trace(batch({})))


def composite(**settings: Any) -> dict[str, Any]:
    subs = [has("a"), has("b"), {"name": "rest", "type": "always_sample"}]
    return {
        "type": "composite",
        "composite": {
            "max_total_spans_per_second": 8,
            "composite_sub_policy": subs,
            **settings,
        },
    }


def answers(policy: dict[str, Any], *keys: str) -> str:
    """Return for traces of one span with these keys whether each is kept, in one second."""
    judge = sampler(policy)
    found = (judge.decide(trace(batch({key: "yes"}))) for key in keys)
    return "".join("+" if isinstance(one, Keep) else "-" for one in found)


def test_composite_shares_the_rate() -> None:
    """Half for one, a quarter for the next, the rest for the last."""
    allocation = [{"policy": "has-a", "percent": 50}, {"policy": "has-b", "percent": 25}]
    policy = composite(rate_allocation=allocation)
    assert "++++-++-++-" == answers(policy, *"aaaaa", *"bbb", *"ccc")


def test_composite_asks_in_order() -> None:
    """Whoever matches first answers for good, even when its part is used up."""
    order = ["rest", "has-a", "has-b"]
    allocation = [{"policy": "rest", "percent": 25}]
    policy = composite(policy_order=order, rate_allocation=allocation)
    assert "++--" == answers(policy, *"aaba")


def test_composite_shares_equally_where_nothing_is_said() -> None:
    """Eight a second for three: two each, and the trace of three spans never fits."""
    assert "++-" == answers(composite(), *"aaa")
    judge = sampler(composite())
    assert isinstance(judge.decide(trace(batch({"a": "yes"}, {}, {}))), Drop)
