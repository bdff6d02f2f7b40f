"""
Remember for a while what became of each trace: cheap to write, searched only when somebody asks.

A ring of trace ids, 16 bytes each, with the number of the event they took part in; what the event
was is kept once for all that are alike. There is no object per trace or span.
"""

import mmap
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

import msgspec

CAPACITY = 1 << 18
"""Trace ids kept, one for each event of a trace; about 9 MiB once they are all there."""
MOST_DETAILS = 4096
MAX_REASON = 200
_ID_BYTES = 16

Kind = Literal[
    "received", "refused", "dropped", "trimmed", "kept", "sampled_out", "sent", "dead_letter"
]
"""``trimmed``: some of its spans were dropped."""


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, cache_hash=True):
    """What happened, apart from when and to which traces; few are different."""

    kind: Kind
    receiver: str = ""
    transport: str = ""
    tenant: str = ""
    peer: str = ""
    """Address of the sender."""
    pipeline: str = ""
    by: str = ""
    """The processors that decided or dropped."""
    rule: str = ""
    """The policy of the sampler that decided."""
    exporter: str = ""
    destination: str = ""
    """As the exporter knows it; as people know it, once it is told."""
    page: str = ""
    """Address where a person sees what arrived."""
    reason: str = ""


class Fact(msgspec.Struct, kw_only=True):
    """Something that happened to a trace."""

    time_unix_ns: int
    detail: Detail


class History:
    """What happened to the latest traces of this process; on the event loop only."""

    def __init__(self, capacity: int = CAPACITY, time_ns: Callable[[], int] = time.time_ns) -> None:
        self._capacity = capacity
        self._time_ns = time_ns
        # Pages of the system, which take no room until they are written to: a bytearray would.
        self._ids = mmap.mmap(-1, capacity * _ID_BYTES)
        self._events = memoryview(mmap.mmap(-1, capacity * 4)).cast("I")
        self._times = memoryview(mmap.mmap(-1, capacity * 8)).cast("Q")
        self._kinds = memoryview(mmap.mmap(-1, capacity * 2)).cast("H")
        self._end = 0
        """Up to where there are ids."""
        self._next_id = self._next_event = 0
        # The first one stands for the events that have not been yet.
        self._details = [Detail(kind="received")]
        self._numbers = {self._details[0]: 0}
        self._uses = [capacity]
        """How many events have each detail."""
        self._unused: list[int] = []

    def note(self, detail: Detail, trace_ids: Iterable[bytes], at_unix_ns: int = 0) -> None:
        """Note that something happened to traces, now or then; once a batch, each trace once."""
        packed = b"".join(trace_ids)[-self._capacity * _ID_BYTES :]
        count = len(packed) // _ID_BYTES
        if not count:
            return
        event = self._next_event
        self._next_event = (event + 1) % self._capacity
        self._times[event] = at_unix_ns or self._time_ns()
        number = self._number(detail)
        self._uses[number] += 1
        self._release(self._kinds[event])
        self._kinds[event] = number
        at, room = self._next_id, self._capacity - self._next_id
        self._next_id = (at + count) % self._capacity
        self._end = max(self._end, min(at + count, self._capacity) * _ID_BYTES)
        if count == 1:
            self._ids[at * _ID_BYTES : (at + 1) * _ID_BYTES] = packed
            self._events[at] = event
            return
        self._put(at, packed[: room * _ID_BYTES], event)
        if count > room:
            self._put(0, packed[room * _ID_BYTES :], event)

    def _put(self, at: int, packed: bytes, event: int) -> None:
        count = len(packed) // _ID_BYTES
        self._ids[at * _ID_BYTES : at * _ID_BYTES + len(packed)] = packed
        self._events[at : at + count] = array("I", [event]) * count

    def _number(self, detail: Detail) -> int:
        number = self._numbers.get(detail)
        if number is not None:
            return number
        if not self._unused and len(self._details) >= MOST_DETAILS:  # a sender makes up many
            detail = Detail(kind=detail.kind, pipeline=detail.pipeline, by=detail.by)
            if detail in self._numbers:
                return self._numbers[detail]
        if self._unused:
            number = self._unused.pop()
            self._details[number] = detail
        else:
            number = len(self._details)
            self._details.append(detail)
            self._uses.append(0)
        self._numbers[detail] = number
        return number

    def _release(self, number: int) -> None:
        """Forget the detail of an event that is forgotten, unless another event has it."""
        self._uses[number] -= 1
        if not self._uses[number]:
            del self._numbers[self._details[number]]
            self._unused.append(number)

    def find(self, trace_id: bytes) -> list[Fact]:
        """Return what is remembered of a trace, in order of time."""
        facts: list[Fact] = []
        at = self._ids.find(trace_id, 0, self._end)
        while at >= 0:
            if at % _ID_BYTES == 0:
                event = self._events[at // _ID_BYTES]
                detail = self._details[self._kinds[event]]
                facts.append(Fact(time_unix_ns=self._times[event], detail=detail))
            at = self._ids.find(trace_id, at + 1, self._end)
        return sorted(facts, key=lambda fact: fact.time_unix_ns)


class HasTraceId(Protocol):
    """Anything that belongs to a trace."""

    @property
    def trace_id(self) -> bytes:
        """16 bytes."""
        ...


def trace_ids(spans: Iterable[HasTraceId]) -> set[bytes]:
    """Return the traces of spans."""
    return {span.trace_id for span in spans}


HISTORY = History()
"""The history of this process."""
