"""The traces of one lane that are undecided, and the records that hold their spans."""

import functools
import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence

from gateway.batch import Batch, BatchContext
from gateway.errors import Retry
from gateway.otlp import wire
from gateway.queue.base import Record
from gateway.queue.homes import trace_key
from gateway.queue.queue import READ_RETRY_S
from gateway.trace import Trace

Load = Callable[["Held"], Sequence[wire.Entry]]


class Held:
    """A taken record, until all of its traces are settled."""

    __slots__ = ("left", "record", "traces")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.traces = 0
        """How many it has spans of."""
        self.left = 0
        """Traces of it that are not settled."""

    @property
    def context(self) -> BatchContext:
        """Where the record came from."""
        return self.record.context or BatchContext(
            tenant=self.record.tenant, received_unix_ns=self.record.received_unix_ns
        )


class Part:
    """The spans of one trace in one record, by their places there."""

    __slots__ = ("held", "places")

    def __init__(self, held: Held, places: Sequence[int]) -> None:
        self.held = held
        self.places = places

    def entries(self, load: Load) -> list[wire.Entry]:
        """Return the spans; fewer where the record was damaged on the disk meanwhile."""
        entries = load(self.held)
        return [entries[at] for at in self.places] if entries else []


@functools.lru_cache(maxsize=4096)
def alone(place: int) -> tuple[int, ...]:
    """Return the places of a single span; shared, since most parts have one."""
    return (place,)


class OpenTrace(Trace):
    """A trace that is undecided, and where its spans are."""

    __slots__ = ("_load", "due", "parts", "queued_for")

    def __init__(self, trace_id: bytes, context: BatchContext, load: Load) -> None:
        super().__init__(trace_id, context)
        self.parts: list[Part] = []
        self.due = 0.0
        """Monotonic seconds at which to ask again."""
        self.queued_for: float | None = None
        """When the timer looks at it next."""
        self._load = load

    def add(self, part: Part, entries: Sequence[wire.Entry]) -> None:
        """Take in some of its spans."""
        received = part.held.record.received_unix_ns
        self.parts.append(part)
        self.span_count += len(part.places)
        self.first_unix_ns = min(self.first_unix_ns, received)
        self.last_unix_ns = max(self.last_unix_ns, received)
        for at in part.places:
            entry = entries[at]
            self.size_bytes += entry.size
            if self.root_unix_ns is None and wire.is_root(entry.span):
                self.root_unix_ns = received

    def entries(self) -> list[wire.Entry]:
        """
        Return its spans, encoded.

        Raises:
            OSError: some are on the disk alone, and it cannot be read now.

        """
        return [entry for part in self.parts for entry in part.entries(self._load)]

    def forget(self) -> None:
        """Let go of the decoded spans."""
        self._batch = None

    def _gather(self) -> Batch:
        try:
            return Batch(wire.assemble(self.entries()), self.context)
        except OSError as error:
            why = f"the queue cannot be read: {error.strerror or error}"
            raise Retry(why, after=READ_RETRY_S) from error


class OpenTraces:
    """The undecided traces of one lane, by tenant and id, oldest first, with their timer."""

    def __init__(self) -> None:
        self._traces: dict[bytes, OpenTrace] = {}
        self._timer: list[tuple[float, int, OpenTrace]] = []
        self._serial = itertools.count()

    def __len__(self) -> int:
        return len(self._traces)

    def get(self, trace_id: bytes, context: BatchContext, load: Load) -> OpenTrace:
        """Return a trace, made on first use."""
        key = trace_key(trace_id, context.tenant)
        trace = self._traces.get(key)
        if trace is None:
            trace = self._traces[key] = OpenTrace(trace_id, context, load)
        return trace

    def remove(self, trace: OpenTrace) -> None:
        """Forget a trace that is decided."""
        self._traces.pop(trace_key(trace.trace_id, trace.tenant), None)
        trace.queued_for = None

    def oldest(self) -> OpenTrace | None:
        """Return the trace that came first."""
        return next(iter(self._traces.values()), None)

    def wake_at(self, trace: OpenTrace, due: float) -> None:
        """Let the timer return a trace at ``due`` in monotonic seconds."""
        trace.due = due
        if trace.queued_for is None or due < trace.queued_for:
            trace.queued_for = due
            heapq.heappush(self._timer, (due, next(self._serial), trace))

    @property
    def next_due(self) -> float | None:
        """When the timer has something to do; None where nothing is waited for."""
        return self._timer[0][0] if self._timer else None

    def due(self, now: float) -> Iterator[OpenTrace]:
        """Yield the traces whose time has come, once each; they wait for nothing afterwards."""
        while self._timer and self._timer[0][0] <= now:
            at, _, trace = heapq.heappop(self._timer)
            if trace.queued_for != at:
                continue  # decided, or to be looked at earlier and that was done
            trace.queued_for = None
            if trace.due > now:
                self.wake_at(trace, trace.due)
            else:
                yield trace

    def partly_settled(self) -> "Iterator[tuple[Held, list[int]]]":
        """Yield records of which some traces are decided, with the places of the other spans."""
        places: dict[Held, list[int]] = {}
        for trace in self._traces.values():
            for part in trace.parts:
                if part.held.left < part.held.traces:
                    places.setdefault(part.held, []).extend(part.places)
        yield from places.items()

    def all(self) -> list[OpenTrace]:
        """Return every trace, the oldest first."""
        return list(self._traces.values())
