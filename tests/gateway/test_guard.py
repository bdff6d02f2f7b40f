"""What the guard promises: a plugin's fault stays its own, and its policy is kept."""

from typing import Any

import pytest

from gateway.batch import Batch
from gateway.errors import Busy, Reject, Retry
from gateway.guard import BREAKER_FAILURES, Guard, StartError, build, start
from gateway.plugin import Config, OnError, Processor
from gateway.telemetry import logs
from gateway.testing import batch


class Broken(Processor[Config]):
    """Changes the batch, then does what ``fault`` says."""

    fault: Any = None
    calls = 0

    def process(self, batch: Batch) -> Batch:
        self.calls += 1
        for span in batch:
            span.attributes["half"] = "done"
        if self.fault is not None:
            raise self.fault
        return batch


def guard(processor: Processor[Config], on_error: OnError | None = None) -> Guard:
    return Guard("broken", processor, pipeline="traces", logger=logs.get("t"), on_error=on_error)


def broken(fault: Any = None) -> Broken:
    processor = Broken(Config())
    processor.fault = fault if fault is not None else KeyError("x")
    return processor


def test_reject_refuses_and_names_the_processor() -> None:
    """The default policy refuses the batch, and the reason names the processor."""
    with pytest.raises(Reject, match="processor broken failed: KeyError"):
        guard(broken()).run(batch({}))


def test_pass_goes_on_as_if_it_had_not_run() -> None:
    """With ``pass`` the batch is what it was before, without the half-done change."""
    out = guard(broken(), "pass").run(batch({"a": 1}))
    assert [{"a": 1}] == [dict(span.attributes) for span in out]


def test_drop_drops_the_batch() -> None:
    """With ``drop`` nothing is left."""
    assert 0 == len(guard(broken(), "drop").run(batch({})))


@pytest.mark.parametrize("flow", [Reject("no"), Busy("later", 3), Retry("down", 2)])
def test_flow_control_passes(flow: Exception) -> None:
    """What a processor says to the sender is no failure, whatever the policy."""
    with pytest.raises(type(flow)):
        guard(broken(flow), "pass").run(batch({}))


def test_a_wrong_result_is_a_failure() -> None:
    """A processor that returns nothing is treated as one that raised."""

    class Forgetful(Processor[Config]):
        def process(self, batch: Batch) -> Batch:
            return None  # type: ignore[return-value] # the fault under test

    with pytest.raises(Reject, match="TypeError"):
        guard(Forgetful(Config())).run(batch({}))


def test_the_breaker_opens() -> None:
    """After failures in a row the processor is not called, and senders get a delay."""
    processor = broken()
    guarded = guard(processor)
    for _ in range(BREAKER_FAILURES):
        with pytest.raises(Reject):
            guarded.run(batch({}))
    with pytest.raises(Retry) as refusal:
        guarded.run(batch({}))
    assert refusal.value.after
    assert refusal.value.after > 0
    assert BREAKER_FAILURES == processor.calls


def test_a_success_closes_the_breaker() -> None:
    """Failures with successes between them open nothing."""
    processor = broken()
    guarded = guard(processor)
    for _ in range(3):
        for _ in range(BREAKER_FAILURES - 1):
            with pytest.raises(Reject):
                guarded.run(batch({}))
        processor.fault = None
        guarded.run(batch({}))
        processor.fault = KeyError("x")


async def test_async_processors_are_guarded_alike() -> None:
    """An async processor that fails is refused with its name."""

    class Async(Processor[Config]):
        async def process(self, batch: Batch) -> Batch:
            raise ValueError("no")

    with pytest.raises(Reject, match="ValueError"):
        await guard(Async(Config())).run_async(batch({}))


def test_a_failing_constructor_names_the_component() -> None:
    """What cannot be built says where in the configuration it stands."""

    class Fussy(Processor[Config]):
        def __init__(self, config: Config) -> None:
            raise ValueError("pattern: unbalanced bracket")

        def process(self, batch: Batch) -> Batch:
            return batch

    with pytest.raises(StartError, match=r"^processors\.fussy: pattern: unbalanced bracket$"):
        build("processors.fussy", Fussy, Config())


def test_a_processor_without_process_is_not_built() -> None:
    """What is missing is said before the first batch comes."""

    class Empty(Processor[Config]):
        pass

    with pytest.raises(StartError, match=r"processors\.empty: .*Empty.*process"):
        build("processors.empty", Empty, Config())


async def test_a_failing_start_names_file_and_line() -> None:
    """An unforeseen exception in ``start`` names the place in the plugin's code."""

    async def starting() -> None:
        raise KeyError("token")

    with pytest.raises(StartError, match=r"processors\.x: KeyError: 'token' at test_guard\.py:\d+"):
        await start("processors.x", starting())


def test_no_text_of_a_span_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception may quote a prompt: log and answer name its kind and place alone."""
    logs.configure("info", "json")
    with pytest.raises(Reject) as refusal:
        guard(broken(ValueError("cannot read: my secret prompt"))).run(batch({}))
    logged = capsys.readouterr().err
    assert "secret prompt" not in logged + str(refusal.value)
    assert "ValueError at test_guard.py:" in logged
