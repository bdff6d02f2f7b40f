"""What the policies about attributes and conditions promise."""

from typing import Any

import pytest

from gateway.batch import Batch
from gateway.plugin import Keep, Value
from gateway.testing import FakeContext, batch, trace
from tests.processors.tail_sampling.judging import kept, sampler

SPANS: tuple[dict[str, Value], ...] = ({"n": 1, "s": "abc", "b": False}, {"n": 7.5, "s": "xyz"})
RESOURCE: dict[str, Value] = {"tier": "gold", "size": 100, "spot": True}


def some() -> Batch:
    return batch(*SPANS, resource=RESOURCE)


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (True, {"key": "n", "min_value": 5, "max_value": 8}),
        (True, {"key": "n", "max_value": 1}),
        (False, {"key": "n", "min_value": 8}),
        (True, {"key": "size", "min_value": 100, "max_value": 100}),
        (False, {"key": "s", "min_value": 0}),
        (False, {"key": "b", "min_value": 0}),
        (True, {"key": "n", "min_value": 8, "invert_match": True}),
        (False, {"key": "n", "min_value": 5, "invert_match": True}),
        (True, {"key": "absent", "min_value": 0, "invert_match": True}),
    ],
)
def test_numeric_attribute(expected: bool, settings: dict[str, Any]) -> None:
    """A whole or broken number of a span or resource in the range; texts and truth are none."""
    assert expected is kept({"type": "numeric_attribute", "numeric_attribute": settings}, some())


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (True, {"key": "s", "values": ["nothing", "xyz"]}),
        (False, {"key": "s", "values": ["xy"]}),
        (True, {"key": "tier", "values": ["gold"]}),
        (True, {"key": "s", "values": ["^x.z$"], "enabled_regex_matching": True}),
        (True, {"key": "s", "values": ["b"], "enabled_regex_matching": True, "cache_max_size": 9}),
        (False, {"key": "s", "values": ["^b"], "enabled_regex_matching": True}),
        (False, {"key": "s", "values": ["xyz"], "invert_match": True}),
        (True, {"key": "s", "values": ["q"], "invert_match": True}),
        (True, {"key": "absent", "values": ["q"], "invert_match": True}),
    ],
)
def test_string_attribute(expected: bool, settings: dict[str, Any]) -> None:
    """Equal texts, or expressions found anywhere; inverted where none is."""
    assert expected is kept({"type": "string_attribute", "string_attribute": settings}, some())


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (True, {"key": "b", "value": False}),
        (False, {"key": "b", "value": True}),
        (True, {"key": "spot", "value": True}),
        (False, {"key": "n", "value": True}),
        (True, {"key": "b", "value": True, "invert_match": True}),
    ],
)
def test_boolean_attribute(expected: bool, settings: dict[str, Any]) -> None:
    """The truth value itself, not what resembles it: 1 is not true."""
    assert expected is kept({"type": "boolean_attribute", "boolean_attribute": settings}, some())


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (True, {"span": ['span.attributes["n"] > 5.0']}),
        (True, {"span": ['span.name == "other"', 'resource.attributes["tier"] == "gold"']}),
        (False, {"span": ['span.attributes["n"] > 8.0']}),
        (True, {"spanevent": ['spanevent.name == "boom"']}),
        (False, {"spanevent": ['spanevent.name == "bang"']}),
    ],
)
def test_condition(expected: bool, settings: dict[str, Any]) -> None:
    """One condition met by one span, or by one event, is enough."""
    spans = some()
    spans.spans[0].proto.events.add(name="boom")
    assert expected is kept({"type": "condition", "condition": settings}, spans)


async def test_a_condition_that_cannot_be_evaluated_is_not_met_and_told() -> None:
    """The other policies still decide."""
    judge = sampler(
        {"type": "condition", "condition": {"span": ['span.attributes["s"] + 1 > 2']}},
        {"type": "always_sample"},
    )
    context = FakeContext()
    await judge.start(context)
    assert Keep("always_sample") == judge.decide(trace(some()))
    assert ["expression could not be evaluated"] == [one[1] for one in context.logger.events]
