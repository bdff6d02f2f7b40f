"""
Run code that may be anybody's, so that its faults stay its own.

The only place where an unforeseen exception is caught. It is logged with the place in the
component's code, counted, and turned into what the component's policy says.
"""

import asyncio
import inspect
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.message import DecodeError

from gateway.batch import Batch, Dropped, Snapshot
from gateway.blame import blame, blame_unseen, home_of, is_ours, line_of, place
from gateway.breaker import Breaker
from gateway.errors import Flow, Reject, Retry
from gateway.plugin import Logger, OnError, Processor
from gateway.poison import label
from gateway.returned import GarbageError, check_ids, is_async, what_is_wrong
from gateway.telemetry import logs, metrics

T = TypeVar("T")

HANG_LIMIT_S = 60.0
"""How long a processor may take for a batch."""
ENDED = "the gateway's process ended each time it worked on this request"

_FAULTS = (BaseException,)
"""What plugins raise by mistake; ``sys.exit()`` or a panic in Rust must not end the gateway."""


def watch(loop: asyncio.AbstractEventLoop, logger: Logger) -> None:
    """Log failures that nobody awaits without their text, which may quote a span."""

    def failed(_: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
        error = told.get("exception")
        if isinstance(error, asyncio.CancelledError):
            return  # somebody ended it on purpose
        reason = blame_unseen(error) if isinstance(error, BaseException) else told["message"]
        logger.error(
            "background task failed",
            reason=reason,
            advice="whoever starts a task must await it and catch what it raises",
        )

    loop.set_exception_handler(failed)


def _let_through(error: BaseException) -> None:
    """Pass on what is not the plugin's: that we are closed, cancelled or interrupted."""
    if isinstance(error, GeneratorExit):
        raise error
    if isinstance(error, KeyboardInterrupt) and _is_interruptible():
        raise error
    if isinstance(error, asyncio.CancelledError) and _is_cancelled():
        raise error


def _is_interruptible() -> bool:
    """Whether Ctrl-C can have been pressed; worker processes and threads never learn of it."""
    main = threading.current_thread() is threading.main_thread()
    return main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def _is_cancelled() -> bool:
    """Whether we are; a plugin that awaits a cancelled task of its own is not."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # a thread has none
        return False
    return task is not None and task.cancelling() > 0


class Guard:
    """One processor in one pipeline: its policy, its breaker, its counters."""

    def __init__(
        self,
        component_id: str,
        processor: Processor[Any],
        *,
        pipeline: str,
        logger: Logger,
        on_error: OnError | None = None,
    ) -> None:
        self.component_id = component_id
        self.label = label(name_of(pipeline, component_id))
        """What stands for it in the notes of what is being processed."""
        self.is_async = is_async(processor.process)
        self.is_gate = type(processor).admit is not Processor.admit
        """Whether the processor has a say in what is read at all."""
        self._process: Callable[[Batch], Any] = processor.process
        self._home = home_of(type(processor))
        self.is_ours = is_ours(self._home)
        """Whether it came with the gateway."""
        self._admit = processor.admit
        self._policy: OnError = on_error or processor.on_error
        self._breaker = Breaker()
        self._running: dict[int, float] = {}
        self.pace_s: float | None = None
        """Seconds that the last batch took for each of its spans; None before the first."""
        self._logger = logger
        self._pipeline = pipeline
        self._incoming = metrics.processor_incoming_spans.labels(pipeline, component_id)
        self._outgoing = metrics.processor_outgoing_spans.labels(pipeline, component_id)
        self._dropped = metrics.processor_dropped_spans.labels(pipeline, component_id)
        self._refused = metrics.processor_refused_spans.labels(pipeline, component_id)
        self._duration = metrics.processor_duration.labels(pipeline, component_id)

    @property
    def name(self) -> str:
        """Which processor it is, of all pipelines."""
        return name_of(self._pipeline, self.component_id)

    @property
    def home(self) -> Path | None:
        """Folder of the processor's code."""
        return self._home

    def hangs(self, limit_s: float) -> bool:
        """Tell whether the processor has been at work on a batch for so long; from any thread."""
        now = time.perf_counter()
        return any(now - started > limit_s for started in tuple(self._running.values()))

    def trip(self) -> None:
        """Ask the processor nothing for a while."""
        self._breaker.trip()

    def admit(self) -> None:
        """
        Ask the processor whether a request may come in.

        Raises:
            Flow: it may not, and what to tell the sender.

        """
        try:
            self._admit()
        except Flow as flow:
            raise self._named(flow) from flow.__cause__
        except _FAULTS as error:
            _let_through(error)
            self._logger.error(
                "processor failed to admit",
                processor=self.component_id,
                reason=blame(error, self._home),
                advice="mend the plugin; senders are told to come back",
            )
            raise Retry(f"processor {self.component_id} failed") from error

    def run(self, batch: Batch) -> Batch:
        """
        Run a sync processor; call it on a thread.

        Raises:
            Flow: what the processor, its policy or its breaker says.

        """
        before, given, closed = self._enter(batch)
        if not closed:
            return self._skip(batch, given)
        started = self._running[id(batch)] = time.perf_counter()
        try:
            result, spans = self._checked(self._process(batch), batch)
        except Flow as flow:
            if not batch.parts:
                self._refused.inc(given)
            raise self._named(flow) from flow.__cause__
        except _FAULTS as error:
            _let_through(error)
            return self._failed(error, batch, given, before)
        finally:
            self._running.pop(id(batch), None)
        return self._leave(result, batch, given, spans, started)

    async def run_async(self, batch: Batch) -> Batch:
        """Run an async processor on the event loop; otherwise as :meth:`run`."""
        before, given, closed = self._enter(batch)
        if not closed:
            return self._skip(batch, given)
        started = self._running[id(batch)] = time.perf_counter()
        # Ours waits for nothing here, and a limit would cost more than what it does.
        limit = None if self.is_ours else asyncio.timeout(HANG_LIMIT_S)
        try:
            if limit is None:
                result = await self._process(batch)
            else:
                async with limit:
                    result = self._process(batch)
                    if inspect.isawaitable(result):
                        result = await result
            result, spans = self._checked(result, batch)
        except Flow as flow:
            if not batch.parts:
                self._refused.inc(given)
            raise self._named(flow) from flow.__cause__
        except _FAULTS as error:
            _let_through(error)
            return self._failed(error, batch, given, before, hung=bool(limit and limit.expired()))
        finally:
            self._running.pop(id(batch), None)
        return self._leave(result, batch, given, spans, started)

    def give_up(self, batch: Batch) -> Batch:
        """
        Do what the policy says with a request that took the process down each time.

        Raises:
            Reject: the policy is ``reject``.

        """
        if batch.parts:
            raise Reject(f"processor {self.component_id} failed: {ENDED}")
        before, given, _ = self._enter(batch)
        metrics.processor_failures.labels(self._pipeline, self.component_id, self._policy).inc()
        self._logger.error(
            "processor is kept from a request that crashes it",
            pipeline=self._pipeline,
            processor=self.component_id,
            policy=self._policy,
            spans=given,
            advice="mend the plugin; the batch was " + _OUTCOME[self._policy],
            **_told_of(batch),
        )
        refusal = Reject(f"processor {self.component_id} failed: {ENDED}")
        return self._by_policy(batch, given, before, refusal)

    def _enter(self, batch: Batch) -> tuple[Snapshot | None, int, bool]:
        given = len(batch)
        if not batch.parts:
            self._incoming.inc(given)
        before = batch.snapshot() if self._policy == "pass" else None
        return before, given, self._breaker.remaining_s() == 0

    def _named(self, flow: Flow) -> Flow:
        """Say which processor speaks; that it speaks is no failure."""
        self._breaker.succeeded()
        flow.reason = f"processor {self.component_id}: {flow.reason}"
        flow.by, flow.is_private = self.component_id, not self.is_ours
        return flow

    def _checked(self, result: object, given: Batch) -> tuple[Batch, int]:
        """
        Return what the processor returned and how many spans it holds.

        Raises:
            GarbageError: nobody could go on with it.

        """
        if not isinstance(result, Batch):
            raise GarbageError(what_is_wrong(result))
        try:
            spans = len(result)
        except DecodeError as error:
            raise GarbageError("process() returned a batch that is no protobuf") from error
        if result is not given:
            result.context = given.context
            result.calls = result.calls or given.calls
            result.parts = given.parts
        if not self.is_ours:
            check_ids(result)
        return result, spans

    def _leave(self, batch: Batch, before: Batch, given: int, spans: int, started: float) -> Batch:
        self._breaker.succeeded()
        if before.parts:
            self._incoming.inc(given)  # not before: what fails is done again
        if not before.note_drops(self.component_id) and spans < given:
            before.dropped.append(Dropped(self.component_id, ""))
        if spans < given:
            self._dropped.inc(given - spans)
        batch.dropped = before.dropped
        taken_s = time.perf_counter() - started
        self.pace_s = taken_s / max(given, 1)
        self._duration.observe(taken_s)
        self._outgoing.inc(spans)
        return batch

    def _skip(self, batch: Batch, given: int) -> Batch:
        after = self._breaker.remaining_s()
        if batch.parts:
            raise Retry(f"processor {self.component_id} {self._breaker.why}", after)
        return self._by_policy(
            batch,
            given,
            batch.snapshot() if self._policy == "pass" else None,
            Retry(f"processor {self.component_id} {self._breaker.why}", after),
        )

    def _failed(
        self,
        error: BaseException,
        batch: Batch,
        given: int,
        before: Snapshot | None,
        *,
        hung: bool = False,
    ) -> Batch:
        if batch.parts:
            raise Reject(f"processor {self.component_id} failed") from error
        self._breaker.failed()
        metrics.processor_failures.labels(self._pipeline, self.component_id, self._policy).inc()
        self._logger.error(
            "processor failed",
            pipeline=self._pipeline,
            processor=self.component_id,
            policy=self._policy,
            reason=_hanging(error, self._home) if hung else self._reason(error),
            advice="mend the plugin; the batch was " + _OUTCOME[self._policy],
            **_told_of(batch),
        )
        what = str(error) if isinstance(error, GarbageError) else type(error).__name__
        refusal = Reject(f"processor {self.component_id} failed: {what}")
        refusal.__cause__ = error
        return self._by_policy(batch, given, before, refusal)

    def _reason(self, error: BaseException) -> str:
        """Return kind and place; of errors that plugins raise no text, which may quote a span."""
        if isinstance(error, GarbageError):
            return f"{error} at {line_of(self._process)}"
        return blame_unseen(error, self._home)

    def _by_policy(self, batch: Batch, given: int, before: Snapshot | None, refusal: Flow) -> Batch:
        if self._policy == "reject":
            self._refused.inc(given)
            refusal.by = self.component_id
            raise refusal
        if self._policy == "drop":
            self._dropped.inc(given)
            dropped = Batch(b"", batch.context)
            dropped.dropped = [*batch.dropped, Dropped(self.component_id, refusal.reason)]
            return dropped
        assert before is not None
        passed = before.batch()
        passed.calls, passed.dropped = batch.calls, batch.dropped
        self._outgoing.inc(len(passed))
        return passed


def name_of(pipeline: str, component_id: str) -> str:
    """Return how a processor is called among those of all pipelines."""
    return f"{pipeline}: {component_id}"


def _told_of(batch: Batch) -> dict[str, object]:
    """Return what joins a log line to a batch, if the processor left enough of it."""
    try:
        return logs.trace_of(batch)
    except Exception:  # noqa: BLE001 - the guard's purpose
        return {}


_OUTCOME: dict[OnError, str] = {
    "pass": "passed on as it was before",
    "drop": "dropped",
    "reject": "refused to the sender",
}


def _hanging(error: BaseException, home: Path | None) -> str:
    """Return that the guard's own limit ended it, and where it waited then."""
    where = place(error.__cause__ or error.__context__ or error, home)
    return f"process() did not return within {HANG_LIMIT_S:g} s, it waited{where}"


async def answer(
    answering: Awaitable[T], promised: tuple[type[Exception], ...], logger: Logger
) -> T:
    """
    Run a receiver's answer to one request; after an unforeseen fault the sender may come back.

    Raises:
        Flow: what the engine says.
        Retry: something failed that is not ``promised``; what it says is for the log alone.

    """
    try:
        return await answering
    except Flow:
        raise
    except promised:
        raise
    except Exception as error:
        logger.error("request failed", reason=blame_unseen(error))
        raise Retry("the gateway failed on this request; its log says why") from error


def vital(work: Callable[[], None], part: str) -> None:
    """
    Run the work of a thread that others wait for; an unforeseen fault ends this process.

    They would wait for ever. The supervisor starts a successor, and senders come again.
    """
    try:
        work()
    except _FAULTS as error:
        _end_process(error, part)


def depend_on(task: "asyncio.Task[None]", part: str) -> None:
    """End this process where a task that serves until it is cancelled fails; as :func:`vital`."""

    def ended(task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _end_process(error, part)

    task.add_done_callback(ended)


def _end_process(error: BaseException, part: str) -> None:
    logs.get("process").error(
        "a part that everything else needs failed; this worker ends and another goes on",
        part=part,
        reason=blame_unseen(error),
        advice="please report this; what was acknowledged is on disk, senders come again",
    )
    os._exit(1)


class FaultError(Exception):
    """A plugin's code failed in a way that it does not promise; says where in its code."""


def attempt(step: Callable[[], T], promised: tuple[type[Exception], ...] = ()) -> T:
    """
    Run a plugin's code that sees no span: its import, its constructor, the checks of its settings.

    Raises:
        FaultError: it raised something that is not ``promised``.

    """
    try:
        return step()
    except promised:
        raise
    except _FAULTS as error:
        _let_through(error)
        raise FaultError(blame(error)) from error


async def attempt_async(waiting: Awaitable[T], promised: tuple[type[Exception], ...] = ()) -> T:
    """Wait for a plugin's code; otherwise as :func:`attempt`."""
    try:
        return await waiting
    except promised:
        raise
    except _FAULTS as error:
        _let_through(error)
        raise FaultError(blame(error)) from error


def outcome(step: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    """Run work on a thread for who waits elsewhere; return its result, and what it raised."""
    try:
        return step(), None
    except _FAULTS as error:
        return None, error


def ask(step: Callable[[], T], home: Path | None) -> T:
    """
    Run what a component does with spans.

    Raises:
        Flow: what it says.
        FaultError: it raised something else; the text of that, which may quote a span, is left out.

    """
    try:
        return step()
    except Flow:
        raise
    except _FAULTS as error:
        _let_through(error)
        raise FaultError(blame_unseen(error, home)) from error
