"""Serve one lane of an exporter's queue: take what waits for a destination, send, acknowledge."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection
from itertools import chain
from typing import NamedTuple

from gateway.config.exporting import MIB, BatchConfig
from gateway.courtesy import COURTESY, lightly
from gateway.delivery.parts import Part, cut
from gateway.delivery.request import (
    Attempts,
    OutageError,
    PostponedError,
    Request,
    Requests,
    Turn,
)
from gateway.delivery.state import State
from gateway.errors import Retry
from gateway.otlp import wire
from gateway.queue.base import Record
from gateway.queue.fair_line import FairLine
from gateway.queue.line import Line
from gateway.queue.queue import Queue
from gateway.slots import party

OLDER_S = 2.0
"""How long spans wait for older ones that another worker announced and does not bring."""


class _Suspects(NamedTuple):
    """A request of which nothing could be stored; its records wait in the line aside."""

    records: int
    stored_before: int


class _Served:
    """A destination that is being served."""

    def __init__(self, destination: str, state: State) -> None:
        self.destination = destination
        self.state = state
        self.suspects: deque[_Suspects] = deque()
        self.postponed = 0
        """Records at the front of the line that make up a request to be tried again."""
        self.attempts = Attempts()
        self.bell = asyncio.Event()
        self.busy = False
        """Whether a request is under way."""
        self.task: asyncio.Task[None] | None = None
        self.turn: Turn | None = None
        """The turn of the request that is under way or waits to be."""


class Lane:
    """
    One lane: at most one request under way for each destination.

    Nothing is held here while a destination has to wait: what cannot be sent goes back to the
    queue, so that an outage costs no memory.
    """

    def __init__(
        self,
        number: int,
        queue: Queue,
        requests: Requests,
        *,
        state_of: Callable[[str], State],
        batch: BatchConfig,
    ) -> None:
        self._queue = queue
        self._lane = queue.lanes[number]
        self._requests = requests
        self._state_of = state_of
        self._max_spans = batch.max_spans
        self._max_bytes = int(batch.max_size_mib * MIB)
        self._flush_timeout_s = float(batch.flush_timeout)
        self._served: dict[str, _Served] = {}
        self._flushing = False
        self._leaving = False

    async def run(self) -> None:
        """Serve until cancelled; what was under way then waits again."""
        self._leaving = False
        self._lane.ring_all()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    for destination in await self._lane.news():
                        self._wake(destination, tasks)
        finally:
            self._served.clear()
            self._queue.recall(self._lane)

    def _wake(self, destination: str, tasks: asyncio.TaskGroup) -> None:
        served = self._served.get(destination)
        if served is None:
            served = _Served(destination, self._state_of(destination))
            self._served[destination] = served
            served.task = tasks.create_task(self._serve(served))
        served.bell.set()
        if served.turn is not None and served.turn.waiting:
            tenants = self._lane.line(destination).tenants()
            served.turn.count_for(party(destination, tenants))

    async def leave(self, timeout_s: float) -> None:
        """Finish the requests that are under way, as far as they come back soon, and no others."""
        self._leaving = True
        busy = [s.task for s in self._served.values() if s.task is not None and s.busy]
        for served in self._served.values():
            if served.task is not None and not served.busy:
                served.task.cancel()
        if busy:
            await asyncio.wait(busy, timeout=timeout_s)

    @property
    def served(self) -> Collection[str]:
        """Destinations for which something waits or is under way."""
        return self._served.keys()

    def flush(self) -> None:
        """Send what waits without waiting for more."""
        self._flushing = True
        for served in self._served.values():
            served.bell.set()

    async def _serve(self, served: _Served) -> None:
        """Serve one destination until nothing waits for it."""
        waiting = self._lane.line(served.destination)
        while (waiting or served.suspects) and not self._leaving:
            suspects = served.suspects[0] if served.suspects else None
            proven = suspects is not None and served.state.stored > suspects.stored_before
            if not waiting and not proven:
                await served.state.ready()
            if waiting and not proven:
                await self._send_waiting(served, waiting)
            else:
                await self._send_suspects(served)
        if not self._leaving:
            del self._served[served.destination]
            self._lane.forget(served.destination)

    async def _send_waiting(self, served: _Served, waiting: FairLine) -> None:
        if not served.postponed:
            await self._gather(served, waiting)
            await self._await_older(served, waiting)
        await COURTESY.after_others()
        async with self._turn(served, waiting) as turn:
            records = await self._queue.take(
                waiting, self._max_spans, self._max_bytes, served.postponed or None
            )
            try:
                await self._deliver(served, records, served.state.stored, turn, served.attempts)
            except PostponedError:
                self._queue.put_back(waiting, records)
                served.postponed = len(records)
            else:
                served.postponed = 0
                served.attempts = Attempts()

    async def _send_suspects(self, served: _Served) -> None:
        """Try the oldest suspects again."""
        suspects = served.suspects.popleft()
        aside = self._lane.aside(served.destination)
        left = suspects.records
        while left > 0 and aside:
            async with self._turn(served, aside) as turn:
                records = await self._queue.take(aside, self._max_spans, self._max_bytes, left)
                left -= max(len(records), 1)
                await self._deliver(served, records, suspects.stored_before, turn)

    def _turn(self, served: _Served, line: Line | FairLine) -> Turn:
        whom = party(served.destination, line.tenants())
        served.turn = Turn(self._requests, served.state, whom)
        return served.turn

    async def _gather(self, served: _Served, waiting: FairLine) -> None:
        """Wait until a request is full or its first span has waited long enough."""
        left = waiting.oldest_since + self._flush_timeout_s - self._requests.clock.monotonic()
        if left <= 0:
            return
        late = asyncio.Event()
        timer = asyncio.get_running_loop().call_later(left, _ring, late, served.bell)
        waiting.awaited = self._max_spans, self._max_bytes
        try:
            while not self._flushing and not late.is_set() and not waiting.has_news():
                served.bell.clear()
                await served.bell.wait()
        finally:
            waiting.awaited = None
            timer.cancel()

    async def _await_older(self, served: _Served, waiting: FairLine) -> None:
        """Wait, for a while, until nothing is on its way here that is older than what would go."""
        if not waiting.early:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OLDER_S):
                while waiting.early:
                    served.bell.clear()
                    await served.bell.wait()

    async def _deliver(
        self,
        served: _Served,
        records: list[Record],
        stored_before: int,
        turn: Turn,
        attempts: Attempts | None = None,
    ) -> None:
        """
        Send records and acknowledge them; those whose fault is unproven wait aside.

        Raises:
            PostponedError: nothing of it is settled, put the records back; with ``attempts`` only.

        """
        served.busy = True
        try:
            await self._send(served, records, stored_before, turn, attempts)
        finally:
            served.busy = False

    async def _send(
        self,
        served: _Served,
        records: list[Record],
        stored_before: int,
        turn: Turn,
        attempts: Attempts | None,
    ) -> None:
        parts = [Part(record) for record in records]
        cost = lightly(sum([r.size for r in records]), sum([r.spans for r in records]))
        pieces = await COURTESY.aside(cost, self._pieces, parts)
        if self._requests.crashes is not None:
            pieces = [some for piece in pieces for some in self._requests.crashes.split(piece)]
        gone = self._settle(served, parts) if self._lane.unsettled else set[bytes]()
        for at, piece in enumerate(pieces):
            request = Request(self._requests, served.destination, served.state, stored_before, turn)
            try:
                left = [entry for entry in piece if entry.trace_id not in gone] if gone else piece
                if left:
                    await request.deliver(left, attempts if at == 0 else None)
            except OutageError as outage:
                rest = {(e.trace_id, e.span_id) for more in pieces[at:] for e in more}
                self._suspect(served, parts, rest, gone, stored_before)
                served.state.failed(Retry(str(outage)), quotes=True)
                break
            gone |= self._move(parts, request.moved)
        for part in parts:
            self._queue.ack(part.record)

    def _pieces(self, parts: list[Part]) -> list[list[wire.Entry]]:
        entries = list(chain.from_iterable([part.entries() for part in parts]))
        arranged = wire.arrange(entries, unique=self._requests.exporter.unique_spans)
        return list(cut(arranged, self._max_spans, self._max_bytes))

    def _settle(self, served: _Served, parts: list[Part]) -> set[bytes]:
        """Move traces that belong elsewhere, of records that came before this lane did."""
        gone: set[bytes] = set()
        for part in parts:
            moved = self._lane.elsewhere(part.record, served.destination)
            gone |= self._move([part], moved)
        return gone

    def _suspect(
        self,
        served: _Served,
        parts: list[Part],
        spans: set[tuple[bytes, bytes]],
        gone: set[bytes],
        stored_before: int,
    ) -> None:
        """Let spans wait aside until something else has been stored."""
        aside = self._lane.aside(served.destination)
        records = 0
        for part in parts:
            only = part.where(
                lambda entry: (
                    (entry.trace_id, entry.span_id) in spans and entry.trace_id not in gone
                )
            )
            if only:
                self._queue.set_aside(part.record, aside, only)
                records += 1
        served.suspects.append(_Suspects(records, stored_before))

    def _move(self, parts: list[Part], moved: dict[str, set[bytes]]) -> set[bytes]:
        """Sort traces in again where they belong, and return them."""
        for destination, traces in moved.items():
            self._move_to(destination, parts, traces)
        return {trace for traces in moved.values() for trace in traces}

    def _move_to(self, destination: str, parts: list[Part], traces: set[bytes]) -> None:
        line = self._lane.line(destination)
        for part in parts:
            only = part.where(lambda entry: entry.trace_id in traces)
            if only:
                self._queue.set_aside(part.record, line, only)
            if only and self._lane.homes is not None:
                for trace in traces:
                    self._lane.homes.set(trace, destination, part.record.tenant)


def _ring(*bells: asyncio.Event) -> None:
    for bell in bells:
        bell.set()
