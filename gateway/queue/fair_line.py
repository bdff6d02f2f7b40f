"""What waits in one lane for one destination: each tenant's records in order, tenants in turn."""

import itertools
from collections.abc import Sequence
from heapq import heappop, heappush, heapreplace

from gateway.queue.base import Record
from gateway.queue.line import Line, Row, Weight

_OWN = None
_Lines = dict[object, Line]
"""Lines by the shelf of their guests, ``_OWN`` for no guests: only records of one log come in the
order of their age."""


class FairLine:
    """
    The records of one destination in one lane.

    Tenants get equal parts of the requests, whatever each has waiting, and of each the oldest goes
    first, whichever worker keeps it. A part is measured by what fills a request: spans or bytes,
    whichever is more. Records that were put back go first, by themselves.
    """

    def __init__(self, queue: str, lane: int, destination: str) -> None:
        self.destination = destination
        self._queue = queue
        self._lane = lane
        self._total = Weight()
        self._again = Line(queue, lane, destination, self._total)
        self._lines: dict[str, _Lines] = {}
        self._turns: list[tuple[float, int, str]] = []  # a heap: parts had so far, by tenant
        self._serial = itertools.count()
        self._now = 0.0
        self._behind: dict[object, int] = {}
        self.awaited: tuple[int, int] | None = None
        """Spans and bytes of which one must wait before the reader is told; None: it is told all.
        Who gathers a request would be woken by each record otherwise."""

    def __bool__(self) -> bool:
        return self._total.records > 0

    def __len__(self) -> int:
        return self._total.records

    @property
    def spans(self) -> int:
        """Spans that wait."""
        return self._total.spans

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return self._total.size

    def has_news(self) -> bool:
        """Whether the reader is to be told of what came."""
        if self.awaited is None:
            return True
        spans, size = self.awaited
        return self._total.spans >= spans or self._total.size >= size

    @property
    def oldest_since(self) -> float:
        """Monotonic seconds when the oldest was queued; 0 where it was before the start."""
        return min(line.oldest_since for line in self.lines())

    @property
    def oldest_unix_ns(self) -> int:
        """Receive time of the oldest; something waits."""
        return min(line.oldest_unix_ns for line in self.lines())

    @property
    def early(self) -> bool:
        """Whether what would go next is younger than what is on its way here."""
        return bool(self._behind and self and not self._again) and self._is_early(self._next())

    def expect(self, shelf: object, oldest_unix_ns: int) -> None:
        """Note how old what another worker has yet to bring is at the most; 0 where nothing is."""
        if oldest_unix_ns:
            self._behind[shelf] = oldest_unix_ns
        else:
            self._behind.pop(shelf, None)

    def expect_no_more(self, shelf: object) -> bool:
        """Expect nothing of a shelf any more, of none for None; return whether something was."""
        left = {one: ns for one, ns in self._behind.items() if shelf not in (None, one)}
        gone, self._behind = len(left) < len(self._behind), left
        return gone

    def lines(self) -> list[Line]:
        """Return every line with records."""
        theirs = [line for lines in self._lines.values() for line in lines.values()]
        return [line for line in (self._again, *theirs) if line]

    def tenants(self) -> set[str]:
        """Return whose records wait."""
        waiting = {tenant for tenant, lines in self._lines.items() if any(lines.values())}
        return self._again.tenants() | waiting

    def append(self, record: Record) -> None:
        """Add a record with its payload at the end of its tenant's line."""
        lines = self._lines.get(record.tenant)
        line = lines.get(record.shelf) if lines is not None else None
        if line is None:
            line = self._line(record.tenant, record.shelf)
        line.append(record)

    def append_packed(self, record: Record) -> None:
        """Add a record that waits on disk alone, without its payload."""
        self._line(record.tenant).append_packed(record)

    def restore(self, segment: int, tenant: str, rows: Sequence[Row]) -> Weight:
        """Add a tenant's records that were found in a segment at start; return what they weigh."""
        return self._line(tenant).restore(segment, tenant, rows)

    def sort(self) -> None:
        """Bring records that were moved on the disk back to where they stood."""
        for line in self.lines():
            line.sort()

    def put_back(self, records: list[Record]) -> None:
        """Put records at the front again, as they came; those on disk without their payload."""
        self._again.put_back(records)

    def take(self, max_spans: int, max_bytes: int, max_records: int | None = None) -> list[Record]:
        """
        Take records that fit one request, at least one: what was put back, else in turn.

        Where even the first is early, what is on its way is waited for no longer.
        """
        if self._again:
            return self._again.take(max_spans, max_bytes, max_records)
        alone = self._alone()
        if alone is not None:
            return self._take_from(alone, max_spans, max_bytes, max_records)
        taken: list[Record] = []
        spans = size = 0
        while self and (max_records is None or len(taken) < max_records):
            line = self._next()
            if self._behind and self._is_early(line):
                if taken:
                    break
                self._behind = {one: ns for one, ns in self._behind.items() if self._has(one)}
            more_spans, more_bytes = line.first_weight()
            if taken and (spans + more_spans > max_spans or size + more_bytes > max_bytes):
                break
            taken.append(line.pop())
            spans += more_spans
            size += more_bytes
            self._charge(line, max(more_spans / max_spans, more_bytes / max_bytes))
        return taken

    def _alone(self) -> Line | None:
        """Return the line that holds all that waits, if one does and nothing else is expected."""
        if len(self._turns) != 1 or self._behind or not self:
            return None
        lines = self._lines[self._turns[0][2]]
        return next(iter(lines.values())) if len(lines) == 1 else None

    def _take_from(
        self, line: Line, max_spans: int, max_bytes: int, max_records: int | None
    ) -> list[Record]:
        """Take from the only line; a tenant that comes begins where its own stands then."""
        taken = line.take(max_spans, max_bytes, max_records)
        spans, size = sum([r.spans for r in taken]), sum([r.size for r in taken])
        self._charge(line, max(spans / max_spans, size / max_bytes))
        if self._turns:
            self._now = self._turns[0][0]
        return taken

    def _line(self, tenant: str, source: object = _OWN) -> Line:
        lines = self._lines.get(tenant)
        if lines is None:
            lines = self._lines[tenant] = {}
            heappush(self._turns, (self._now, next(self._serial), tenant))
        line = lines.get(source)
        if line is None:
            line = lines[source] = Line(self._queue, self._lane, self.destination, self._total)
        return line

    def _next(self) -> Line:
        """Return the line with the oldest of the tenant whose turn it is; something waits."""
        while not (lines := [line for line in self._lines[self._turns[0][2]].values() if line]):
            self._leave()
        return lines[0] if len(lines) == 1 else min(lines, key=lambda line: line.oldest_unix_ns)

    def _is_early(self, line: Line) -> bool:
        oldest = line.oldest_unix_ns
        return any(ns < oldest and not self._has(shelf) for shelf, ns in self._behind.items())

    def _has(self, shelf: object) -> bool:
        """Tell whether records of another worker are here."""
        return any(lines.get(shelf) for lines in self._lines.values())

    def _charge(self, line: Line, part: float) -> None:
        """Note what the first of the turns had."""
        self._now, _, tenant = self._turns[0]
        if not line:
            left = {source: some for source, some in self._lines[tenant].items() if some}
            self._lines[tenant] = left
            if not left:
                self._leave()
                return
        heapreplace(self._turns, (self._now + part, next(self._serial), tenant))

    def _leave(self) -> None:
        """Let the first of the turns go; nothing of that tenant waits."""
        _, _, tenant = heappop(self._turns)
        del self._lines[tenant]
