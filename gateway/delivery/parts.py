"""Pieces of records on their way to one destination."""

from collections.abc import Callable, Iterator, Sequence

from gateway.otlp import wire
from gateway.queue.base import Record


class Part:
    """A taken record and its spans; those of a piece alone."""

    __slots__ = ("_entries", "record")

    def __init__(self, record: Record) -> None:
        self.record = record
        self._entries: Sequence[wire.Entry] | None = None

    def entries(self) -> Sequence[wire.Entry]:
        """Return the spans."""
        if self._entries is None:
            entries = wire.index(self.record.payload)
            only = self.record.only
            self._entries = entries if only is None else [entries[at] for at in only]
        return self._entries

    def where(self, belongs: Callable[[wire.Entry], bool]) -> tuple[int, ...]:
        """Return where in the record those of its spans stand that belong."""
        only = self.record.only
        return tuple(
            at if only is None else only[at]
            for at, entry in enumerate(self.entries())
            if belongs(entry)
        )


def cut(
    entries: Sequence[wire.Entry], max_spans: int, max_bytes: int
) -> Iterator[list[wire.Entry]]:
    """
    Yield requests of at most so many spans and bytes, at least one span each.

    ``entries`` are arranged by trace; a trace is cut only where it exceeds a request by itself.
    """
    if len(entries) <= max_spans and wire.size_of(entries) <= max_bytes:
        if entries:
            yield list(entries)
        return
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
