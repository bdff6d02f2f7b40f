"""What the policies about guardrails and evaluations promise."""

from typing import Any

import pytest

from gateway.batch import Batch
from gateway.otlp.values import key_value
from gateway.testing import batch
from tests.processors.tail_sampling.judging import kept

GUARDRAIL = {"type": "guardrail"}


def guard(attributes: dict[str, Any]) -> Batch:
    return batch({}, {"openinference.span.kind": "GUARDRAIL", **attributes}, name="toxicity")


@pytest.mark.parametrize(
    ("expected", "attributes"),
    [
        (False, {}),
        (True, {"guardrail.triggered": True}),
        (False, {"guardrail.triggered": False}),
        (True, {"guardrail.action": "BLOCK"}),
        (False, {"guardrail.action": "allow"}),
        (True, {"output.value": '{"flagged": true}', "output.mime_type": "application/json"}),
        (
            True,
            {
                "output.value": '{"result": {"passed": false}}',
                "output.mime_type": "application/json",
            },
        ),
        (False, {"output.value": '{"passed": true}', "output.mime_type": "application/json"}),
    ],
)
def test_a_guardrail_that_stepped_in(expected: bool, attributes: dict[str, Any]) -> None:
    """By what it says in attributes or puts out."""
    assert expected is kept(GUARDRAIL, guard(attributes))


def test_a_guardrail_that_failed() -> None:
    """An error of it counts as stepping in."""
    spans = guard({})
    spans.spans[1].proto.status.code = 2  # type: ignore[assignment] # numbers are the enumeration's
    assert kept(GUARDRAIL, spans)


@pytest.mark.parametrize(
    ("expected", "attributes"),
    [
        (True, {"gen_ai.response.finish_reasons": ["stop", "content_filter"]}),
        (True, {"gen_ai.response.finish_reasons": '["guardrail_intervened"]'}),
        (True, {"ai.response.finishReason": "content-filter"}),
        (False, {"gen_ai.response.finish_reasons": ["stop"]}),
    ],
)
def test_an_answer_that_a_filter_ended(expected: bool, attributes: dict[str, Any]) -> None:
    """The provider's own guardrails count too, unless names are asked for."""
    spans = batch({"gen_ai.operation.name": "chat", **attributes})
    assert expected is kept(GUARDRAIL, spans)
    assert not kept({"type": "guardrail", "guardrail": {"names": ["*"]}}, spans)


def test_guardrails_by_name() -> None:
    """Only those that are asked for."""
    hit = guard({"guardrail.triggered": True})
    assert kept({"type": "guardrail", "guardrail": {"names": ["tox*"]}}, hit)
    assert not kept({"type": "guardrail", "guardrail": {"names": ["pii"]}}, hit)


def evaluated(name: str, score: float, label: str) -> Batch:
    spans = batch({}, {})
    event = spans.spans[0].proto.events.add(name="gen_ai.evaluation.result")
    event.attributes.append(key_value("gen_ai.evaluation.name", name))
    event.attributes.append(key_value("gen_ai.evaluation.score.value", score))
    event.attributes.append(key_value("gen_ai.evaluation.score.label", label))
    return spans


def as_attributes(name: str, score: float, label: str) -> Batch:
    return batch(
        {},
        {
            "gen_ai.evaluation.name": name,
            "gen_ai.evaluation.score.value": score,
            "gen_ai.evaluation.score.label": label,
        },
    )


def as_output(name: str, score: float, label: str) -> Batch:
    text = f'{{"name": "{name}", "score": {score}, "label": "{label}"}}'
    return batch(
        {},
        {
            "openinference.span.kind": "EVALUATOR",
            "output.value": text,
            "output.mime_type": "application/json",
        },
    )


@pytest.mark.parametrize("way", [evaluated, as_attributes, as_output])
@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        (True, {"max_score": 0.5}),
        (False, {"max_score": 0.2}),
        (True, {"name": "relev*", "min_score": 0.3, "max_score": 0.3}),
        (False, {"name": "toxicity", "max_score": 0.5}),
        (True, {"labels": ["Poor"]}),
        (False, {"labels": ["good"]}),
        (False, {"labels": ["good"], "min_score": 0.9}),
    ],
)
def test_evaluation(expected: bool, settings: dict[str, Any], way: Any) -> None:
    """Events, attributes and an evaluator's output tell score, label and name."""
    policy = {"type": "evaluation", "evaluation": settings}
    assert expected is kept(policy, way("relevance", 0.3, "poor"))


def test_no_evaluation_matches_nothing() -> None:
    """A trace that nobody judged is not a bad one."""
    assert not kept({"type": "evaluation", "evaluation": {"max_score": 1}}, batch({}))
