"""One lane of a queue: its lines by destination, where its traces belong, and its bell."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.otlp import wire
from gateway.queue.base import Record
from gateway.queue.decisions import Decisions
from gateway.queue.fair_line import FairLine
from gateway.queue.homes import Homes, trace_key
from gateway.queue.line import Line
from gateway.queue.reading import Found

if TYPE_CHECKING:
    from gateway.queue.queue import Shelf


class QueueLane:
    """One lane: its lines by destination, its homes, and the bell that wakes its reader."""

    def __init__(
        self,
        queue: str,
        number: int,
        homes: Homes | None,
        decisions: Decisions | None = None,
    ) -> None:
        self.homes = homes
        self.decisions = decisions
        self.unsettled = False
        """Whether records wait whose traces nobody has asked the homes about."""
        self.lines: dict[str, FairLine] = {}
        self._queue = queue
        self.number = number
        self._asides: dict[str, Line] = {}
        self._fed: dict[str, None] = {}
        self._bell = asyncio.Event()

    async def news(self) -> list[str]:
        """Wait for records; return the destinations that got some since the last call."""
        while not self._fed:
            self._bell.clear()
            await self._bell.wait()
        fed, self._fed = list(self._fed), {}
        return fed

    def line(self, destination: str) -> FairLine:
        """Return the line of a destination, made on first use."""
        line = self.lines.get(destination)
        if line is None:
            line = self.lines[destination] = FairLine(self._queue, self.number, destination)
        return line

    def aside(self, destination: str) -> Line:
        """Return a second line of a destination, for records that have been tried."""
        line = self._asides.get(destination)
        if line is None:
            line = self._asides[destination] = Line(self._queue, self.number, destination)
        return line

    def asides(self) -> list[Line]:
        """Return the second lines that have records."""
        return [line for line in self._asides.values() if line]

    def all_lines(self) -> list[Line]:
        """Return every line with records."""
        waiting = [line for fair in self.lines.values() for line in fair.lines()]
        return [*waiting, *(line for line in self._asides.values() if line)]

    def forget(self, destination: str) -> None:
        """Let the lines of a destination go; both are empty."""
        self.lines.pop(destination, None)
        self._asides.pop(destination, None)
        if not self.lines:
            self.unsettled = False

    def expect(self, destination: str, shelf: object, oldest_unix_ns: int) -> None:
        """Note how old what another worker has yet to bring for a line is; 0 where nothing is."""
        line = self.lines.get(destination)
        if line is not None:
            line.expect(shelf, oldest_unix_ns)

    def evict(self, shelf: "Shelf | None") -> None:
        """Forget guests that wait, and what was expected: of one shelf, or of all for None."""
        for waiting in self.all_lines():
            waiting.evict(shelf)
        for destination, line in self.lines.items():
            if line.expect_no_more(shelf):
                self.ring(destination)

    def memories(self) -> dict[str, Homes]:
        """Return what the lane remembers of traces, by kind; it is kept on disk with the queue."""
        return memories(self.homes, self.decisions)

    def ring(self, destination: str) -> None:
        """Tell the reader that a line has got records."""
        self._fed[destination] = None
        self._bell.set()

    def ring_all(self) -> None:
        """Tell a new reader of all that waits."""
        for destination in self.lines:
            self.ring(destination)

    def gain(self, homes: Homes | None, decisions: Decisions | None) -> None:
        """
        Remember traces from now on, or no longer.

        Where what waits already belongs is settled when it is sent.
        """
        self.homes, self.decisions = homes, decisions
        self.unsettled = homes is not None and bool(self.all_lines())

    def elsewhere(self, record: Record, here: str) -> dict[str, set[bytes]]:
        """Settle where a waiting record's traces belong; return those that belong elsewhere."""
        found: dict[str, set[bytes]] = {}
        if self.homes is not None:
            for trace in record.trace_ids:
                home = self.homes.settle(trace, here, record.tenant)
                if home != here:
                    found.setdefault(home, set()).add(trace)
        return found

    def at_home(self, candidate: str, trace_ids: bytes, tenant: str) -> bool:
        """Settle where traces belong; return whether all of them belong to the candidate."""
        if self.homes is None:
            return True
        settle = self.homes.settle
        if len(trace_ids) == 16:
            return settle(trace_ids, candidate, tenant) == candidate
        ids = [trace_ids[at : at + 16] for at in range(0, len(trace_ids), 16)]
        return all(settle(trace, candidate, tenant) == candidate for trace in ids)

    def all_at_home(self, waiting: Mapping[tuple[str, str], Sequence[Found]]) -> bool:
        """
        Settle at once where the traces of records belong; return whether all are at home.

        Where this is not plain, nothing is settled: it is to be done for one after the other.

        Args:
            waiting: records by destination and tenant.

        """
        if self.homes is None:
            return True
        wanted: dict[bytes, str] = {}
        for (destination, tenant), found in waiting.items():
            ids = b"".join([item.meta.trace_ids for item in found])
            keys = [ids[at : at + 16] for at in range(0, len(ids), 16)]
            if tenant:
                keys = [trace_key(trace, tenant) for trace in keys]
            more = dict.fromkeys(keys, destination)
            if not wanted.keys().isdisjoint(more):
                return False  # the first of them decides
            wanted |= more
        return self.homes.settle_all(wanted)

    def pieces(self, record: Record) -> list[Record]:
        """Settle where the record's traces belong; return it, or a piece for each destination."""
        homes = self.homes
        if homes is None:
            return [record]
        candidate = record.destination
        elsewhere = {
            trace: home
            for trace in record.trace_ids
            if (home := homes.settle(trace, candidate, record.tenant)) != candidate
        }
        if not elsewhere:
            return [record]
        if len(set(elsewhere.values())) == 1 and len(elsewhere) == len(record.trace_ids):
            record.destination = next(iter(elsewhere.values()))
            return [record]
        spans: dict[str, list[int]] = {}
        for at, entry in enumerate(wire.index(record.payload)):
            spans.setdefault(elsewhere.get(entry.trace_id, candidate), []).append(at)
        return [record.piece(home, tuple(some)) for home, some in spans.items()]


def memories(homes: Homes | None, decisions: Decisions | None) -> dict[str, Homes]:
    """Return what is kept on disk of what a lane remembers, by kind."""
    known: dict[str, Homes] = {}
    if homes is not None:
        known["homes"] = homes
    if decisions is not None:
        known |= {"kept": decisions.kept, "dropped": decisions.dropped}
    return known
