"""What the guard promises: a plugin's fault stays its own, and its policy is kept."""

import asyncio
import contextlib
import functools
import json
import re
from collections.abc import Callable
from typing import Any, cast

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from gateway.batch import Batch, BatchContext, LlmCall
from gateway.breaker import BREAKER_FAILURES
from gateway.errors import Busy, Reject, Retry
from gateway.guard import Guard
from gateway.otlp.values import key_value
from gateway.plugin import Config, OnError, Processor
from gateway.telemetry import logs
from gateway.telemetry.metrics import REGISTRY
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


def _returns(result: Any) -> Processor[Config]:
    """Return a processor that answers every batch with ``result``, or calls it."""

    class Returns(Processor[Config]):
        def process(self, batch: Batch) -> Batch:
            answer: Batch = result(batch) if callable(result) else result
            return answer

    return Returns(Config())


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


def test_pass_keeps_what_processors_before_have_done() -> None:
    """With ``pass`` what was appended and written before stays, and nothing of the failed one."""
    given = Batch(batch({"a": 1}, {"a": 2}).encode())
    given.entries()
    first, second = given
    first.append(SpanMessage(attributes=[key_value("b", 2)]).SerializeToString())
    second.attributes["a"] = 3

    out = guard(broken(), "pass").run(given)

    assert [{"a": 1, "b": 2}, {"a": 3}] == [dict(span.attributes) for span in out]


def test_drop_drops_the_batch() -> None:
    """With ``drop`` nothing is left."""
    assert 0 == len(guard(broken(), "drop").run(batch({})))


def counted(one: Guard, data: bytes) -> dict[str, float]:
    """Return how the counts of spans of the processor grow when a batch is run."""

    def read() -> dict[str, float]:
        labels = {"pipeline": "traces", "processor": "broken"}
        names = ("incoming", "outgoing", "dropped", "refused")
        found = {
            name: REGISTRY.get_sample_value(f"spangate_processor_{name}_spans_total", labels)
            for name in names
        }
        return {name: value or 0 for name, value in found.items()}

    before = read()
    with contextlib.suppress(Reject, Busy):
        one.run(Batch(data))
    after = read()
    return {name: after[name] - before[name] for name in after if after[name] != before[name]}


def test_spans_that_are_refused_do_not_count_as_dropped() -> None:
    """Every span that enters leaves, is dropped or is refused, by whatever policy."""

    def one_left(given: Batch) -> Batch:
        given.drop(given.spans[0])
        return given

    def refuse(_: Batch) -> Batch:
        raise Busy("later")

    two = batch({}, {}).encode()
    for expected, processor, policy in (
        ({"incoming": 2, "outgoing": 1, "dropped": 1}, _returns(one_left), "reject"),
        ({"incoming": 2, "refused": 2}, _returns(refuse), "reject"),
        ({"incoming": 2, "refused": 2}, broken(), "reject"),
        ({"incoming": 2, "dropped": 2}, broken(), "drop"),
        ({"incoming": 2, "outgoing": 2}, broken(), "pass"),
    ):
        assert expected == counted(guard(processor, cast("OnError", policy)), two)


def test_pass_keeps_what_was_noted_before() -> None:
    """Calls of models and drops that other processors noted are not lost by a later fault."""
    sent = batch({}, {})
    sent.calls.append(LlmCall(sent.spans[0], "gpt-4o", 1, 1))
    sent.drop(sent.spans[1], "rule")
    sent.note_drops("filter")
    calls, dropped = list(sent.calls), list(sent.dropped)

    out = guard(broken(), "pass").run(sent)

    assert (calls, dropped) == (out.calls, out.dropped)


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

    with pytest.raises(Reject, match="returned NoneType, expected the batch"):
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


def test_no_text_of_a_span_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception may quote a prompt: log and answer name its kind and place alone."""
    logs.configure("info", "json")
    with pytest.raises(Reject) as refusal:
        guard(broken(ValueError("cannot read: my secret prompt"))).run(batch({}))
    logged = capsys.readouterr().err
    assert "secret prompt" not in logged + str(refusal.value)
    assert "ValueError at test_guard.py:" in logged


async def _coroutine() -> None:
    """Do nothing."""


def _bad_ids(given: Batch) -> Batch:
    next(iter(given)).proto.trace_id = b"short"
    return given


def _no_id(given: Batch) -> Batch:
    next(iter(given)).proto.span_id = bytes(8)
    return given


@pytest.mark.parametrize(
    ("result", "says"),
    [
        (None, "returned NoneType, expected the batch: end it with `return batch`"),
        ([], "returned list, expected the batch"),
        (lambda _: _coroutine(), "returned a coroutine: write it as `async def process`"),
        (Batch(b"\xff\xff"), "returned a batch that is no protobuf"),
        (_bad_ids, "5 bytes of trace_id and 8 of span_id, expected 16 and 8"),
        (_no_id, "left a span with an id that is all zero"),
    ],
    ids=["nothing", "list", "coroutine", "bytes", "ids", "zero"],
)
def test_garbage_is_refused_with_the_place(
    result: Any, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody can go on with is a fault; sender and log learn which, the log also where."""
    logs.configure("info", "json")
    with pytest.raises(Reject) as refusal:
        guard(_returns(result)).run(batch({}))
    assert says in str(refusal.value)
    logged = json.loads(capsys.readouterr().err)
    assert "broken" == logged["processor"]
    assert says in logged["reason"]
    assert re.search(r"at test_guard\.py:\d+$", logged["reason"])
    assert "mend the plugin" in logged["advice"]


def test_the_context_stays_whatever_is_returned() -> None:
    """A batch made anew still belongs to the tenant that sent the first one."""
    sent = batch({}, context=BatchContext(tenant="search"))
    out = guard(_returns(lambda given: Batch(given.encode()))).run(sent)
    assert "search" == out.context.tenant


class PanicException(BaseException):
    """What libraries in Rust raise when they panic."""


FATAL = [SystemExit(3), asyncio.CancelledError(), PanicException()]


@pytest.mark.parametrize("fault", FATAL, ids=repr)
def test_what_would_end_the_gateway_is_a_fault(fault: BaseException) -> None:
    """A plugin that exits or cancels has failed, no more."""
    with pytest.raises(Reject, match=type(fault).__name__):
        guard(broken(fault)).run(batch({}))


@pytest.mark.parametrize("fault", FATAL, ids=repr)
async def test_what_would_end_the_event_loop_is_a_fault(fault: BaseException) -> None:
    """So it is on the event loop."""

    class Async(Processor[Config]):
        async def process(self, batch: Batch) -> Batch:
            raise fault

    with pytest.raises(Reject, match=type(fault).__name__):
        await guard(Async(Config())).run_async(batch({}))


async def test_an_interrupt_on_a_thread_is_a_fault() -> None:
    """Nobody can have pressed Ctrl-C there; on the main thread somebody has."""
    with pytest.raises(Reject, match="KeyboardInterrupt"):
        await asyncio.to_thread(guard(broken(KeyboardInterrupt())).run, batch({}))
    with pytest.raises(KeyboardInterrupt):
        guard(broken(KeyboardInterrupt())).run(batch({}))


async def test_a_cancelled_task_of_a_plugin_is_its_fault() -> None:
    """Awaiting a task that was cancelled is a failure, not the end of the request."""

    class Cancels(Processor[Config]):
        async def process(self, batch: Batch) -> Batch:
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task
            return batch

    with pytest.raises(Reject, match="CancelledError"):
        await guard(Cancels(Config())).run_async(batch({}))


async def test_a_cancelled_request_stays_cancelled() -> None:
    """When a sender goes away its request ends, and no fault is counted."""
    begun = asyncio.Event()

    class Waits(Processor[Config]):
        async def process(self, batch: Batch) -> Batch:
            begun.set()
            await asyncio.Event().wait()
            return batch

    task = asyncio.create_task(guard(Waits(Config())).run_async(batch({})))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_that_never_returns_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An async processor beyond its limit is a fault; the log says where it waited."""

    class Waits(Processor[Config]):
        async def process(self, batch: Batch) -> Batch:
            await asyncio.Event().wait()
            return batch

    monkeypatch.setattr("gateway.guard.HANG_LIMIT_S", 0.01)
    logs.configure("info", "json")
    with pytest.raises(Reject, match="TimeoutError"):
        await guard(Waits(Config())).run_async(batch({}))
    reason = json.loads(capsys.readouterr().err)["reason"]
    assert re.fullmatch(
        r"process\(\) did not return within 0\.01 s, it waited at test_guard\.py:\d+", reason
    )


async def test_a_limit_of_its_own_is_no_hang(capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin's own time-out is an error like others: the log says where it was raised."""

    class Impatient(Processor[Config]):
        async def process(self, batch: Batch) -> Batch:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
            return batch

    logs.configure("info", "json")
    with pytest.raises(Reject, match="TimeoutError"):
        await guard(Impatient(Config())).run_async(batch({}))
    reason = json.loads(capsys.readouterr().err)["reason"]
    assert re.fullmatch(r"TimeoutError at test_guard\.py:\d+", reason)


async def test_a_decorated_async_processor_is_awaited() -> None:
    """A decorator around ``async def`` changes nothing."""

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*arguments: Any) -> Any:
            return function(*arguments)

        return wrapped

    class Decorated(Processor[Config]):
        @logged
        async def process(self, batch: Batch) -> Batch:
            return batch

    guarded = guard(Decorated(Config()))
    assert guarded.is_async
    assert 1 == len(await guarded.run_async(batch({})))


def test_the_authors_line_is_named_not_the_librarys(capsys: pytest.CaptureFixture[str]) -> None:
    """An error deep in a library, or in ours, names the line of the plugin that led there."""
    logs.configure("info", "json")
    for mistake in (lambda _: json.loads("{"), lambda b: setattr_(b, object())):
        with pytest.raises(Reject):
            guard(_returns(mistake)).run(batch({}))
        assert "at test_guard.py:" in json.loads(capsys.readouterr().err)["reason"]


def setattr_(given: Batch, value: Any) -> None:
    next(iter(given)).attributes["x"] = value
