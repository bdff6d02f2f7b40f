"""Serve one lane of an exporter's queue: sort records by destination, send, acknowledge."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gateway.config.exporting import MIB, BatchConfig
from gateway.delivery.homes import Homes
from gateway.delivery.parts import Claim, Part, Waiting, cut
from gateway.delivery.request import OutageError, Request, Requests
from gateway.delivery.state import State
from gateway.errors import Retry
from gateway.otlp import wire
from gateway.queue.base import Queue, Record


class _Suspects(NamedTuple):
    """Parts of a request of which nothing could be stored."""

    parts: list[Part]
    stored_before: int


class _Line:
    """What waits in this lane for one destination."""

    def __init__(self, destination: str, state: State) -> None:
        self.destination = destination
        self.state = state
        self.waiting = Waiting()
        self.suspects: deque[_Suspects] = deque()
        self.bell = asyncio.Event()


class Lane:
    """
    One lane: at most one request under way for each destination.

    Args:
        follow: whether traces have destinations to remember (an exporter with just one has not).

    """

    def __init__(
        self,
        number: int,
        queue: Queue,
        requests: Requests,
        *,
        state_of: Callable[[str], State],
        batch: BatchConfig,
        follow: bool,
    ) -> None:
        self._number = number
        self._queue = queue
        self._requests = requests
        self._state_of = state_of
        self._max_spans = batch.max_spans
        self._max_bytes = int(batch.max_size_mib * MIB)
        self._flush_timeout_s = float(batch.flush_timeout)
        self._homes = Homes() if follow else None
        self._lines: dict[str, _Line] = {}
        self._flushing = False

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for record in await self._queue.read(self._number):
                    for destination, part in self._sort(record):
                        self._put(destination, part, tasks)

    def flush(self) -> None:
        """Send what waits without waiting for more."""
        self._flushing = True
        for line in self._lines.values():
            line.bell.set()

    def _sort(self, record: Record) -> list[tuple[str, Part]]:
        """Return the record's parts by destination; usually it is one."""
        now = self._requests.clock.monotonic()
        claim = Claim(record, self._queue, 1)
        if self._homes is None:
            return [(record.destination, Part(claim, now))]
        elsewhere = {
            trace: home
            for trace in record.trace_ids
            if (home := self._homes.settle(trace, record.destination)) != record.destination
        }
        if not elsewhere:
            return [(record.destination, Part(claim, now))]
        entries: dict[str, list[wire.Entry]] = {}
        for entry in wire.index(record.payload):
            home = elsewhere.get(entry.trace_id, record.destination)
            entries.setdefault(home, []).append(entry)
        for _ in range(len(entries) - 1):
            claim.add_part()
        return [(home, Part(claim, now, some)) for home, some in entries.items()]

    def _put(self, destination: str, part: Part, tasks: asyncio.TaskGroup) -> None:
        line = self._lines.get(destination)
        if line is None:
            line = self._lines[destination] = _Line(destination, self._state_of(destination))
            tasks.create_task(self._serve(line, tasks))
        line.waiting.append(part)
        line.bell.set()

    async def _serve(self, line: _Line, tasks: asyncio.TaskGroup) -> None:
        """Serve one destination until nothing waits for it."""
        while line.waiting or line.suspects:
            suspects = line.suspects[0] if line.suspects else None
            if suspects and line.state.stored > suspects.stored_before:
                line.suspects.popleft()
                await self._deliver(line, suspects.parts, suspects.stored_before, tasks)
            elif line.waiting:
                await self._gather(line)
                parts = line.waiting.take(self._max_spans, self._max_bytes)
                await self._deliver(line, parts, line.state.stored, tasks)
            else:
                await line.state.ready()
                if not line.waiting and line.suspects:
                    parts, stored_before = line.suspects.popleft()
                    await self._deliver(line, parts, stored_before, tasks)
        del self._lines[line.destination]

    async def _gather(self, line: _Line) -> None:
        """Wait until a request is full or its first span has waited long enough."""
        clock = self._requests.clock
        deadline = line.waiting.oldest_since + self._flush_timeout_s
        while (
            not self._flushing
            and line.waiting.spans < self._max_spans
            and line.waiting.size < self._max_bytes
            and (left := deadline - clock.monotonic()) > 0
        ):
            line.bell.clear()
            try:
                await asyncio.wait_for(line.bell.wait(), left)
            except TimeoutError:
                return

    async def _deliver(
        self, line: _Line, parts: list[Part], stored_before: int, tasks: asyncio.TaskGroup
    ) -> None:
        """Send parts and settle them, or set them aside as suspects."""
        parts = [part for part in parts if not part.void]
        entries = [entry for part in parts for entry in part.entries()]
        arranged = wire.arrange(entries, unique=self._requests.exporter.unique_spans)
        pieces = list(cut(arranged, self._max_spans, self._max_bytes))
        for at, piece in enumerate(pieces):
            request = Request(self._requests, line.destination, line.state, stored_before)
            try:
                await request.deliver(piece)
            except OutageError as outage:
                left = {(entry.trace_id, entry.span_id) for rest in pieces[at:] for entry in rest}
                line.suspects.append(_Suspects(_part_of(parts, left), stored_before))
                line.state.failed(Retry(str(outage)))
                break
            self._move(parts, request.moved, tasks)
        for part in parts:
            part.claim.settle()

    def _move(
        self, parts: list[Part], moved: dict[str, set[bytes]], tasks: asyncio.TaskGroup
    ) -> None:
        """Sort traces in again where they belong."""
        for destination, traces in moved.items():
            for part in parts:
                entries = [entry for entry in part.entries() if entry.trace_id in traces]
                if entries:
                    part.claim.add_part()
                    self._put(destination, Part(part.claim, part.since, entries), tasks)
            if self._homes is not None:
                for trace in traces:
                    self._homes.set(trace, destination)


def _part_of(parts: list[Part], spans: set[tuple[bytes, bytes]]) -> list[Part]:
    """Return parts that hold just these spans, to be settled by themselves."""
    smaller: list[Part] = []
    for part in parts:
        part.claim.record.in_flight = False
        entries = [e for e in part.entries() if (e.trace_id, e.span_id) in spans]
        if entries:
            part.claim.add_part()
            smaller.append(Part(part.claim, part.since, entries))
    return smaller
