"""
Give disk space back while some records stay: move them out of segments that are mostly done.

Without it a single parked destination would keep every segment that holds one of its records. Disk
use stays below twice what waits plus two segments.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from gateway.queue import frame
from gateway.queue.base import Record
from gateway.queue.line import Line, position_of
from gateway.queue.queue import Queue
from gateway.queue.reading import fetch_frame
from gateway.queue.segment import Segment, log_of
from gateway.queue.shelf import DiskShelf
from gateway.queue.writer import Writer

_SHARE = 2  # disk space over what waits
_PORTION_BYTES = 8 * 1024 * 1024


class Compaction:
    """Moves the records of one segment at a time; used from the event loop."""

    def __init__(
        self,
        shelf: DiskShelf,
        writer: Writer,
        queues: Callable[[], Iterable[Queue]],
        segment_bytes: int,
        log: int = 0,
    ) -> None:
        self._shelf = shelf
        self._log = log
        self._writer = writer
        self._queues = queues
        self._slack = segment_bytes

    def candidate(self) -> Segment | None:
        """Return the segment to move next, or None where space is used well enough."""
        segments = self._shelf.segments.values()
        ended = [s for s in segments if s.sealed and log_of(s.number) == self._log]
        used = sum(segment.size for segment in ended)
        live = sum(segment.live_bytes for segment in ended)
        if used <= _SHARE * live + self._slack:
            return None
        movable = [segment for segment in ended if not segment.fixed]
        return min(movable, key=lambda s: s.live_bytes / max(s.size, 1), default=None)

    async def move(self, segment: Segment) -> None:
        """
        Move what waits in a segment to the end of the log; it is empty afterwards.

        Raises:
            OSError: the disk cannot be read or written now; nothing was lost.

        """
        todo = self._contents(segment)
        for portion in _portions(todo):
            await self._writer.call(
                partial(self._rewrite, segment, portion), partial(self._adopt, segment, portion)
            )

    def _contents(self, segment: Segment) -> dict[int, int]:
        """Return the sizes of the records that wait in a segment, by position."""
        sizes = {record.position: record.size for record in segment.loose}
        for line in self._lines():
            for run in line.runs:
                if run.segment == segment.number:
                    sizes.update(run.contents())
        return dict(sorted(sizes.items()))

    def _lines(self) -> list[Line]:
        return [line for queue in self._queues() for line in queue.lines()]

    def _rewrite(
        self, segment: Segment, portion: Sequence[tuple[int, int]]
    ) -> dict[int, tuple[int, Segment]]:
        """Copy frames to the end of the log, on the writer's thread; return where they are."""
        log = self._writer.log
        frames: list[tuple[int, bytes, frame.Head]] = []
        for position, size in portion:
            data = fetch_frame(segment.path, position, size)
            head = frame.read_head(data, position)
            if head is not None and len(data) >= head.frame_bytes:
                frames.append((position, data, head))
        total = sum(head.frame_bytes for _, _, head in frames)
        target = log.room(total)
        offset = target.size
        moved: dict[int, tuple[int, Segment]] = {}
        buffers: list[bytes] = []
        for position, data, head in frames:
            fresh = position_of(target.number, offset)
            buffers.append(frame.again(data, head, fresh, log.durable))
            moved[position] = fresh, target
            offset += head.frame_bytes
        log.write(buffers, total, sync=True)
        return moved

    def _adopt(
        self,
        segment: Segment,
        portion: Sequence[tuple[int, int]],
        moved: dict[int, tuple[int, Segment]],
    ) -> None:
        """Point everything that still waits to its new place; acknowledge what no longer does."""
        if len(moved) < len(portion):
            segment.fixed = True  # something is damaged: whoever takes it will report it
        contents = self._contents(segment)
        fresh = {old: new for old, (new, _) in moved.items()}
        for old, (new, target) in moved.items():
            size = contents.get(old)
            self._shelf.segments[target.number] = target
            target.live += 1
            target.live_bytes += size or 0
            if size is None:  # acknowledged meanwhile
                self._shelf.forget(new, 0)
        self._follow(segment, fresh)
        for old in moved.keys() & contents.keys():
            self._shelf.forget(old, contents[old])

    def _follow(self, segment: Segment, fresh: dict[int, int]) -> None:
        for record in [r for r in segment.loose if r.position in fresh]:
            _relocate(record, fresh, self._shelf, segment)
        for queue in self._queues():
            queue.relocate(fresh)
            for line in queue.lines():
                line.relocate(segment.number, fresh)


def _relocate(record: Record, fresh: dict[int, int], shelf: DiskShelf, segment: Segment) -> None:
    record.position = fresh[record.position]
    segment.loose.discard(record)
    shelf.segments[record.position >> 32].loose.add(record)


def _portions(sizes: dict[int, int]) -> list[list[tuple[int, int]]]:
    portions: list[list[tuple[int, int]]] = [[]]
    held = 0
    for position, size in sizes.items():
        if portions[-1] and held + size > _PORTION_BYTES:
            portions.append([])
            held = 0
        portions[-1].append((position, size))
        held += size
    return [portion for portion in portions if portion]
