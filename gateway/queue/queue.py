"""One exporter's queue: what waits, by lane and destination, and how much that is."""

import asyncio
import itertools
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from gateway.config.exporting import MIB, QueueConfig
from gateway.queue.base import NOWHERE, QueueStats, Record
from gateway.queue.fair_line import FairLine
from gateway.queue.frame import trace_ids_of
from gateway.queue.holdings import Holdings
from gateway.queue.lane import QueueLane
from gateway.queue.line import ALIGNMENT, Line, position_of
from gateway.queue.reading import Found, fetch
from gateway.queue.segment import Segment
from gateway.telemetry import metrics

READ_RETRY_S = 1.0
PIPELINE_QUEUE = "pipelines."
"""Begins the names of the queues of pipelines; no id of an exporter does."""


class Shelf(Protocol):
    """Where payloads lie while their records wait."""

    def held(self, record: Record) -> None:
        """Note that a record waits with its payload in memory."""
        ...

    def taken(self, record: Record) -> None:
        """Note that a record left its line."""
        ...

    async def load(self, records: Sequence[Record]) -> list[Record]:
        """Fetch missing payloads; return the records that are lost, each reported."""
        ...

    def read(self, record: Record) -> bytes:
        """Return a missing payload, empty where it is lost; from any thread."""
        ...

    def let_go(self, record: Record) -> None:
        """Note that a record, or a piece of it, is no longer held in memory."""
        ...

    def done(self, record: Record) -> None:
        """Forget a record: all of its pieces are delivered or given up."""
        ...


class MemoryShelf:
    """Payloads stay in their records."""

    def held(self, record: Record) -> None:
        """Nothing to note."""

    def taken(self, record: Record) -> None:
        """Nothing to note."""

    async def load(self, records: Sequence[Record]) -> list[Record]:
        """Nothing is ever missing."""
        del records
        return []

    def read(self, record: Record) -> bytes:
        """Nothing is ever missing."""
        return record.payload

    def let_go(self, record: Record) -> None:
        """Nothing to note."""

    def done(self, record: Record) -> None:
        """Nothing to forget."""


class Queue:
    """
    One exporter's records, in lanes; used from the event loop only.

    A lane has one reader. It takes records from the lane's lines, and settles each exactly once:
    by ``ack``, ``put_back`` or ``set_aside``.

    Args:
        several_tenants: whether each has its share only.
        shares: into how many parts its size is cut; this is one of them.

    """

    def __init__(
        self,
        name: str,
        settings: QueueConfig,
        shelf: Shelf,
        lanes: Sequence[QueueLane],
        several_tenants: Callable[[], bool] = lambda: False,
        *,
        shares: int = 1,
    ) -> None:
        self.name = name
        self.settings = settings
        self.max_bytes = settings.max_size_mib * MIB // shares
        self._holdings = Holdings(name, self.max_bytes, several_tenants)
        self.lanes = lanes
        self._shelf = shelf
        self._serial = itertools.count(NOWHERE - 1, -1)
        self._taken: dict[Record, None] = {}
        self._pieces: dict[int, int] = {}
        self._reserved_bytes = 0
        self._spans = 0
        self.durable = settings.storage == "disk"
        """Whether what waits survives the process."""
        self._drops_oldest = settings.on_full == "drop_oldest"

    @property
    def spans(self) -> int:
        """Spans that wait or are under way."""
        return self._spans

    def under_way(self, lanes: Collection[int]) -> bool:
        """Tell whether records of these lanes are taken and not settled."""
        return any(record.lane in lanes for record in self._taken)

    # For the reader.

    async def take(
        self,
        line: Line | FairLine,
        max_spans: int,
        max_bytes: int,
        max_records: int | None = None,
    ) -> list[Record]:
        """Take the next records that fit a request; none where all of them are damaged."""
        records = line.take(max_spans, max_bytes, max_records)
        shelf = self._shelf
        for record in records:
            self._taken[record] = None
            (record.shelf or shelf).taken(record)
        missing = [record for record in records if not record.payload]
        if missing:
            try:
                damaged = await self._shelf.load(missing)
            except OSError:  # the next try shows whether it was for a moment
                self.put_back(line, records)
                await asyncio.sleep(READ_RETRY_S)
                return []
            except asyncio.CancelledError:
                self.put_back(line, records)
                raise
            for lost in damaged:
                records.remove(lost)
                self.ack(lost)
        return records

    def read(self, record: Record) -> bytes:
        """
        Return the payload of a taken record that was made to forget it, from any thread.

        Returns nothing where it is damaged.

        Raises:
            OSError: the disk cannot be read now.

        """
        return record.payload or (record.shelf or self._shelf).read(record)

    def ack(self, record: Record) -> None:
        """Forget a taken record: every span of it was delivered or given up, counted."""
        if record not in self._taken:
            return
        del self._taken[record]
        shelf = record.shelf or self._shelf
        if record.shelf is None:
            self._spans -= record.spans
        if self._pieces and self._has_more(record):
            shelf.let_go(record)
            return
        if record.shelf is None:
            self._holdings.add(record.tenant, -record.size)
        shelf.done(record)

    def _has_more(self, piece: Record) -> bool:
        """Count a piece as settled; return whether others of its record are not."""
        left = self._pieces.pop(piece.position, 1) - 1
        if left > 0:
            self._pieces[piece.position] = left
        return left > 0

    def put_back(self, line: Line | FairLine, records: list[Record]) -> None:
        """Return taken records to the front of their line, as they were."""
        for record in records:
            del self._taken[record]
            (record.shelf or self._shelf).let_go(record)
        line.put_back(records)

    def set_aside(self, record: Record, line: Line | FairLine, only: tuple[int, ...]) -> None:
        """
        Let a part of a taken record wait in another line too, to be settled by itself.

        The record itself is still to be acknowledged.
        """
        piece = record.piece(line.destination, only)
        self._pieces[record.position] = self._pieces.get(record.position, 1) + 1
        if record.shelf is None:
            self._spans += piece.spans
        self._wait(piece, line)
        lane = self.lanes[record.lane]
        if isinstance(line, FairLine) and lane.lines.get(line.destination) is line:
            self._tell(lane, line)

    def recall(self, lane: QueueLane) -> None:
        """Let all records of a lane wait in their lines: its reader has gone."""
        for aside in lane.asides():
            for record in aside.take(sys.maxsize, sys.maxsize):
                self._note_taken(record)
        lines: dict[str, list[Record]] = {}
        for record in self._taken:
            if record.lane == lane.number:
                lines.setdefault(record.destination, []).append(record)
        for destination, records in lines.items():
            self.put_back(lane.line(destination), records)

    def evict(self, shelf: Shelf | None = None, lanes: Sequence[QueueLane] | None = None) -> None:
        """
        Forget guests that wait and those that were announced; those under way end in their time.

        Args:
            shelf: whose guests; None for all.
            lanes: where; None for all.

        """
        for lane in self.lanes if lanes is None else lanes:
            lane.evict(shelf)

    def stats(self) -> QueueStats:
        """Return what waits now, or is under way."""
        ages = [line.oldest_unix_ns for line in self.lines()]
        ages += [record.received_unix_ns for record in self._taken]
        return QueueStats(
            size_bytes=self._size_bytes,
            spans=self._spans,
            oldest_unix_ns=min(ages, default=0),
            max_bytes=self.max_bytes,
        )

    # For the store.

    def reserve(self, wanted: Mapping[str, int]) -> None:
        """
        Keep room for records that are about to be stored, in bytes by tenant.

        Raises:
            Busy: there is none now.
            TooLarge: there never will be.

        """
        droppable = None
        if self._drops_oldest:
            droppable = max(0, self._size_bytes - sum(record.size for record in self._taken))
        self._holdings.check(wanted, droppable)
        for tenant, size in wanted.items():
            self._holdings.add(tenant, size)
            self._reserved_bytes += size

    def release(self, tenant: str, size: int) -> None:
        """Give room back: the records could not be stored."""
        self._holdings.add(tenant, -size)
        self._reserved_bytes -= size

    def enter(self, record: Record, since: float) -> None:
        """Take in a record that is stored, into the room that was kept for it."""
        self._reserved_bytes -= record.size
        self._spans += record.spans
        self.visit(record, since)
        while self._drops_oldest and self._size_bytes > self.max_bytes:
            if not self._drop_oldest():
                return

    def visit(self, record: Record, since: float, behind_unix_ns: int | None = None) -> None:
        """
        Take in a record that does not count here: a guest, kept by another worker.

        Args:
            record: with its payload.
            since: when it came, in monotonic seconds.
            behind_unix_ns: receive time of what that worker brings next, 0 where nothing is left;
                None for a record of our own.

        """
        candidate = record.destination
        record.since = since
        if record.position == NOWHERE:
            record.position = next(self._serial)
        lane = self.lanes[record.lane]
        pieces = lane.pieces(record) if lane.homes is not None else (record,)
        if len(pieces) > 1:
            self._pieces[record.position] = len(pieces)
        for piece in pieces:
            line = lane.line(piece.destination)
            self._wait(piece, line)
            self._tell(lane, line)
        if behind_unix_ns is not None:
            lane.expect(candidate, record.shelf, behind_unix_ns)

    def restore(self, number: int, found: Sequence[Found], segment: Segment) -> None:
        """Take in records of a lane that were found in a segment at start, in their order."""
        lane = self.lanes[number]
        waiting: dict[tuple[str, str], list[Found]] = {}
        for item in found:
            whose = item.meta.destination, item.meta.tenant
            some = waiting.get(whose)
            if some is None:
                some = waiting[whose] = []
            some.append(item)
        if lane.all_at_home(waiting):
            for (destination, tenant), some in waiting.items():
                self._restore_at_home(lane, destination, tenant, some, segment)
            return
        for item in found:
            destination, tenant = item.meta.destination, item.meta.tenant
            if lane.at_home(destination, item.meta.trace_ids, tenant):
                self._restore_at_home(lane, destination, tenant, [item], segment)
            else:
                self._restore_pieces(lane, item, segment)

    def _restore_at_home(
        self,
        lane: QueueLane,
        destination: str,
        tenant: str,
        found: Sequence[Found],
        segment: Segment,
    ) -> None:
        rows = [
            (offset // ALIGNMENT, size, meta.spans, meta.received_unix_ns, commit)
            for offset, size, meta, commit, _, _, _, _ in found
        ]
        weight = lane.line(destination).restore(segment.number, tenant, rows)
        self._holdings.add(tenant, weight.size)
        self._spans += weight.spans

    def _restore_pieces(self, lane: QueueLane, item: Found, segment: Segment) -> None:
        """Take in a record of which traces belong elsewhere."""
        meta, position = item.meta, position_of(segment.number, item.offset)
        self._holdings.add(meta.tenant, item.size)
        self._spans += meta.spans
        found = fetch(segment.path, position, item.size)
        record = Record(
            queue=self.name,
            lane=meta.lane,
            destination=meta.destination,
            payload=found[1] if found else b"",
            spans=meta.spans,
            trace_ids=trace_ids_of(meta),
            tenant=meta.tenant,
            received_unix_ns=meta.received_unix_ns,
            context=meta.context,
        )
        record.position, record.size, record.commit = position, item.size, item.commit
        pieces = lane.pieces(record)
        if len(pieces) > 1:
            self._pieces[position] = len(pieces)
        for piece in pieces:
            lane.line(piece.destination).append_packed(piece)

    def open(self) -> None:
        """Begin to serve what was restored."""
        for lane in self.lanes:
            for line in lane.lines.values():
                line.sort()
            lane.ring_all()

    def lines(self) -> list[Line]:
        """Return every line with records."""
        return [line for lane in self.lanes for line in lane.all_lines()]

    def waiting(self, trace_id: bytes) -> list[Record]:
        """Return the records in memory that hold spans of a trace."""
        waiting = [record for line in self.lines() for record in line.fresh]
        return [record for record in (*self._taken, *waiting) if trace_id in record.trace_ids]

    def relocate(self, moved: dict[int, int]) -> None:
        """Follow records that were moved in the log; ``moved`` maps old to new positions."""
        if self._pieces:
            self._pieces = {moved.get(at, at): left for at, left in self._pieces.items()}

    @property
    def _size_bytes(self) -> int:
        """Bytes of the records that wait or are under way."""
        return self._holdings.bytes - self._reserved_bytes

    def _wait(self, record: Record, line: Line | FairLine) -> None:
        line.append(record)
        (record.shelf or self._shelf).held(record)

    def _tell(self, lane: QueueLane, line: FairLine) -> None:
        """Tell the lane's reader of what came."""
        if line.awaited is None or line.has_news():
            lane.ring(line.destination)

    def _note_taken(self, record: Record) -> None:
        self._taken[record] = None
        (record.shelf or self._shelf).taken(record)

    def _drop_oldest(self) -> bool:
        """
        Give up the oldest record of the tenant that holds most; return whether there was one.

        What is under way stays.
        """
        lines = self.lines()
        if not lines:
            return False
        largest = self._holdings.largest()
        theirs = [line for line in lines if line.first_tenant == largest]
        record = min(theirs or lines, key=lambda line: line.oldest_unix_ns).pop()
        self._note_taken(record)
        metrics.exporter_send_failed_spans.labels(self.name, "queue_full").inc(record.spans)
        self.ack(record)
        return True
