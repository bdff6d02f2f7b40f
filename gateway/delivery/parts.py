"""Pieces of records on their way to one destination."""

from collections import deque
from collections.abc import Iterator, Sequence

from gateway.otlp import wire
from gateway.queue.base import Queue, Record


class Claim:
    """A record that is being delivered; acknowledged once all its parts are settled."""

    __slots__ = ("_parts", "_queue", "record")

    def __init__(self, record: Record, queue: Queue, parts: int) -> None:
        self.record = record
        self._queue = queue
        self._parts = parts

    def add_part(self) -> None:
        """Expect one more part to be settled."""
        self._parts += 1

    def settle(self) -> None:
        """Note that a part was delivered or given up."""
        self._parts -= 1
        if self._parts == 0:
            self._queue.ack(self.record)


class Part:
    """Spans of one record for the same destination; all of them where ``entries`` is None."""

    __slots__ = ("_entries", "claim", "since", "size", "spans")

    def __init__(
        self, claim: Claim, since: float, entries: Sequence[wire.Entry] | None = None
    ) -> None:
        self.claim = claim
        self.since = since
        """Monotonic seconds when it was sorted in."""
        self._entries = entries
        if entries is None:
            self.spans = claim.record.spans
            self.size = claim.record.size
        else:
            self.spans = len(entries)
            self.size = sum(len(entry.span) for entry in entries)

    @property
    def void(self) -> bool:
        """Whether the queue gave the record up."""
        return self.claim.record.dropped

    def entries(self) -> Sequence[wire.Entry]:
        """Return the spans."""
        return self._entries if self._entries is not None else wire.index(self.claim.record.payload)


class Waiting:
    """The parts that wait for one destination in one lane, oldest first."""

    def __init__(self) -> None:
        self._parts: deque[Part] = deque()
        self.spans = 0
        self.size = 0

    def __len__(self) -> int:
        return len(self._parts)

    @property
    def oldest_since(self) -> float:
        """When the oldest part was sorted in."""
        return self._parts[0].since

    def append(self, part: Part) -> None:
        """Add a part at the end."""
        self._parts.append(part)
        self.spans += part.spans
        self.size += part.size

    def take(self, max_spans: int, max_bytes: int) -> list[Part]:
        """Take the oldest parts that fit one request, at least one; void ones are left out."""
        taken: list[Part] = []
        spans = size = 0
        while self._parts:
            part = self._parts[0]
            too_much = spans + part.spans > max_spans or size + part.size > max_bytes
            if taken and too_much and not part.void:
                break
            self._parts.popleft()
            self.spans -= part.spans
            self.size -= part.size
            if part.void:
                continue
            part.claim.record.in_flight = True
            taken.append(part)
            spans += part.spans
            size += part.size
        return taken


def cut(
    entries: Sequence[wire.Entry], max_spans: int, max_bytes: int
) -> Iterator[list[wire.Entry]]:
    """
    Yield requests of at most so many spans and bytes, at least one span each.

    ``entries`` are arranged by trace; a trace is cut only where it exceeds a request by itself.
    """
    request: list[wire.Entry] = []
    size = 0
    for trace in by_trace(entries):
        trace_size = sum(len(entry.span) for entry in trace)
        if request and (len(request) + len(trace) > max_spans or size + trace_size > max_bytes):
            yield request
            request, size = [], 0
        for entry in trace:
            if request and (len(request) == max_spans or size + len(entry.span) > max_bytes):
                yield request
                request, size = [], 0
            request.append(entry)
            size += len(entry.span)
    if request:
        yield request


def by_trace(entries: Sequence[wire.Entry]) -> list[list[wire.Entry]]:
    """Return the entries of each trace, traces in order of their first span."""
    traces: dict[bytes, list[wire.Entry]] = {}
    for entry in entries:
        traces.setdefault(entry.trace_id, []).append(entry)
    return list(traces.values())
