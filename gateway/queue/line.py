"""
What waits in one lane for one destination, oldest first.

The newest records are kept with their payload, so that a destination that keeps up costs no read.
The others are packed: twenty bytes for each, so that a backlog of millions stays on the disk.
"""

from array import array
from collections import deque

from gateway.queue.base import Record

ALIGNMENT = 8
"""Records begin at multiples of this in a segment, so that 32 bits reach 32 GiB."""
_SEGMENT_SHIFT = 32


def position_of(segment: int, offset: int) -> int:
    """Return the position of a record that begins at ``offset`` of a segment."""
    return segment << _SEGMENT_SHIFT | offset // ALIGNMENT


def place_of(position: int) -> tuple[int, int]:
    """Return segment and offset of a position."""
    low = position & ((1 << _SEGMENT_SHIFT) - 1)
    return position >> _SEGMENT_SHIFT, low * ALIGNMENT


class Run:
    """Neighbours in one segment that wait on disk alone; a piece of a record is a run by itself."""

    __slots__ = ("_first", "_next", "_places", "_received", "_sizes", "_spans", "only", "segment",
                 "since")  # fmt: skip

    def __init__(self, segment: int, since: float, only: tuple[int, ...] | None = None) -> None:
        self.segment = segment
        self.since = since
        self.only = only
        self._places = array("I")
        self._sizes = array("I")
        self._spans = array("I")
        self._received = array("Q")
        self._next = 0
        self._first = 0

    def __len__(self) -> int:
        return len(self._places) - self._next

    @property
    def oldest_unix_ns(self) -> int:
        """Receive time of the first record."""
        return self._received[self._next]

    @property
    def first_commit(self) -> int:
        """Number of the request that brought the first record."""
        return self._first

    def add(self, place: int, size: int, spans: int, received_unix_ns: int, commit: int) -> None:
        """Add a record at the end; ``place`` is the low half of its position."""
        if not self._places:
            self._first = commit
        self._places.append(place)
        self._sizes.append(size)
        self._spans.append(spans)
        self._received.append(received_unix_ns)

    def first_weight(self) -> tuple[int, int]:
        """Return spans and bytes of the first record."""
        return self._spans[self._next], self._sizes[self._next]

    def pop(self) -> tuple[int, int, int, int]:
        """Take the first record: position, size, spans, receive time."""
        at = self._next
        self._next += 1
        position = self.segment << _SEGMENT_SHIFT | self._places[at]
        return position, self._sizes[at], self._spans[at], self._received[at]

    def contents(self) -> dict[int, int]:
        """Return the size of each record by its position."""
        base = self.segment << _SEGMENT_SHIFT
        waiting = range(self._next, len(self._places))
        return {base | self._places[at]: self._sizes[at] for at in waiting}

    def relocated(self, moved: dict[int, int]) -> "list[Run]":
        """Return runs at the new positions; ``moved`` maps old to new ones."""
        base = self.segment << _SEGMENT_SHIFT
        runs: list[Run] = []
        for at in range(self._next, len(self._places)):
            old = base | self._places[at]
            segment, place = divmod(moved.get(old, old), 1 << _SEGMENT_SHIFT)
            if not runs or runs[-1].segment != segment:
                runs.append(Run(segment, self.since, self.only))
            runs[-1].add(place, self._sizes[at], self._spans[at], self._received[at], self._first)
        return runs


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
        last = self._runs[-1] if self._runs else None
        segment, low = record.position >> _SEGMENT_SHIFT, record.position & 0xFFFFFFFF
        if last is None or last.segment != segment or last.only or record.only:
            last = Run(segment, record.since, record.only)
            self._runs.append(last)
        last.add(low, record.size, record.spans, record.received_unix_ns, record.commit)

    def restore(
        self, position: int, size: int, spans: int, received_unix_ns: int, commit: int
    ) -> None:
        """Add a record that was found on disk at start."""
        segment = position >> _SEGMENT_SHIFT
        last = self._runs[-1] if self._runs else None
        if last is None or last.segment != segment or last.only or commit < last.first_commit:
            last = Run(segment, 0.0)
            self._runs.append(last)
        last.add(position & 0xFFFFFFFF, size, spans, received_unix_ns, commit)
        self.spans += spans
        self.size += size

    def sort(self) -> None:
        """Bring runs that were moved on the disk back to where they stood."""
        self._runs = deque(sorted(self._runs, key=lambda run: run.first_commit))

    def relocate(self, segment: int, moved: dict[int, int]) -> None:
        """Follow records that were moved from a segment."""
        if any(run.segment == segment for run in self._runs):
            runs = [run.relocated(moved) if run.segment == segment else [run] for run in self._runs]
            self._runs = deque(piece for pieces in runs for piece in pieces)

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
        position, size, spans, received_unix_ns = run.pop()
        record = Record(
            queue=self._queue,
            lane=self._lane,
            destination=self.destination,
            payload=b"",
            spans=spans,
            trace_ids=frozenset(),
            tenant="",
            received_unix_ns=received_unix_ns,
        )
        record.position = position
        record.size = size
        record.since = run.since
        record.only = run.only
        record.commit = run.first_commit
        return record
