"""Serve one lane of a pipeline's queue: gather, let decide, hand over, acknowledge."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence

from gateway.gathering.handover import Handover, PostponedError
from gateway.gathering.round import Reader, Round, Settled
from gateway.gathering.traces import Held, OpenTraces
from gateway.otlp import wire
from gateway.plugin import Clock
from gateway.queue.base import Record
from gateway.queue.decisions import Decision
from gateway.queue.queue import Queue
from gateway.telemetry import metrics
from gateway.telemetry.history import HISTORY, Detail
from gateway.threads import Threads
from gateway.trace import Ending
from gateway.trace_guard import TraceGuard

TAKEN_SPANS = 2_000
TAKEN_BYTES = 4 * 1024 * 1024
"""What is taken in one round at the most."""
LONGEST_WAIT_S = 3600.0
"""How long the event loop is asked to wait; processors may say for ever."""
TOGETHER_S = 0.1
"""How much longer a trace may wait, so that others whose time comes are decided with it."""


class GatheringLane:
    """
    One lane: its undecided traces, in rounds.

    Args:
        held_bytes: how many bytes of payloads stay in memory where they are on disk too.
        room: returns how many more traces may be undecided, over all lanes.

    """

    def __init__(
        self,
        number: int,
        queue: Queue,
        guard: TraceGuard,
        *,
        handover: Handover,
        threads: Threads,
        clock: Clock,
        held_bytes: int,
        room: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._lane = queue.lanes[number]
        self._guard = guard
        self._handover = handover
        self._threads = threads
        self._clock = clock
        self._room = room
        self._held_bytes = held_bytes
        self._in_memory: dict[Held, int] = {}
        self._in_memory_bytes = 0
        self._reader = Reader(queue.read)
        self._fed: dict[str, None] = {}
        self._stopping = False
        self._leaving = False
        self.over = asyncio.Event()
        """Set while nothing is under way, and nothing will be."""
        self.over.set()
        self.traces = OpenTraces()

    async def run(self) -> None:
        """Serve until told to finish; then decide or keep what is left, as the storage allows."""
        self.over.clear()
        try:
            while not (self._stopping or self._leaving):
                await self._wait()
                await self._work(None)
            if self._queue.durable:
                await self._part()
            elif not self._leaving:
                await self._end()
        except PostponedError:
            return
        finally:
            self.over.set()

    async def serve(self) -> None:
        """Serve until cancelled; what is undecided then waits again, for whoever serves next."""
        self._leaving = False
        self._lane.ring_all()
        try:
            await self.run()
            await asyncio.Event().wait()
        finally:
            self.traces, self._reader = OpenTraces(), Reader(self._queue.read)
            self._in_memory, self._in_memory_bytes = {}, 0
            self._queue.recall(self._lane)

    async def leave(self, timeout_s: float) -> None:
        """Finish the round that is under way."""
        self._leaving = True
        self._lane.ring("")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.over.wait()

    def finish(self) -> None:
        """Let ``run`` return soon."""
        self._stopping = True
        self._lane.ring("")

    def nudge(self) -> None:
        """Look at the clock again."""
        self._lane.ring("")

    async def _end(self) -> None:
        """Decide all that there is, since memory keeps nothing."""
        while self._lane.all_lines() or len(self.traces):
            self._fed |= dict.fromkeys(line.destination for line in self._lane.all_lines())
            await self._work("stopping")

    async def _part(self) -> None:
        """Let what is undecided wait by itself, so that nothing decided is sent once more."""
        for held, places in list(self.traces.partly_settled()):
            size = held.record.size
            payload = await self._threads.run(self._rest, held, sorted(places), cost=size)
            if payload and await self._handover.replace(held.record, payload):
                self._queue.ack(held.record)

    def _rest(self, held: Held, places: Sequence[int]) -> bytes:
        with contextlib.suppress(OSError):
            entries = self._reader(held)
            self._reader.forget()
            return wire.assemble(entries[at] for at in places) if entries else b""
        return b""

    async def _wait(self) -> None:
        """Return when there are records, or some trace's time has come."""
        due = self.traces.next_due
        left = None if due is None else due + TOGETHER_S - self._clock.monotonic()
        if self._fed or (left is not None and left <= 0):
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(left and min(left, LONGEST_WAIT_S)):
                self._fed |= dict.fromkeys(await self._lane.news())
        except TimeoutError:
            return

    async def _work(self, ending: Ending | None) -> None:
        """Do one round."""
        taken = [Held(record) for record in await self._take()]
        round_ = Round(
            self.traces,
            self._guard,
            self._reader,
            now=self._clock.monotonic(),
            now_unix_ns=self._clock.time_ns(),
        )
        await self._threads.run(round_.run, taken, self._decided(taken), self._room(), ending)
        self._remember(taken)
        await self._handover.give(
            round_.chunks, lambda: self._leaving or (self._stopping and self._queue.durable)
        )
        self._settle(round_.settled)
        if round_.evicted:
            metrics.sampling_early_traces.labels(self._guard.pipeline).inc(round_.evicted)

    async def _take(self) -> list[Record]:
        """Take some of what waits."""
        taken: list[Record] = []
        for destination in list(self._fed):
            line = self._lane.line(destination)
            if line:
                taken += await self._queue.take(line, TAKEN_SPANS, TAKEN_BYTES)
            if not line:
                del self._fed[destination]
        return taken

    def _decided(self, taken: Sequence[Held]) -> dict[tuple[bytes, str], Decision]:
        """Return what is decided already of the traces in records."""
        assert self._lane.decisions is not None, "the queue was opened so"
        find = self._lane.decisions.find
        traces = {(trace, held.record.tenant) for held in taken for trace in held.record.trace_ids}
        found = ((key, find(*key)) for key in traces)
        return {key: decision for key, decision in found if decision is not None}

    def _remember(self, taken: Sequence[Held]) -> None:
        """Keep payloads in memory while there is room; the others are on the disk."""
        if not self._queue.durable:
            return
        for held in taken:
            if held.record.shelf is not None:
                continue  # another worker has it on its disk
            self._in_memory[held] = len(held.record.payload)
            self._in_memory_bytes += self._in_memory[held]
        while self._in_memory_bytes > self._held_bytes:
            oldest = next(iter(self._in_memory))
            self._in_memory_bytes -= self._in_memory.pop(oldest)
            oldest.record.payload = b""

    def _settle(self, settled: Sequence[Settled]) -> None:
        """Note what was decided, and acknowledge the records of which nothing is left."""
        assert self._lane.decisions is not None, "the queue was opened so"
        for one in settled:
            if not one.late:
                self._lane.decisions.note(one.trace_id, one.tenant, one.decision)
            for part in one.parts:
                part.held.left -= 1
                if not part.held.left:
                    self._in_memory_bytes -= self._in_memory.pop(part.held, 0)
                    self._queue.ack(part.held.record)
        count(self._guard.pipeline, settled)
        self._tell(settled)

    def _tell(self, settled: Sequence[Settled]) -> None:
        """Let the history know what was decided, and why."""
        groups: dict[Decision, set[bytes]] = {}
        for one in settled:
            groups.setdefault(one.decision, set()).add(one.trace_id)
        for decision, traces in groups.items():
            detail = Detail(
                kind="kept" if decision.kept else "sampled_out",
                pipeline=self._guard.pipeline,
                by=self._guard.component_id,
                rule=decision.reason,
            )
            HISTORY.note(detail, traces)


def count(pipeline: str, settled: Sequence[Settled]) -> None:
    """Add to the metrics what became of some traces."""
    traces: Counter[tuple[str, str]] = Counter()
    dropped: Counter[str] = Counter()
    late: Counter[str] = Counter()
    age = metrics.sampling_decision_age.labels(pipeline)
    for one in settled:
        name = "kept" if one.decision.kept else "dropped"
        if one.late:
            late[name] += one.spans
        else:
            traces[name, one.decision.reason] += 1
            age.observe(one.age_s)
        if not one.decision.kept:
            dropped[one.decision.reason] += one.spans
    for (name, reason), number in traces.items():
        metrics.sampling_traces.labels(pipeline, name, reason).inc(number)
    for reason, spans in dropped.items():
        metrics.sampling_dropped_spans.labels(pipeline, reason).inc(spans)
    for name, spans in late.items():
        metrics.sampling_late_spans.labels(pipeline, name).inc(spans)
