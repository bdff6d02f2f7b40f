"""What the guard promises for trace processors: whatever they answer, a trace has an end."""

import json
from typing import Any

import pytest

from gateway.plugin import Config, Drop, Keep, OnError, Trace, TraceProcessor, Wait
from gateway.telemetry import logs
from gateway.testing import batch, trace
from gateway.trace_guard import TraceGuard, Unfit


class Says(TraceProcessor[Config]):
    """Answers what it is told to, or raises it."""

    answer: Any = None

    def decide(self, trace: Trace) -> Keep | Drop | Wait:
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer  # type: ignore[no-any-return] # wrong answers are under test


def decide(answer: Any, on_error: OnError | None = None) -> object:
    processor = Says(Config())
    processor.answer = answer
    guard = TraceGuard(
        "says", processor, pipeline="traces", logger=logs.get("t"), on_error=on_error
    )
    return guard.decide(trace(batch({})))


@pytest.mark.parametrize("answer", [Keep("a"), Drop("b"), Wait(2)], ids=repr)
def test_an_answer_is_passed_on(answer: object) -> None:
    """What was decided is what happens."""
    assert answer == decide(answer)


@pytest.mark.parametrize(
    "answer",
    [None, True, "keep", Wait("5s"), KeyError("x"), SystemExit(2)],  # type: ignore[arg-type] # as an author may
    ids=repr,
)
def test_anything_else_follows_the_policy(
    answer: object, capsys: pytest.CaptureFixture[str]
) -> None:
    """Kept unless ``on_error`` says otherwise; the log names plugin, file, line and what to do."""
    logs.configure("info", "json")
    assert Keep("on_error") == decide(answer)
    logged = json.loads(capsys.readouterr().err)
    assert "says" == logged["processor"]
    assert "at test_trace_guard.py:" in logged["reason"]
    assert "mend the plugin" in logged["hint"]

    assert Drop("on_error") == decide(answer, "drop")
    assert isinstance(decide(answer, "reject"), Unfit)
