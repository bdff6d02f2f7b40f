"""
Payloads on disk: which are in memory too, how the others are read, and what each segment holds.

The newest payloads stay in memory, up to ``CACHE_BYTES`` while nothing before them has waited for
``FRESH_S``, so that a destination that keeps up costs no read; the others are read when their turn
comes, so that one that does not costs no memory.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence

from gateway.queue import frame
from gateway.queue.base import Record
from gateway.queue.damage import Damaged
from gateway.queue.line import PLACE, SEGMENT_SHIFT, place_of
from gateway.queue.reading import fetch, fetch_all
from gateway.queue.segment import Segment

CACHE_BYTES = 32 * 1024 * 1024
FRESH_S = 5.0
"""Behind what has waited for so long there is a backlog, most of which is read anyway."""
_TRIES = 3


class DiskShelf:
    """
    The payloads of all queues on disk, in whichever log; used from the event loop only.

    Args:
        on_done: called with a segment when there is something to be noted about it: its first
            acknowledged record that is not, or that nothing waits in it any more.

    """

    def __init__(self, damaged: Damaged, on_done: Callable[[Segment], None]) -> None:
        self.segments: dict[int, Segment] = {}
        self.damaged = damaged
        self._on_done = on_done
        self._cache: OrderedDict[Record, None] = OrderedDict()
        self._cached_bytes = 0

    def stored(self, segment: Segment, records: int, size: int) -> None:
        """Note that so many more records are in a segment now."""
        self.segments[segment.number] = segment
        segment.live += records
        segment.live_bytes += size

    def held(self, record: Record) -> None:
        """Note that a record waits with its payload in memory; forget those of older ones."""
        self.segments[record.position >> SEGMENT_SHIFT].loose.add(record)
        self._cache[record] = None
        self._cached_bytes += record.size
        line = record.line
        if line is not None and record.since - line.oldest_since > FRESH_S:
            for one in [each for each in line.fresh if each.shelf is None]:
                self._pack(one)
        while self._cached_bytes > CACHE_BYTES:
            self._pack(next(iter(self._cache)))

    def _pack(self, record: Record) -> None:
        self._uncache(record)
        self.let_go(record)
        assert record.line is not None, "what is taken leaves the cache"
        record.line.pack(record)

    def taken(self, record: Record) -> None:
        """Note that a record left its line."""
        self._uncache(record)
        if not record.payload:  # else it is held already
            self._segment(record).loose.add(record)

    def let_go(self, record: Record) -> None:
        """Note that a record that was taken, or a piece of it, is no longer held in memory."""
        self._segment(record).loose.discard(record)

    def done(self, record: Record) -> None:
        """Forget a record that was taken: all of its pieces are delivered or given up."""
        segment = self.segments[record.position >> SEGMENT_SHIFT]
        segment.loose.discard(record)
        self._acknowledge(segment, record.position, record.size)

    def forget(self, position: int, size: int) -> None:
        """Acknowledge what is at a position."""
        self._acknowledge(self.segments[position >> SEGMENT_SHIFT], position, size)

    def _acknowledge(self, segment: Segment, position: int, size: int) -> None:
        segment.live -= 1
        segment.live_bytes -= size
        segment.acknowledged.append(position & PLACE)
        if len(segment.acknowledged) == 1 or not segment.live:  # else it is known already
            self._on_done(segment)

    async def load(self, records: Sequence[Record]) -> list[Record]:
        """
        Fetch missing payloads; return the records that are damaged, each reported.

        Raises:
            OSError: the disk cannot be read now.

        """
        todo = list(records)
        for _ in range(_TRIES):
            wanted = [(self._segment(r).path, r.position, r.size) for r in todo]
            found = await asyncio.to_thread(fetch_all, wanted)
            again: list[Record] = []
            for record, answer, (_, position, _) in zip(todo, found, wanted, strict=True):
                if answer is not None:
                    meta, record.payload = answer
                    record.trace_ids = frame.trace_ids_of(meta)
                    record.context = meta.context
                elif record.position != position:
                    again.append(record)  # it was moved meanwhile
            todo = [record for record in todo if not record.payload]
            if not again:
                break
        for record in todo:
            self._report(record)
        return todo

    def read(self, record: Record) -> bytes:
        """
        Return a missing payload, empty where it is damaged, which is reported; from any thread.

        Raises:
            OSError: the disk cannot be read now.

        """
        for _ in range(_TRIES):
            position = record.position
            segment = self.segments.get(place_of(position)[0])
            found = segment and fetch(segment.path, position, record.size)
            if found:
                return found[1]
            if record.position == position:  # else it was moved meanwhile
                break
        self._report(record)
        return b""

    def _report(self, record: Record) -> None:
        path, (_, offset) = self._segment(record).path, place_of(record.position)
        meta = frame.Meta(
            record.queue, record.lane, record.destination, record.tenant,
            record.received_unix_ns, record.spans, b"",
        )  # fmt: skip
        self.damaged.report(path, offset, record.size, meta)

    def _segment(self, record: Record) -> Segment:
        return self.segments[record.position >> SEGMENT_SHIFT]

    def _uncache(self, record: Record) -> None:
        if record in self._cache:
            del self._cache[record]
            self._cached_bytes -= record.size
