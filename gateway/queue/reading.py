"""Read segments: what they hold, and where they are damaged."""

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from io import FileIO
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from gateway.queue import frame
from gateway.queue.line import ALIGNMENT, place_of, position_of
from gateway.queue.segment import read_notes

_WINDOW_BYTES = 1024 * 1024
_HEAD_BYTES = frame.HEAD_BYTES
_CHECKED = frame.CHECKED
_crc32 = frame.checksum
_decode_meta = frame.decode_meta
_fields_at = frame.fields_at
_head_checksum = frame.head_checksum
_unpack_head = frame.unpack_head


class Found(NamedTuple):
    """A record in a segment."""

    offset: int
    size: int
    meta: frame.Meta
    commit: int
    part: int
    parts: int
    synced: int
    intact: bool
    """Whether its payload is."""


_found = partial(tuple.__new__, Found)  # half the price of Found(...): there are many


class Damage(NamedTuple):
    """Bytes in which a record was lost."""

    offset: int
    size: int
    meta: frame.Meta | None
    """What is known of the record; None where its head is damaged too."""
    mark: int
    """Where it is noted that the damage is known: at the offset of a record, or where none begins
    for bytes that may have been several, since the first of those may have been acknowledged."""


class Cut(NamedTuple):
    """Where the segment ends: what was written behind it was never acknowledged."""

    size: int
    """Bytes of the segment that count."""
    dropped: list[int]
    """Offsets below it of requests of which a part is missing."""
    incomplete: int
    """Records of such requests."""


class _Window:
    """A file of which a part at a time is in memory."""

    def __init__(self, file: FileIO, segment: int) -> None:
        self.end = file.seek(0, 2)
        self.segment = segment
        self.data = memoryview(b"")
        self._file = file
        if sys.platform == "linux":  # what is flushed past the cache is not in there: begin to read
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
        self._start = 0
        self._stop = 0
        self._buffer = bytearray(min(_WINDOW_BYTES, self.end))

    def reach(self, at: int, size: int) -> int:
        """Return where in ``data`` the byte ``at`` is, with ``size`` bytes as far as there are."""
        if at < self._start or at + size > self._stop:
            self._load(at, size)
        return at - self._start

    def _load(self, at: int, size: int) -> None:
        if at >= self._start and self._stop == self.end:
            return  # there is no more
        self._file.seek(at)
        wanted = min(max(size, _WINDOW_BYTES), self.end - at)
        if len(self._buffer) < wanted:
            self._buffer = bytearray(wanted)
        room = memoryview(self._buffer)[:wanted]  # fresh memory would cost more than to fill it
        read = 0
        while read < wanted and (more := self._file.readinto(room[read:])):
            read += more
        self.data = room[:read]
        self._start, self._stop = at, at + read


def read(path: Path, number: int) -> Iterator[list[Found] | Damage | Cut]:
    """
    Yield what a segment holds and was not acknowledged, in order, and at last where it ends.

    Records come some at a time, up to as many as are in a megabyte. Where the end is not known to
    be durable, a request counts only if all of it is there.

    Raises:
        OSError: the file cannot be read.

    """
    done, synced = read_notes(path.with_suffix(".ack"), number)
    durable: Sequence[Found | Damage]
    doubtful: list[Found | Damage] = []
    end = 0
    with path.open("rb", buffering=0) as file:
        for some in _items(_Window(file, number)):
            last = some[-1]
            if last.offset < synced and not doubtful:  # nearly all; none knows of a later sync
                durable = some
            else:
                doubtful += some
                synced = max(synced, *map(_synced_of, some))
                if doubtful[0].offset >= synced:
                    continue
                durable = [item for item in doubtful if item.offset < synced]
                doubtful = [item for item in doubtful if item.offset >= synced]
            end = durable[-1].offset + durable[-1].size
            yield from _judged(durable, done)
    if end < synced and synced - ALIGNMENT not in done:
        yield Damage(end, synced - end, None, synced - ALIGNMENT)
    yield from _whole(doubtful, done, max(end, synced))


def _synced_of(item: Found | Damage) -> int:
    return item.synced if isinstance(item, Found) else 0


def _mark(item: Found | Damage) -> int:
    return item.offset if isinstance(item, Found) else item.mark


def _judged(items: Sequence[Found | Damage], done: set[int]) -> Iterator[list[Found] | Damage]:
    """Yield what was not acknowledged of what is known to be durable."""
    found: list[Found] = []
    for item in items:
        if _mark(item) in done:
            continue
        if isinstance(item, Damage):
            yield item
        elif item.intact:
            found.append(item)
        else:
            yield Damage(item.offset, item.size, item.meta, item.offset)
    if found:
        yield found


def _whole(
    items: Sequence[Found | Damage], done: set[int], end: int
) -> Iterator[list[Found] | Cut]:
    """Yield the requests that are there as a whole."""
    parts: dict[tuple[int, int], int] = {}
    for item in items:
        if isinstance(item, Found) and item.intact:
            key = item.commit, item.parts
            parts[key] = parts.get(key, 0) + 1
    whole: list[Found] = []
    dropped: list[int] = []
    incomplete = 0
    for item in items:
        # Records that were moved by themselves are all first of one, with the same number.
        if isinstance(item, Found) and item.intact and parts[item.commit, item.parts] >= item.parts:
            end = item.offset + item.size
            if item.offset not in done:
                whole.append(item)
        else:
            dropped.append(_mark(item))
            incomplete += isinstance(item, Found) and item.offset not in done
    if whole:
        yield whole
    yield Cut(end, [offset for offset in dropped if offset < end], incomplete)


def _items(window: _Window) -> Iterator[Sequence[Found | Damage]]:
    """Yield what lies in a segment, one item at least at a time."""
    at = 0
    while at < window.end:
        some = _intact(window, at)
        if not some and (one := _frame_at(window, at)) is not None:
            some = [one]
        if some:
            yield some
            at = some[-1].offset + some[-1].size
            continue
        start, at = at, _next_frame(window, at + ALIGNMENT)
        if at < window.end or _holds_data(window, start):
            yield [Damage(start, at - start, None, _mark_of(window, start, at))]


def _mark_of(window: _Window, start: int, end: int) -> int:
    """Return where damage without an intact head is noted."""
    announced = frame.announced(window.data, window.reach(start, frame.HEAD_BYTES))
    if announced is not None and frame.padded(announced) == end - start:
        return start
    return (end - 1) // ALIGNMENT * ALIGNMENT


def _intact(window: _Window, at: int) -> list[Found]:
    """
    Return the records from an offset on that are undamaged and in memory as a whole, if any.

    It does for many at once what :func:`_frame_at` does for any one.
    """
    start = window.reach(at, _HEAD_BYTES)
    data, shift = window.data, at - start
    stop, last = len(data), len(data) - _HEAD_BYTES
    first = position_of(window.segment, 0)
    found: list[Found] = []
    while start <= last:
        magic, check, checksum, meta_bytes, payload_bytes, part, parts, synced, commit = (
            _unpack_head(data, start)
        )
        middle = start + _HEAD_BYTES
        begin = middle + meta_bytes
        end = begin + payload_bytes
        if magic != frame.MAGIC or end > stop:
            break
        position = first + (start + shift) // ALIGNMENT
        if _head_checksum(data[start + _CHECKED : begin], position) != check:
            break
        if _crc32(data[begin:end]) != checksum:
            break
        size = end - start
        size += -size % ALIGNMENT
        meta = _decode_meta(data[middle:begin])
        found.append(_found((start + shift, size, meta, commit, part, parts, synced, True)))
        start += size
    return found


def _frame_at(window: _Window, at: int) -> Found | None:
    """Return the frame that begins at an offset, or None where its head is not intact."""
    start = window.reach(at, _HEAD_BYTES)
    position = position_of(window.segment, at)
    fields = _fields_at(window.data, position, start)
    if fields is None or start + _HEAD_BYTES + fields[1] + fields[2] > len(window.data):
        start = _reach_whole(window, at, start)
        fields = _fields_at(window.data, position, start)
        if fields is None:
            return None
    data = window.data
    checksum, meta_bytes, payload_bytes, part, parts, synced, commit = fields
    middle = start + _HEAD_BYTES
    begin = middle + meta_bytes
    end = begin + payload_bytes
    size = end - start
    size += -size % ALIGNMENT
    intact = end <= len(data) and _crc32(data[begin:end]) == checksum
    return _found((at, size, _decode_meta(data[middle:begin]), commit, part, parts, synced, intact))


def _reach_whole(window: _Window, at: int, start: int) -> int:
    """Return where in the window a frame is, with all that its head announces."""
    announced = frame.announced(window.data, start)
    if announced is None:
        return start
    return window.reach(at, min(frame.padded(announced), window.end - at))


def _next_frame(window: _Window, at: int) -> int:
    """Return where the next intact frame begins, or the end."""
    while at < window.end:
        start = window.reach(at, 1)
        data = bytes(window.data[start:])
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
        start = window.reach(at, 1)
        data = bytes(window.data[start:])
        if data.strip(b"\0"):
            return True
        if not data:
            return False
        at += len(data)
    return False


Answer = tuple[frame.Meta, bytes]
"""Meta and payload of a frame."""


def fetch(path: Path, position: int, size: int) -> Answer | None:
    """
    Return meta and payload of the frame at a position, or None where it is damaged or gone.

    Raises:
        OSError: the file cannot be read.

    """
    return _decoded(fetch_frame(path, position, size), position)


def fetch_all(wanted: Sequence[tuple[Path, int, int]]) -> list[Answer | None]:
    """
    Return the same for several frames; a file is opened once for neighbours in it.

    Raises:
        OSError: a file cannot be read.

    """
    neighbours = itertools.groupby(wanted, key=itemgetter(0))
    return [one for path, some in neighbours for one in _fetch_from(path, list(some))]


def _fetch_from(path: Path, wanted: Sequence[tuple[Path, int, int]]) -> list[Answer | None]:
    try:
        with path.open("rb", buffering=0) as file:
            return [_decoded(_frame(file, at, size), at) for _, at, size in wanted]
    except FileNotFoundError:
        return [None] * len(wanted)


def _decoded(data: bytes, position: int) -> Answer | None:
    head = frame.read_head(data, position)
    if head is None:
        return None
    payload = frame.payload_of(data, head)
    if payload is None:
        return None
    meta = data[frame.HEAD_BYTES : frame.HEAD_BYTES + head.meta_bytes]
    return frame.decode_meta(meta), payload


def fetch_frame(path: Path, position: int, size: int) -> bytes:
    """
    Return the bytes of a frame, fewer where the file is shorter or gone.

    Raises:
        OSError: the file cannot be read.

    """
    try:
        with path.open("rb", buffering=0) as file:
            return _frame(file, position, size)
    except FileNotFoundError:
        return b""


def _frame(file: FileIO, position: int, size: int) -> bytes:
    file.seek(place_of(position)[1])
    data = file.read(size)
    while 0 < len(data) < size and (more := file.read(size - len(data))):
        data += more
    return data
