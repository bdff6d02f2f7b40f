"""
Find the traces on which a component takes its whole process down, and set them aside.

What is being sent or decided stands in a file that outlives the process. After a crash those
traces are suspects: they are sent alone, one at a time. What was being sent in three crashes
becomes a dead letter; of what was being decided, the processor's policy makes what it makes of
failures.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from gateway.otlp import wire

CRASHES = 3
REASON = "the gateway's process ended three times while this trace was being sent"
_SLOTS = 1024
_MOST_TRACES = 1023
_ID_BYTES = 16
_SLOT_BYTES = (_MOST_TRACES + 1) * _ID_BYTES


class Crashes:
    """
    What one worker sends now, and what it suspects.

    Args:
        path: the file that says what is being sent.
        counts: crashes by trace id, as far as there were any.

    """

    def __init__(self, path: Path, counts: Mapping[bytes, int]) -> None:
        self._counts = dict(counts)
        self._alone = asyncio.Lock()
        self._free = list(range(_SLOTS - 1, -1, -1))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def suspect(self, counts: Mapping[bytes, int]) -> None:
        """Take the counts after another worker's crash."""
        self._counts = dict(counts)

    def split(self, entries: list[wire.Entry]) -> list[list[wire.Entry]]:
        """Return a request as several: suspects by themselves, and the rest."""
        if not self._counts:
            return [entries]
        suspects: dict[bytes, list[wire.Entry]] = {}
        rest: list[wire.Entry] = []
        for entry in entries:
            mine = entry.trace_id in self._counts
            (suspects.setdefault(entry.trace_id, []) if mine else rest).append(entry)
        return [some for some in (rest, *suspects.values()) if some]

    def is_undecidable(self, trace_id: bytes) -> bool:
        """Tell whether a trace was being decided in too many crashes."""
        return bool(self._counts) and self._counts.get(_decision(trace_id), 0) >= CRASHES

    def condemned(self, entries: Sequence[wire.Entry]) -> bool:
        """Tell whether spans, of one trace, were being sent in too many crashes."""
        return bool(self._counts) and any(
            self._counts.get(entry.trace_id, 0) >= CRASHES for entry in entries
        )

    @asynccontextmanager
    async def under_way(self, entries: Sequence[wire.Entry]) -> AsyncIterator[None]:
        """Note that spans are being sent; suspects wait until they are alone."""
        traces = wire.trace_ids(entries)
        suspects = [trace for trace in traces if trace in self._counts] if self._counts else []
        if not suspects:
            slot = self._begin(traces)
            try:
                yield
            finally:
                self._end(slot)
            return
        async with self._alone:
            slot = self._begin(traces)
            try:
                yield
            finally:
                self._end(slot)
                for trace in suspects:  # whatever the answer: it did no harm
                    self._counts.pop(trace, None)

    @contextmanager
    def deciding(self, trace_id: bytes) -> Iterator[None]:
        """Note that a processor looks at a trace; from any thread."""
        key = _decision(trace_id)
        slot = self._begin([key])
        try:
            yield
        finally:
            self._end(slot)
            self._counts.pop(key, None)

    def _begin(self, traces: Collection[bytes]) -> int | None:
        if not self._free:
            return None
        slot = self._free.pop()
        some = b"".join(traces)
        if len(some) != len(traces) * _ID_BYTES:
            some = b"".join([trace for trace in traces if len(trace) == _ID_BYTES])
        some = some[: _MOST_TRACES * _ID_BYTES]
        number = (len(some) // _ID_BYTES).to_bytes(_ID_BYTES, "little")
        self._note(slot, number + some)
        return slot

    def _end(self, slot: int | None) -> None:
        if slot is not None:
            self._note(slot, bytes(_ID_BYTES))
            self._free.append(slot)

    def _note(self, slot: int, text: bytes) -> None:
        # Sending makes room on a full disk, so that it must not wait for some.
        with contextlib.suppress(OSError):
            os.pwrite(self._file, text, slot * _SLOT_BYTES)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)


def _decision(trace_id: bytes) -> bytes:
    """Return what stands for deciding on a trace, apart from sending it."""
    return bytes(255 - byte for byte in trace_id)


def read(path: Path) -> set[bytes]:
    """Return the traces that were being sent when a process ended."""
    try:
        data = path.read_bytes()
    except OSError:
        return set()
    found: set[bytes] = set()
    for start in range(0, len(data), _SLOT_BYTES):
        ids = start + _ID_BYTES
        number = int.from_bytes(data[start:ids], "little")
        end = min(ids + min(number, _MOST_TRACES) * _ID_BYTES, len(data) - _ID_BYTES + 1)
        found |= {data[at : at + _ID_BYTES] for at in range(ids, end, _ID_BYTES)}
    return found
