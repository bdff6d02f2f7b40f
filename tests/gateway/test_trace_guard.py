"""What the guard promises for trace processors: whatever they answer, a trace has an end."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery.crashes import Crashes, read
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
    assert "mend the plugin" in logged["advice"]

    assert Drop("on_error") == decide(answer, "drop")
    assert isinstance(decide(answer, "reject"), Unfit)


def test_a_decision_under_way_is_noted(tmp_path: Path) -> None:
    """Whoever looks sees that the processor is at work, and on which trace; later nothing of it."""
    path = tmp_path / "workers" / "sending-0"
    seen: list[tuple[bool, int]] = []

    class Looks(TraceProcessor[Config]):
        def decide(self, trace: Trace) -> Keep:
            seen.append((guard.hangs(0), len(read(path))))
            return Keep("a")

    guard = TraceGuard("looks", Looks(Config()), pipeline="traces", logger=logs.get("t"))
    crashes = Crashes(path, {})
    guard.note_in(crashes)
    guard.decide(trace(batch({})))
    crashes.close()
    assert [(True, 1)] == seen
    assert not guard.hangs(0)
    assert set() == read(path)


def test_what_crashed_three_times_is_not_asked_about(tmp_path: Path) -> None:
    """The policy decides about that trace alone."""
    poison, other = trace(batch({})), trace(batch({}))
    path = tmp_path / "sending-0"
    crashes = Crashes(path, {})
    with crashes.deciding(poison.trace_id):
        [note] = read(path)
    crashes.suspect({note: 3})
    processor = Says(Config())
    processor.answer = Keep("a")
    guard = TraceGuard(
        "says", processor, pipeline="traces", logger=logs.get("t"), on_error="reject"
    )
    guard.note_in(crashes)
    assert isinstance(guard.decide(poison), Unfit)
    assert Keep("a") == guard.decide(other)
    crashes.close()
