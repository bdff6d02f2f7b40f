"""Read segments: what they hold, and where they are damaged."""

from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from gateway.queue import frame
from gateway.queue.line import ALIGNMENT, place_of, position_of
from gateway.queue.segment import read_notes

_WINDOW_BYTES = 4 * 1024 * 1024


class Found(NamedTuple):
    """A record in a segment."""

    offset: int
    size: int
    commit: int
    meta: frame.Meta
    done: bool
    """Whether it was acknowledged."""


class Damage(NamedTuple):
    """Bytes in which a record was lost."""

    offset: int
    size: int
    meta: frame.Meta | None
    """What is known of the record; None where its head is damaged too."""
    done: bool
    """Whether it was found before and set aside."""


class Cut(NamedTuple):
    """Where the segment ends: what was written behind it was never acknowledged."""

    size: int
    """Bytes of the segment that count."""
    dropped: list[int]
    """Offsets below it of requests of which a part is missing."""


class _Frame(NamedTuple):
    offset: int
    size: int
    head: frame.Head
    meta: frame.Meta
    intact: bool


class _Gap(NamedTuple):
    offset: int
    size: int


class _Window:
    """A file of which a part at a time is in memory."""

    def __init__(self, file: FileIO, end: int, segment: int) -> None:
        self._file = file
        self.end = end
        self.segment = segment
        self._start = 0
        self._data = memoryview(b"")

    def view(self, at: int, size: int) -> memoryview:
        """Return up to ``size`` bytes from ``at``; fewer at the end of the file."""
        size = min(size, self.end - at)
        if at < self._start or at + size > self._start + len(self._data):
            self._file.seek(at)
            wanted = min(max(size, _WINDOW_BYTES), self.end - at)
            chunks: list[bytes] = []
            while wanted > 0 and (chunk := self._file.read(wanted)):
                chunks.append(chunk)
                wanted -= len(chunk)
            self._start, self._data = at, memoryview(b"".join(chunks))
        return self._data[at - self._start : at - self._start + size]


def read(path: Path, number: int) -> Iterator[Found | Damage | Cut]:
    """
    Yield what a segment holds, in order, and at last where it ends.

    Where the end is not known to be durable, a request counts only if all of it is there.

    Raises:
        OSError: the file cannot be read.

    """
    done, synced = read_notes(path.with_suffix(".ack"), number)
    waiting: list[_Frame | _Gap] = []
    end = 0
    with path.open("rb", buffering=0) as file:
        window = _Window(file, file.seek(0, 2), number)
        for item in _items(window):
            if isinstance(item, _Frame):
                synced = max(synced, item.head.synced)
            waiting.append(item)
            if waiting[0].offset < synced:
                for durable in waiting:
                    if durable.offset < synced:
                        yield _as_found(durable, done)
                        end = durable.offset + durable.size
                waiting = [later for later in waiting if later.offset >= synced]
    if end < synced and not waiting:
        yield Damage(end, synced - end, None, end in done)
        end = synced
    yield from _uncertain(waiting, done, end)


def _as_found(item: _Frame | _Gap, done: set[int]) -> Found | Damage:
    was_done = item.offset in done
    if isinstance(item, _Gap):
        return Damage(item.offset, item.size, None, was_done)
    if not item.intact:
        return Damage(item.offset, item.size, item.meta, was_done)
    return Found(item.offset, item.size, item.head.commit, item.meta, was_done)


def _uncertain(
    items: list[_Frame | _Gap], done: set[int], end: int
) -> Iterator[Found | Damage | Cut]:
    """Yield the requests that are there as a whole."""
    parts: dict[tuple[int, int], int] = {}
    for item in items:
        if isinstance(item, _Frame) and item.intact:
            key = item.head.commit, item.head.parts
            parts[key] = parts.get(key, 0) + 1
    dropped: list[int] = []
    for item in items:
        if (
            isinstance(item, _Frame)
            and item.intact
            # Records that were moved by themselves are all first of one, with the same number.
            and parts[item.head.commit, item.head.parts] >= item.head.parts
        ):
            yield _as_found(item, done)
            end = item.offset + item.size
        else:
            dropped.append(item.offset)
    yield Cut(end, [offset for offset in dropped if offset < end])


def _items(window: _Window) -> Iterator[_Frame | _Gap]:
    at = 0
    while at < window.end:
        item = _frame_at(window, at)
        if item is None:
            start, at = at, _next_frame(window, at + ALIGNMENT)
            if at < window.end or _holds_data(window, start):
                yield _Gap(start, at - start)
            continue
        yield item
        at += item.size


def _frame_at(window: _Window, at: int) -> _Frame | None:
    data = window.view(at, frame.HEAD_BYTES)
    if len(data) < frame.HEAD_BYTES or data[:4] != frame.MAGIC:
        return None
    meta_bytes = frame.meta_bytes(data)
    if at + frame.HEAD_BYTES + meta_bytes > window.end:
        return None
    position = position_of(window.segment, at)
    head = frame.read_head(window.view(at, frame.HEAD_BYTES + meta_bytes), position)
    if head is None:
        return None
    size = head.frame_bytes
    data = window.view(at, size)
    start = frame.HEAD_BYTES + head.meta_bytes
    payload = data[start : start + head.payload_bytes]
    intact = len(payload) == head.payload_bytes and frame.checksum(payload) == head.payload_checksum
    return _Frame(at, size, head, frame.read_meta(data, head), intact)


def _next_frame(window: _Window, at: int) -> int:
    """Return where the next intact frame begins, or the end."""
    while at < window.end:
        data = bytes(window.view(at, _WINDOW_BYTES))
        if not data:
            return window.end
        spot = data.find(frame.MAGIC)
        while spot >= 0:
            if (at + spot) % ALIGNMENT == 0 and _frame_at(window, at + spot) is not None:
                return at + spot
            spot = data.find(frame.MAGIC, spot + 1)
        at += max(ALIGNMENT, len(data) - ALIGNMENT)
    return window.end


def _holds_data(window: _Window, at: int) -> bool:
    """Whether anything but the zeros of reserved space follows."""
    while at < window.end:
        data = window.view(at, _WINDOW_BYTES)
        if not data:
            return False
        if bytes(data).strip(b"\0"):
            return True
        at += len(data)
    return False


def fetch(path: Path, position: int, size: int) -> tuple[frame.Meta, bytes] | None:
    """
    Return meta and payload of the frame at a position, or None where it is damaged or gone.

    Raises:
        OSError: the file cannot be read.

    """
    data = fetch_frame(path, position, size)
    head = frame.read_head(data, position)
    if head is None:
        return None
    payload = frame.payload_of(data, head)
    return None if payload is None else (frame.read_meta(data, head), payload)


def fetch_frame(path: Path, position: int, size: int) -> bytes:
    """
    Return the bytes of a frame, fewer where the file is shorter or gone.

    Raises:
        OSError: the file cannot be read.

    """
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(place_of(position)[1])
            chunks: list[bytes] = []
            while size > 0 and (chunk := file.read(size)):
                chunks.append(chunk)
                size -= len(chunk)
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
    except FileNotFoundError:
        return b""
