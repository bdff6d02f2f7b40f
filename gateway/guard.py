"""
Run code that may be anybody's, so that its faults stay its own.

The only place where an unforeseen exception is caught. It is logged with the place in the
component's code, counted, and turned into what the component's policy says.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.batch import Batch
from gateway.blame import blame, blame_unseen
from gateway.errors import Flow, Reject, Retry
from gateway.plugin import Component, Config, Exporter, Logger, OnError, Processor
from gateway.telemetry import metrics

T = TypeVar("T")

BREAKER_FAILURES = 5
BREAKER_OPEN_S = 30.0


class StartError(Exception):
    """A component cannot be built or started; the gateway does not run without it."""

    def __init__(self, where: str, error: Exception) -> None:
        known = isinstance(error, OSError | ValueError)
        text = str(error) if known else blame(error)
        super().__init__(text if text.startswith(where) else f"{where}: {text}")


def build(where: str, component: type[Component[Config]], config: Config) -> Component[Config]:
    """
    Make a component.

    Raises:
        StartError: its constructor failed.

    """
    try:
        return component(config)
    except Exception as error:
        raise StartError(where, error) from error


async def start(where: str, starting: Awaitable[None]) -> None:
    """
    Wait for a component's ``start`` or ``listen``.

    Raises:
        StartError: it failed.

    """
    try:
        await starting
    except Exception as error:
        raise StartError(where, error) from error


async def stop(where: str, stopping: Awaitable[None], logger: Logger, timeout_s: float) -> None:
    """Wait for a component's ``stop`` or ``refuse``; a failure is logged, the others go on."""
    try:
        async with asyncio.timeout(timeout_s):
            await stopping
    except Exception as error:  # noqa: BLE001 - the guard's purpose
        logger.error("component did not stop cleanly", stopping=where, reason=blame(error))


class Breaker:
    """Open after failures in a row, so that a broken component is not asked for every batch."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._open_until = 0.0

    def remaining_s(self) -> float:
        """Return how long the breaker stays open; 0 where it is closed."""
        if self._failures < BREAKER_FAILURES:
            return 0.0
        return max(0.0, self._open_until - self._monotonic())

    def failed(self) -> None:
        """Count a failure."""
        self._failures += 1
        self._open_until = self._monotonic() + BREAKER_OPEN_S

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self._failures = 0


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
        self.is_async = inspect.iscoroutinefunction(processor.process)
        self.is_gate = type(processor).admit is not Processor.admit
        """Whether the processor has a say in what is read at all."""
        self._process: Callable[[Batch], Any] = processor.process
        self._admit = processor.admit
        self._policy: OnError = on_error or processor.on_error
        self._breaker = Breaker()
        self._logger = logger
        self._pipeline = pipeline
        self._incoming = metrics.processor_incoming_spans.labels(pipeline, component_id)
        self._outgoing = metrics.processor_outgoing_spans.labels(pipeline, component_id)
        self._duration = metrics.processor_duration.labels(pipeline, component_id)

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
        except Exception as error:
            self._logger.error(
                "processor failed to admit", processor=self.component_id, reason=blame(error)
            )
            raise Retry(f"processor {self.component_id} failed") from error

    def run(self, batch: Batch) -> Batch:
        """
        Run a sync processor; call it on a thread.

        Raises:
            Flow: what the processor, its policy or its breaker says.

        """
        before, closed = self._enter(batch)
        if not closed:
            return self._skip(batch)
        started = time.perf_counter()
        try:
            result = self._process(batch)
            if not isinstance(result, Batch):
                raise _wrong_result(result)  # noqa: TRY301 - handled like any other fault
        except Flow as flow:
            raise self._named(flow) from flow.__cause__
        except Exception as error:  # noqa: BLE001 - the guard's purpose
            return self._failed(error, batch, before)
        return self._leave(result, started)

    async def run_async(self, batch: Batch) -> Batch:
        """Run an async processor on the event loop; otherwise as :meth:`run`."""
        before, closed = self._enter(batch)
        if not closed:
            return self._skip(batch)
        started = time.perf_counter()
        try:
            pending: Awaitable[object] = self._process(batch)
            result = await pending
            if not isinstance(result, Batch):
                raise _wrong_result(result)  # noqa: TRY301 - handled like any other fault
        except Flow as flow:
            raise self._named(flow) from flow.__cause__
        except Exception as error:  # noqa: BLE001 - the guard's purpose
            return self._failed(error, batch, before)
        return self._leave(result, started)

    def _enter(self, batch: Batch) -> tuple[bytes | None, bool]:
        self._incoming.inc(len(batch))
        before = batch.encode() if self._policy == "pass" else None
        return before, self._breaker.remaining_s() == 0

    def _named(self, flow: Flow) -> Flow:
        """Say which processor speaks; that it speaks is no failure."""
        self._breaker.succeeded()
        flow.reason = f"processor {self.component_id}: {flow.reason}"
        return flow

    def _leave(self, batch: Batch, started: float) -> Batch:
        self._breaker.succeeded()
        self._duration.observe(time.perf_counter() - started)
        self._outgoing.inc(len(batch))
        return batch

    def _skip(self, batch: Batch) -> Batch:
        after = self._breaker.remaining_s()
        return self._by_policy(
            batch,
            batch.encode() if self._policy == "pass" else None,
            Retry(f"processor {self.component_id} failed {BREAKER_FAILURES} times in a row", after),
        )

    def _failed(self, error: Exception, batch: Batch, before: bytes | None) -> Batch:
        self._breaker.failed()
        metrics.processor_failures.labels(self._pipeline, self.component_id, self._policy).inc()
        self._logger.error(
            "processor failed",
            pipeline=self._pipeline,
            processor=self.component_id,
            policy=self._policy,
            reason=blame_unseen(error),
            hint="mend the plugin; the batch was " + _OUTCOME[self._policy],
        )
        refusal = Reject(f"processor {self.component_id} failed: {type(error).__name__}")
        refusal.__cause__ = error
        return self._by_policy(batch, before, refusal)

    def _by_policy(self, batch: Batch, before: bytes | None, refusal: Flow) -> Batch:
        if self._policy == "reject":
            raise refusal
        if self._policy == "drop":
            return Batch(b"", batch.context)
        assert before is not None
        passed = Batch(before, batch.context)
        self._outgoing.inc(len(passed))
        return passed


_OUTCOME: dict[OnError, str] = {
    "pass": "passed on as it was before",
    "drop": "dropped",
    "reject": "refused to the sender",
}


def _wrong_result(result: object) -> TypeError:
    return TypeError(f"process() returned {type(result).__name__}, expected the batch")


async def export(exporter: Exporter[Config], batch: Batch) -> None:
    """
    Run an exporter; what is unforeseen is isolated like a refusal of the destination.

    Raises:
        Flow: what the exporter says.

    """
    try:
        await exporter.export(batch)
    except Flow:
        raise
    except Exception as error:
        reason = f"exporter {type(exporter).__name__} failed: {blame_unseen(error)}"
        raise Reject(reason, isolate=True) from error


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


class FaultError(Exception):
    """A plugin's code failed in a way that it does not promise; says where in its code."""


def attempt(step: Callable[[], T], promised: tuple[type[Exception], ...] = ()) -> T:
    """
    Run a plugin's code while a configuration is read: its import, the checks of its settings.

    Raises:
        FaultError: it raised something that is not ``promised``.

    """
    try:
        return step()
    except promised:
        raise
    except (Exception, SystemExit) as error:
        raise FaultError(blame(error)) from error
