"""
One round of a lane's work that needs no event loop: sort spans into traces, ask, collect.

It runs on a thread; the lane waits for it, so that nobody else touches the lane's traces.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TypeAlias

import msgspec

from gateway.batch import Batch, BatchContext
from gateway.gathering.traces import Held, OpenTrace, OpenTraces, Part, alone
from gateway.otlp import wire
from gateway.plugin import Drop, Keep, Wait
from gateway.queue.base import Record
from gateway.queue.decisions import Decision
from gateway.queue.queue import READ_RETRY_S
from gateway.trace import Ending
from gateway.trace_guard import TraceGuard, Unfit

MAX_DUE = 500
"""Traces asked about in one round because their time has come."""
MAX_SPANS = 500
MAX_BYTES = 1024 * 1024
"""What is handed over in one commit at the most; a larger span goes alone."""

Late: TypeAlias = Mapping[tuple[bytes, str], Decision]
"""What was decided earlier, by trace id and tenant."""


class Chunk(msgspec.Struct):
    """Spans that are handed over together: as one batch, or (``unfit``) as dead letters."""

    batch: Batch
    unfit: str | None = None


class Settled(msgspec.Struct):
    """What becomes of spans of one trace."""

    trace_id: bytes
    tenant: str
    decision: Decision
    parts: Sequence[Part]
    spans: int
    late: bool
    age_s: float = 0.0


class Round:
    """What one round knows and finds."""

    def __init__(
        self, traces: OpenTraces, guard: TraceGuard, read: "Reader", *, now: float, now_unix_ns: int
    ) -> None:
        self._traces = traces
        self._guard = guard
        self._read = read
        self._now = now
        self._now_unix_ns = now_unix_ns
        self._kept: dict[tuple[str, str, tuple[tuple[str, str], ...]], _Group] = {}
        self.settled: list[Settled] = []
        self.chunks: list[Chunk] = []
        self.evicted = 0

    def run(self, taken: Sequence[Held], late: Late, room: int, ending: Ending | None) -> None:
        """
        Do it all.

        Args:
            taken: records that have come.
            late: what is decided already of their traces.
            room: how many more traces may be undecided; below zero some must be decided now.
            ending: where set, every trace is decided now.

        """
        started = time.perf_counter()
        before = len(self._traces)
        touched = self._sort(taken, late)
        if ending is None:
            due = islice(self._traces.due(self._now), MAX_DUE)
            self._ask(dict.fromkeys([*touched, *due]), None)
            self._evict(room + before)
        else:
            self._ask(self._traces.all(), ending)
        for group in self._kept.values():
            self.chunks += group.chunks(self._guard)
        self._read.forget()
        incoming = sum(held.record.spans for held in taken)
        outgoing = sum(one.spans for one in self.settled if one.decision.kept)
        self._guard.count(incoming, outgoing, time.perf_counter() - started)

    def _sort(self, taken: Sequence[Held], late: Late) -> Iterable[OpenTrace]:
        """Sort the spans of records into traces; return those that are undecided."""
        touched: dict[OpenTrace, None] = {}
        for held in taken:
            entries = self._read(held)
            places: dict[bytes, list[int]] = {}
            for at, entry in enumerate(entries):
                places.setdefault(entry.trace_id, []).append(at)
            held.left = held.traces = len(places)
            context = held.context
            ids: set[bytes] = set()
            for trace_id, some in places.items():
                part = Part(held, tuple(some) if len(some) > 1 else alone(some[0]))
                decision = late.get((trace_id, context.tenant))
                if decision is not None:
                    self._settle_late(trace_id, part, decision)
                    continue
                trace = self._traces.get(trace_id, context, self._read)
                trace.add(part, entries)
                touched[trace] = None
                ids.add(trace.trace_id)
            if len(ids) == len(places):
                held.record.trace_ids = frozenset(ids)  # the same, sharing the traces' own ids
        return touched

    def _ask(self, traces: Iterable[OpenTrace], ending: Ending | None) -> None:
        for trace in traces:
            trace.now_unix_ns = self._now_unix_ns
            trace.ending = ending
            answer = self._guard.decide(trace)
            trace.forget()
            if isinstance(answer, Wait):
                self._traces.wake_at(trace, self._now + max(0.0, answer.seconds))
                continue
            try:
                self._settle(trace, answer)
            except OSError:  # its spans cannot be read now
                self._traces.wake_at(trace, self._now + READ_RETRY_S)
            else:
                self._traces.remove(trace)

    def _evict(self, most: int) -> None:
        """Decide the oldest traces early while there are too many."""
        while len(self._traces) > max(most, 0) and (oldest := self._traces.oldest()):
            left = len(self._traces)
            self._ask([oldest], "evicted")
            if len(self._traces) == left:
                return  # it cannot be read now
            self.evicted += 1

    def _settle(self, trace: OpenTrace, answer: Keep | Drop | Unfit) -> None:
        unfit = answer.reason if isinstance(answer, Unfit) else None
        reason = "on_error" if unfit else answer.reason or self._guard.component_id
        if not isinstance(answer, Drop):
            collected = [(part.held.context, part.entries(self._read)) for part in trace.parts]
            for context, entries in collected:
                self._collect(context, entries, reason, unfit)
        self.settled.append(
            Settled(
                trace.trace_id,
                trace.tenant,
                Decision(isinstance(answer, Keep), reason),
                trace.parts,
                trace.span_count,
                late=False,
                age_s=trace.age_s,
            )
        )

    def _settle_late(self, trace_id: bytes, part: Part, decision: Decision) -> None:
        context, spans = part.held.context, len(part.places)
        if decision.kept:
            self._collect(context, part.entries(self._read), decision.reason, None)
        self.settled.append(Settled(trace_id, context.tenant, decision, [part], spans, late=True))

    def _collect(
        self, context: BatchContext, entries: list[wire.Entry], reason: str, unfit: str | None
    ) -> None:
        key = unfit or reason, context.tenant, context.headers
        group = self._kept.get(key)
        if group is None:
            group = self._kept[key] = _Group(context, reason, unfit)
        group.entries += entries


class _Group:
    """Spans that share sender and reason."""

    def __init__(self, context: BatchContext, reason: str, unfit: str | None) -> None:
        self._context = context
        self._reason = reason
        self._unfit = unfit
        self.entries: list[wire.Entry] = []

    def chunks(self, guard: TraceGuard) -> Iterable[Chunk]:
        """Yield the spans in portions that fit a commit."""
        for portion in _portions(self.entries):
            batch = Batch(wire.assemble(portion), self._context)
            if self._unfit is None:
                batch = guard.release(batch, self._reason)
            batch.entries()
            yield Chunk(batch, self._unfit)


def _portions(entries: Sequence[wire.Entry]) -> Iterable[list[wire.Entry]]:
    portion: list[wire.Entry] = []
    size = 0
    for entry in entries:
        if portion and (len(portion) >= MAX_SPANS or size + entry.size > MAX_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(entry)
        size += entry.size
    if portion:
        yield portion


class Reader:
    """
    Spans of taken records, each indexed once a round.

    Args:
        read: returns the payload of a record that has it on disk alone.

    """

    def __init__(self, read: Callable[[Record], bytes]) -> None:
        self._payload = read
        self._indexed: dict[Held, Sequence[wire.Entry]] = {}

    def __call__(self, held: Held) -> Sequence[wire.Entry]:
        """Return the spans of a record; none where it is damaged."""
        entries = self._indexed.get(held)
        if entries is None:
            entries = self._indexed[held] = wire.index(self._payload(held.record))
        return entries

    def forget(self) -> None:
        """Let the spans go."""
        self._indexed.clear()
