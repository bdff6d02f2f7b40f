"""
What waits in one lane for one destination, oldest first.

The newest records are kept with their payload, so that a destination that keeps up costs no read.
The others are packed: 28 bytes for each, so that a backlog of millions stays on the disk.
"""

import itertools
from array import array
from collections import deque
from typing import NamedTuple

from gateway.queue.base import Record

ALIGNMENT = 8
"""Records begin at multiples of this in a segment, so that 32 bits reach 32 GiB."""
_SEGMENT_SHIFT = 32
_PLACE = (1 << _SEGMENT_SHIFT) - 1


def position_of(segment: int, offset: int) -> int:
    """Return the position of a record that begins at ``offset`` of a segment."""
    return segment << _SEGMENT_SHIFT | offset // ALIGNMENT


def place_of(position: int) -> tuple[int, int]:
    """Return segment and offset of a position."""
    return position >> _SEGMENT_SHIFT, (position & _PLACE) * ALIGNMENT


class Run:
    """Neighbours in one segment that wait on disk alone; a piece of a record is a run by itself."""

    __slots__ = (
        "_commits", "_next", "_places", "_received", "_sizes", "_spans", "only", "segment", "since",
    )  # fmt: skip

    def __init__(self, segment: int, since: float, only: tuple[int, ...] | None = None) -> None:
        self.segment = segment
        self.since = since
        self.only = only
        self._places = array("I")
        self._sizes = array("I")
        self._spans = array("I")
        self._received = array("Q")
        self._commits = array("Q")
        self._next = 0

    def __len__(self) -> int:
        return len(self._places) - self._next

    @property
    def oldest_unix_ns(self) -> int:
        """Receive time of the first record."""
        return self._received[self._next]

    @property
    def commits(self) -> tuple[int, int]:
        """Numbers of the requests that brought the first and the last record."""
        return self._commits[self._next], self._commits[-1]

    def add(self, item: "Packed") -> None:
        """Add a record of this segment at the end."""
        self._places.append(item.position & _PLACE)
        self._sizes.append(item.size)
        self._spans.append(item.spans)
        self._received.append(item.received_unix_ns)
        self._commits.append(item.commit)

    def first_weight(self) -> tuple[int, int]:
        """Return spans and bytes of the first record."""
        return self._spans[self._next], self._sizes[self._next]

    def pop(self) -> "Packed":
        """Take the first record."""
        item = self._item(self._next)
        self._next += 1
        return item

    def items(self) -> "list[Packed]":
        """Return what is left."""
        return [self._item(at) for at in range(self._next, len(self._places))]

    def _item(self, at: int) -> "Packed":
        return Packed(
            self._commits[at],
            self.segment << _SEGMENT_SHIFT | self._places[at],
            self._sizes[at],
            self._spans[at],
            self._received[at],
            self.only,
        )

    def contents(self) -> dict[int, int]:
        """Return the size of each record by its position."""
        base = self.segment << _SEGMENT_SHIFT
        waiting = range(self._next, len(self._places))
        return {base | self._places[at]: self._sizes[at] for at in waiting}


class Packed(NamedTuple):
    """What is kept in memory of a record that waits on disk alone."""

    commit: int
    position: int
    size: int
    spans: int
    received_unix_ns: int
    only: tuple[int, ...] | None = None


class Line:
    """The records of one destination in one lane."""

    __slots__ = ("_fresh", "_lane", "_queue", "_runs", "destination", "size", "spans")

    def __init__(self, queue: str, lane: int, destination: str) -> None:
        self.destination = destination
        self._queue = queue
        self._lane = lane
        self._runs: deque[Run] = deque()
        self._fresh: deque[Record] = deque()
        self.spans = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._fresh) + sum(map(len, self._runs))

    def __bool__(self) -> bool:
        return bool(self._fresh or self._runs)

    @property
    def oldest_since(self) -> float:
        """Monotonic seconds when the oldest was queued; 0 where it was before the start."""
        return self._runs[0].since if self._runs else self._fresh[0].since

    @property
    def oldest_unix_ns(self) -> int:
        """Receive time of the oldest."""
        if self._runs:
            return self._runs[0].oldest_unix_ns
        return self._fresh[0].received_unix_ns

    @property
    def runs(self) -> deque[Run]:
        """What waits on disk alone; for whoever moves records on the disk."""
        return self._runs

    def append(self, record: Record) -> None:
        """Add a record with its payload at the end."""
        record.line = self
        self._fresh.append(record)
        self._count(record, 1)

    def append_packed(self, record: Record) -> None:
        """Add a record at the end of those that wait on disk alone, without its payload."""
        self._pack(record)
        self._count(record, 1)

    def pack_first(self, record: Record) -> None:
        """Forget the payload of the oldest record that still has one; it is on disk."""
        first = self._fresh.popleft()
        assert first is record, "records lose their payload in the order they came"
        record.line = None
        self._pack(record)

    def put_back(self, records: list[Record]) -> None:
        """Put records at the front again, as they came; those on disk without their payload."""
        stored = [record for record in records if record.position >= 0]
        self._fresh.extendleft(reversed([r for r in records if r.position < 0]))
        later = list(self._runs)
        self._runs.clear()
        for record in stored:
            self._pack(record)
        self._runs.extend(later)
        for record in records:
            self._count(record, 1)

    def _count(self, record: Record, sign: int) -> None:
        self.spans += sign * record.spans
        self.size += sign * record.size

    def _pack(self, record: Record) -> None:
        item = Packed(
            record.commit,
            record.position,
            record.size,
            record.spans,
            record.received_unix_ns,
            record.only,
        )
        _add(self._runs, item, record.since)

    def restore(self, item: Packed) -> None:
        """Add a record that was found on disk at start."""
        _add(self._runs, item, 0.0)
        self.spans += item.spans
        self.size += item.size

    def sort(self) -> None:
        """Bring records that were moved on the disk back to where they stood."""
        order = [number for run in self._runs for number in run.commits]
        if any(before > after for before, after in itertools.pairwise(order)):
            items = sorted(item for run in self._runs for item in run.items())
            self._runs = deque()
            for item in items:
                _add(self._runs, item, 0.0)

    def relocate(self, segment: int, moved: dict[int, int]) -> None:
        """Follow records that were moved from a segment; ``moved`` maps old to new positions."""
        if not any(run.segment == segment for run in self._runs):
            return
        runs: deque[Run] = deque()
        for run in self._runs:
            if run.segment != segment:
                runs.append(run)
                continue
            for item in run.items():
                fresh = moved.get(item.position, item.position)
                _add(runs, item._replace(position=fresh), run.since)
        self._runs = runs

    def take(self, max_spans: int, max_bytes: int, max_records: int | None = None) -> list[Record]:
        """Take the oldest records that fit one request, at least one."""
        taken: list[Record] = []
        spans = size = 0
        while self and (max_records is None or len(taken) < max_records):
            more_spans, more_bytes = self._first_weight()
            if taken and (spans + more_spans > max_spans or size + more_bytes > max_bytes):
                break
            taken.append(self.pop())
            spans += more_spans
            size += more_bytes
        return taken

    def _first_weight(self) -> tuple[int, int]:
        if self._runs:
            return self._runs[0].first_weight()
        return self._fresh[0].spans, self._fresh[0].size

    def pop(self) -> Record:
        """Take the oldest record; without its payload where it waits on disk alone."""
        if self._runs:
            record = self._unpack(self._runs[0])
            if not self._runs[0]:
                self._runs.popleft()
        else:
            record = self._fresh.popleft()
            record.line = None
        self._count(record, -1)
        return record

    def _unpack(self, run: Run) -> Record:
        item = run.pop()
        record = Record(
            queue=self._queue,
            lane=self._lane,
            destination=self.destination,
            payload=b"",
            spans=item.spans,
            trace_ids=frozenset(),
            tenant="",
            received_unix_ns=item.received_unix_ns,
        )
        record.position = item.position
        record.size = item.size
        record.since = run.since
        record.only = item.only
        record.commit = item.commit
        return record


def _add(runs: deque[Run], item: Packed, since: float) -> None:
    """Add a record to the last run, or to a new one where it does not belong there."""
    segment = item.position >> _SEGMENT_SHIFT
    last = runs[-1] if runs else None
    if last is None or last.segment != segment or last.only or item.only:
        last = Run(segment, since, item.only)
        runs.append(last)
    last.add(item)
