"""What eval_scores promises."""

import asyncio

import pytest

from eval_scores import EvalScores
from gateway.plugin import Batch, Span
from gateway.testing import FakeContext, batch, check_contract, processor

SCORES = {"politeness": "my_scores:politeness", "brevity": "my_scores:brevity"}


def scored(sent: Batch, scores: dict[str, str] = SCORES) -> list[Span]:
    """Return the spans that come out."""
    plugin = processor(EvalScores, scores=scores)
    asyncio.run(plugin.start(FakeContext()))
    return list(plugin.process(sent).spans)


def call(question: str, answer: str) -> dict[str, str]:
    return {
        "mlflow.spanType": "CHAT_MODEL",
        "mlflow.spanInputs": question,
        "mlflow.spanOutputs": answer,
    }


def test_scores_are_attributes_of_the_span() -> None:
    """One for each function that has an opinion."""
    [span] = scored(batch(call("", "Thank you!")))

    assert 1.0 == span.attributes["eval.politeness"]
    assert "eval.brevity" not in span.attributes


def test_scores_are_events_of_the_conventions() -> None:
    """``gen_ai.evaluation.result`` with name and value, at the end of the call."""
    [span] = scored(batch(call("How?", "Like this.")))

    [event, _] = span.peek.events
    name, value = (attribute.value for attribute in event.attributes)
    assert "gen_ai.evaluation.result" == event.name
    assert span.peek.end_time_unix_nano == event.time_unix_nano
    assert ("politeness", 0.0) == (name.string_value, value.double_value)


def test_a_roots_scores_are_tags_of_the_trace() -> None:
    """MLflow finds the trace by them; those of inner calls stay on their spans."""
    root, inner = scored(batch(call("", "Sorry."), call("", "Sorry.")))

    assert "1.0" == root.attributes["mlflow.traceTag.eval.politeness"]
    assert "mlflow.traceTag.eval.politeness" not in inner.attributes


@pytest.mark.parametrize("attributes", [{}, {"mlflow.spanType": "TOOL"}, call("What?", "")])
def test_what_is_no_answer_is_left_alone(attributes: dict[str, str]) -> None:
    """Other spans come out as they went in."""
    sent = batch(attributes)
    before = sent.encode()

    [span] = scored(sent)

    assert attributes == span.attributes
    assert before == sent.encode()


@pytest.mark.parametrize("target", ["absent:score", "my_scores:absent"])
def test_a_function_that_is_missing_stops_the_start(target: str) -> None:
    """The message names the setting."""
    with pytest.raises(ValueError, match=r"scores\.mine: cannot import"):
        scored(batch({}), {"mine": target})


def test_a_target_needs_a_function() -> None:
    """Found when the configuration is read."""
    with pytest.raises(ValueError, match=r'scores\.mine: expected "module:function"'):
        processor(EvalScores, scores={"mine": "my_scores"})


def test_keeps_the_contract() -> None:
    """What every processor promises."""
    check_contract(EvalScores, scores=SCORES)
