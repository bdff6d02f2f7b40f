"""
What waits in a line for one destination, oldest first.

The newest records are kept with their payload, so that a destination that keeps up costs no read.
The others are packed: 28 bytes for each, so that a backlog of millions stays on the disk.
"""

import itertools
import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from gateway.queue.base import Record

if TYPE_CHECKING:
    from gateway.queue.queue import Shelf

ALIGNMENT = 8
"""Records begin at multiples of this in a segment, so that 32 bits reach 32 GiB."""
SEGMENT_SHIFT = 32
"""Above so many bits of a position stands the number of the segment, below them the place in it."""
PLACE = (1 << SEGMENT_SHIFT) - 1
Row: TypeAlias = tuple[int, int, int, int, int]
"""What a run keeps of a record: place in the segment, size, spans, receive time, commit."""
_PACKED = struct.Struct("<IIIQQ")
_pack = _PACKED.pack


def position_of(segment: int, offset: int) -> int:
    """Return the position of a record that begins at ``offset`` of a segment."""
    return segment << SEGMENT_SHIFT | offset // ALIGNMENT


def place_of(position: int) -> tuple[int, int]:
    """Return segment and offset of a position."""
    return position >> SEGMENT_SHIFT, (position & PLACE) * ALIGNMENT


class Run:
    """
    Neighbours in one segment that wait on disk alone, all of one tenant.

    A piece of a record is a run by itself.
    """

    __slots__ = ("_data", "_next", "only", "segment", "since", "tenant")

    def __init__(
        self, segment: int, since: float, tenant: str, only: tuple[int, ...] | None = None
    ) -> None:
        self.segment = segment
        self.since = since
        self.tenant = tenant
        self.only = only
        self._data = bytearray()
        self._next = 0

    def __len__(self) -> int:
        return (len(self._data) - self._next) // _PACKED.size

    @property
    def oldest_unix_ns(self) -> int:
        """Receive time of the first record."""
        return self._item(self._next).received_unix_ns

    def commits(self) -> Iterator[int]:
        """Return the numbers of the requests that brought the records."""
        return map(itemgetter(4), _PACKED.iter_unpack(self._data[self._next :]))

    def add(self, item: "Packed") -> None:
        """Add a record of this segment and tenant at the end."""
        commit, position, size, spans, received_unix_ns, _, _ = item
        self._data += _pack(position & PLACE, size, spans, received_unix_ns, commit)

    def extend(self, rows: "Iterable[Row]") -> None:
        """Add records of this segment and tenant at the end."""
        self._data += b"".join(itertools.starmap(_pack, rows))

    def first_weight(self) -> tuple[int, int]:
        """Return spans and bytes of the first record."""
        first = self._item(self._next)
        return first.spans, first.size

    def pop(self) -> "Packed":
        """Take the first record."""
        item = self._item(self._next)
        self._next += _PACKED.size
        return item

    def items(self) -> "list[Packed]":
        """Return what is left."""
        return [self._item(at) for at in range(self._next, len(self._data), _PACKED.size)]

    def _item(self, at: int) -> "Packed":
        place, size, spans, received_unix_ns, commit = _PACKED.unpack_from(self._data, at)
        position = self.segment << SEGMENT_SHIFT | place
        return Packed(commit, position, size, spans, received_unix_ns, self.tenant, self.only)

    def contents(self) -> dict[int, int]:
        """Return the size of each record by its position."""
        return {item.position: item.size for item in self.items()}


class Packed(NamedTuple):
    """What is kept in memory of a record that waits on disk alone."""

    commit: int
    position: int
    size: int
    spans: int
    received_unix_ns: int
    tenant: str
    only: tuple[int, ...] | None = None


class Weight:
    """What waits, in several lines together."""

    __slots__ = ("records", "size", "spans")

    def __init__(self) -> None:
        self.records = 0
        self.spans = 0
        self.size = 0

    def change(self, records: int, spans: int, size: int) -> None:
        """Count more, or less."""
        self.records += records
        self.spans += spans
        self.size += size


class Line:
    """
    Records of one destination in one lane, in the order they came.

    Args:
        total: counts what waits here too, beside what waits in other lines.

    """

    __slots__ = ("_fresh", "_lane", "_queue", "_runs", "_total", "destination")

    def __init__(
        self, queue: str, lane: int, destination: str, total: Weight | None = None
    ) -> None:
        self.destination = destination
        self._queue = queue
        self._lane = lane
        self._total = total or Weight()
        self._runs: deque[Run] = deque()
        self._fresh: deque[Record] = deque()

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
    def first_tenant(self) -> str:
        """Whose the oldest is."""
        return self._runs[0].tenant if self._runs else self._fresh[0].tenant

    def tenants(self) -> set[str]:
        """Return whose records wait."""
        return {run.tenant for run in self._runs} | {record.tenant for record in self._fresh}

    @property
    def fresh(self) -> deque[Record]:
        """The newest records, those with their payload in memory."""
        return self._fresh

    @property
    def runs(self) -> deque[Run]:
        """What waits on disk alone; for whoever moves records on the disk."""
        return self._runs

    def append(self, record: Record) -> None:
        """Add a record with its payload at the end."""
        record.line = self
        self._fresh.append(record)
        total = self._total
        total.records += 1
        total.spans += record.spans
        total.size += record.size

    def append_packed(self, record: Record) -> None:
        """Add a record at the end of those that wait on disk alone, without its payload."""
        self._pack(record)
        self._count(record, 1)

    def pack(self, record: Record) -> None:
        """Forget the payload of the oldest of our records that still has one; it is on disk."""
        if self._fresh[0] is record:
            self._fresh.popleft()
        else:  # behind guests, which are on no disk of ours
            self._fresh.remove(record)
        record.line = None
        self._pack(record)

    def evict(self, shelf: "Shelf | None") -> None:
        """Forget the guests that a shelf holds; all of them where it is None."""
        guests = [r for r in self._fresh if r.shelf is not None and shelf in (None, r.shelf)]
        if guests:
            self._fresh = deque(r for r in self._fresh if r not in set(guests))
        for record in guests:
            record.line = None
            self._count(record, -1)

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
        self._total.change(sign, sign * record.spans, sign * record.size)

    def _pack(self, record: Record) -> None:
        item = Packed(
            record.commit,
            record.position,
            record.size,
            record.spans,
            record.received_unix_ns,
            record.tenant,
            record.only,
        )
        _add(self._runs, item, record.since)

    def restore(self, segment: int, tenant: str, rows: Sequence[Row]) -> Weight:
        """Add a tenant's records that were found in a segment at start; return what they weigh."""
        weight = Weight()
        weight.records = len(rows)
        weight.size = sum(row[1] for row in rows)
        weight.spans = sum(row[2] for row in rows)
        self._total.change(weight.records, weight.spans, weight.size)
        _run(self._runs, segment, tenant, 0.0).extend(rows)
        return weight

    def sort(self) -> None:
        """Bring records that were moved on the disk back to where they stood."""
        order = itertools.chain.from_iterable(run.commits() for run in self._runs)
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
        runs, fresh = self._runs, self._fresh
        while (runs or fresh) and (max_records is None or len(taken) < max_records):
            more_spans, more_bytes = self.first_weight()
            if taken and (spans + more_spans > max_spans or size + more_bytes > max_bytes):
                break
            taken.append(self._pop())
            spans += more_spans
            size += more_bytes
        self._total.change(-len(taken), -spans, -size)
        return taken

    def first_weight(self) -> tuple[int, int]:
        """Return spans and bytes of the oldest."""
        if self._runs:
            return self._runs[0].first_weight()
        return self._fresh[0].spans, self._fresh[0].size

    def pop(self) -> Record:
        """Take the oldest record; without its payload where it waits on disk alone."""
        record = self._pop()
        self._count(record, -1)
        return record

    def _pop(self) -> Record:
        """Take the oldest record, which is still counted."""
        if not self._runs:
            record = self._fresh.popleft()
            record.line = None
            return record
        record = self._unpack(self._runs[0])
        if not self._runs[0]:
            self._runs.popleft()
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
            tenant=item.tenant,
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
    _, position, _, _, _, tenant, only = item
    segment = position >> SEGMENT_SHIFT
    _run(runs, segment, tenant, since, only).add(item)


def _run(
    runs: deque[Run],
    segment: int,
    tenant: str,
    since: float,
    only: tuple[int, ...] | None = None,
) -> Run:
    """Return the last run, or a new one where the next record does not belong there."""
    last = runs[-1] if runs else None
    if last is None or last.segment != segment or last.tenant != tenant or last.only or only:
        last = Run(segment, since, tenant, only)
        runs.append(last)
    return last
