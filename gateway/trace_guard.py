"""Run a trace processor, which may be anybody's, so that its faults stay its own."""

import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from gateway.batch import Batch
from gateway.blame import home_of, is_ours, line_of
from gateway.breaker import Breaker
from gateway.delivery.crashes import Crashes
from gateway.errors import Busy, Flow, Reject, Retry
from gateway.guard import FaultError, ask, name_of
from gateway.plugin import Drop, Keep, Logger, OnError, Trace, TraceProcessor, Wait
from gateway.telemetry import metrics


class Unfit(msgspec.Struct, frozen=True):
    """Make a trace dead letters: its processor failed on it, and ``on_error`` is ``reject``."""

    reason: str


class TraceGuard:
    """
    One trace processor in one pipeline: its policy, its breaker, its counters, its turn.

    Every method may be called from any thread.
    """

    def __init__(
        self,
        component_id: str,
        processor: TraceProcessor[Any],
        *,
        pipeline: str,
        logger: Logger,
        on_error: OnError | None = None,
    ) -> None:
        self.component_id = component_id
        self.processor = processor
        self.pipeline = pipeline
        self.releases = type(processor).release is not TraceProcessor.release
        """Whether the processor has a say in how kept spans go on."""
        self._policy: OnError = on_error or processor.on_error
        self._breaker = Breaker()
        self._logger = logger
        self._home = home_of(type(processor))
        self._turn = threading.Lock()
        self._since: float | None = None
        self._crashes: Crashes | None = None
        self._incoming = metrics.processor_incoming_spans.labels(pipeline, component_id)
        self._outgoing = metrics.processor_outgoing_spans.labels(pipeline, component_id)
        self._duration = metrics.processor_duration.labels(pipeline, component_id)

    @property
    def name(self) -> str:
        """Which processor it is, of all pipelines."""
        return name_of(self.pipeline, self.component_id)

    @property
    def home(self) -> Path | None:
        """Folder of the processor's code."""
        return self._home

    def note_in(self, crashes: Crashes) -> None:
        """Note from now on which trace is being decided, should the process end meanwhile."""
        if not is_ours(self._home):
            self._crashes = crashes

    def hangs(self, limit_s: float) -> bool:
        """Tell whether the processor has been at a decision for so long."""
        since = self._since
        return since is not None and time.perf_counter() - since > limit_s

    def count(self, incoming: int, outgoing: int, seconds: float) -> None:
        """Note the spans that came and those that go on, and how long deciding took."""
        self._incoming.inc(incoming)
        self._outgoing.inc(outgoing)
        self._duration.observe(seconds)

    def decide(self, trace: Trace) -> Keep | Drop | Wait | Unfit:
        """Return what becomes of a trace; the processor is never asked twice at the same time."""
        with self._turn:
            if self._crashes is None:
                return self._decide(trace)
            if self._crashes.is_undecidable(trace.trace_id):
                return self._by_policy(
                    "failed: it hung on the trace or took its process down, three times"
                )
            with self._crashes.deciding(trace.trace_id):
                return self._decide(trace)

    def _decide(self, trace: Trace) -> Keep | Drop | Wait | Unfit:
        if self._breaker.remaining_s():
            return self._by_policy(self._breaker.why)
        self._since = time.perf_counter()
        try:
            answer = ask(partial(self._ask, trace), self._home)
        except (Busy, Retry) as later:
            answer = Wait(later.after or 1.0)
        except (Flow, FaultError) as fault:
            self._breaker.failed()
            self._note(fault)
            return self._by_policy("failed: see the log")
        finally:
            self._since = None
        self._breaker.succeeded()
        if trace.ending is not None and isinstance(answer, Wait):
            return Keep(trace.ending)
        return answer

    def _ask(self, trace: Trace) -> Keep | Drop | Wait:
        answer: object = self.processor.decide(trace)
        if not isinstance(answer, Keep | Drop | Wait):
            line = line_of(self.processor.decide)
            found = type(answer).__name__
            raise _GarbageError(
                f"decide() returned {found}, expected Keep, Drop or Wait, at {line}"
            )
        seconds: object = answer.seconds if isinstance(answer, Wait) else 0
        if not isinstance(seconds, int | float):
            line = line_of(self.processor.decide)
            raise _GarbageError(f"decide() asked to wait for no number of seconds, at {line}")
        return answer

    def release(self, batch: Batch, reason: str) -> Batch:
        """Return the spans of kept traces as they go on; as they came where that fails."""
        if not self.releases:
            return batch
        before = batch.encode()
        try:
            return ask(partial(self._release, batch, reason), self._home)
        except (Flow, FaultError) as fault:
            self._note(fault)
            return Batch(before, batch.context)

    def _release(self, batch: Batch, reason: str) -> Batch:
        released: object = self.processor.release(batch, reason)
        if not isinstance(released, Batch):
            line = line_of(self.processor.release)
            raise _GarbageError(
                f"release() returned {type(released).__name__}, expected a batch, at {line}"
            )
        released.entries()
        return released

    def _note(self, fault: Exception) -> None:
        metrics.processor_failures.labels(self.pipeline, self.component_id, self._policy).inc()
        self._logger.error(
            "processor failed",
            pipeline=self.pipeline,
            processor=self.component_id,
            policy=self._policy,
            reason=_told(fault),
            advice="mend the plugin; its traces are " + _TRACE_OUTCOME[self._policy],
        )

    def _by_policy(self, why: str) -> Keep | Drop | Unfit:
        if self._policy == "pass":
            return Keep("on_error")
        if self._policy == "drop":
            return Drop("on_error")
        return Unfit(f"processor {self.component_id} {why}")


class _GarbageError(Reject):
    """What a trace processor returned is no answer; the text is ours."""


def _told(fault: Exception) -> str:
    """Return what the log may know: what a plugin says may quote a span."""
    ours = isinstance(fault, FaultError | _GarbageError)
    return str(fault) if ours else f"it raised {type(fault).__name__}"


_TRACE_OUTCOME: dict[OnError, str] = {
    "pass": "kept",
    "drop": "dropped",
    "reject": "dead letters",
}
