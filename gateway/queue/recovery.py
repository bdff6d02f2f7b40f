"""At start: read the log, sort what waits into its queues, and tidy up behind a crash."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from gateway.plugin import Logger
from gateway.queue.damage import Damaged
from gateway.queue.disk import Disk
from gateway.queue.folder import QueueFolder
from gateway.queue.line import ALIGNMENT
from gateway.queue.queue import PIPELINE_QUEUE, Queue
from gateway.queue.reading import Cut, Damage, Found, read
from gateway.queue.segment import (
    LOG_SHIFT,
    Segment,
    acknowledgements,
    numbers,
    orphans,
    synced_note,
)

_PORTION = 500  # records that are taken in before others get their turn


class Recovery:
    """
    One reading of a log, by ``run`` from any thread or by ``run_beside``.

    Args:
        queue_of: returns the queue that records belong to, made where its exporter is not
            configured; None where they must not be touched (counted in ``refused``).

    """

    def __init__(
        self,
        folder: QueueFolder,
        disk: Disk,
        damaged: Damaged,
        logger: Logger,
        queue_of: Callable[[str, int], Queue | None],
    ) -> None:
        self._folder = folder
        self._first = folder.worker << LOG_SHIFT
        self._disk = disk
        self._damaged = damaged
        self._logger = logger
        self._queue_of = queue_of
        self._queues: dict[tuple[str, int], Queue | None] = {}
        self.segments: dict[int, Segment] = {}
        self.refused: dict[str, int] = {}
        """Records that the settings leave no place for, by queue."""
        self.last_commit = 0

    def run(self) -> None:
        """Read every segment; one that cannot be read is left alone and logged."""
        for segment in self._segments():
            try:
                self._read(segment, partial(self._restore, segment))
            except OSError as error:
                self._complain(segment, error)
            else:
                self._finish(segment)

    async def run_beside(
        self, begun: Callable[[Segment], None], finished: Callable[[Segment], None]
    ) -> None:
        """
        Do the same while the queues are in use, from the event loop that uses them.

        Args:
            begun: called with each segment before the first record in it can be acknowledged.
            finished: called with each segment once all of its records are in their queues.

        """
        for segment in self._segments():
            found: list[Found] = []
            try:
                await asyncio.to_thread(self._read, segment, found.extend)
            except OSError as error:
                self._complain(segment, error)
                continue
            begun(segment)
            for at in range(0, len(found), _PORTION):
                self._restore(segment, found[at : at + _PORTION])
                await asyncio.sleep(0)
            finished(segment)

    def _segments(self) -> Iterator[Segment]:
        for notes in orphans(self._folder.log):
            with contextlib.suppress(OSError):  # its number is not used again while it is there
                self._disk.remove(notes)
        for number in numbers(self._folder.log):
            yield Segment(self._folder.log, self._first + number)

    def _complain(self, segment: Segment, error: OSError) -> None:
        self._logger.error(
            "a segment of the queue cannot be read; it stays where it is",
            path=str(segment.path),
            reason=error.strerror or str(error),
        )

    def _read(self, segment: Segment, restore: Callable[[list[Found]], None]) -> None:
        notes = b""
        for item in read(segment.path, segment.number):
            if isinstance(item, list):
                restore(item)
            elif isinstance(item, Damage):
                self._damaged.report(segment.path, item.offset, item.size, item.meta)
                notes += acknowledgements(segment.number, [item.mark // ALIGNMENT])
            else:
                self._cut(segment, item, notes)

    def _finish(self, segment: Segment) -> None:
        segment.sealed = True
        if segment.live or self.refused:
            self.segments[segment.number] = segment
        else:
            self._disk.remove(segment.path)
            self._disk.remove(segment.notes_path)

    def _restore(self, segment: Segment, found: Sequence[Found]) -> None:
        """Take in records; those of a lane stay in order, lanes know nothing of each other."""
        places: dict[tuple[str, int], list[Found]] = {}
        for item in found:
            meta = item.meta
            place = meta.queue, meta.lane
            some = places.get(place)
            if some is None:
                some = places[place] = []
            some.append(item)
        for place, some in places.items():
            if place not in self._queues:
                self._queues[place] = self._queue_of(*place)
            queue = self._queues[place]
            if queue is None:
                name = place[0]
                self.refused[name] = self.refused.get(name, 0) + len(some)
                continue
            self.last_commit = max(self.last_commit, *(item.commit for item in some))
            segment.live += len(some)
            segment.live_bytes += sum(item.size for item in some)
            queue.restore(place[1], some, segment)

    def _cut(self, segment: Segment, cut: Cut, notes: bytes) -> None:
        """Cut what was never acknowledged, and note that the rest is certain now."""
        segment.size = cut.size
        if cut.incomplete:
            self._logger.warning(
                "the queue ends in requests that are not complete; they are left out",
                path=str(segment.path),
                records=cut.incomplete,
                advice="none is missing after a crash or a power cut, since their senders had no "
                "answer; else look at the disk",
            )
        notes += acknowledgements(segment.number, [at // ALIGNMENT for at in cut.dropped])
        with contextlib.suppress(OSError):  # next time it is looked at again
            if segment.path.stat().st_size > cut.size:
                descriptor = self._disk.open(segment.path)
                try:
                    self._disk.truncate(descriptor, cut.size)
                    self._disk.sync(descriptor)
                finally:
                    self._disk.close(descriptor)
                notes += synced_note(segment.number, cut.size)
            if notes:
                self._disk.append(segment.notes_path, notes)


def conflicts(
    queues: Mapping[str, Queue], lanes: Mapping[str, int], refused: Mapping[str, int]
) -> list[str]:
    """Return, for each queue whose records have no place, what to do."""
    found: list[str] = []
    for name, records in refused.items():
        queue = queues[name]
        where = f"exporters.{name}.sending_queue"
        if name.startswith(PIPELINE_QUEUE):
            where = f"service.{name} holds undecided traces; its exporters' sending_queue"
        if not queue.durable:
            found.append(
                f"{where}.storage: memory leaves no place for {records} "
                "records that wait on disk; run once with `disk` until the queue is empty, or save "
                "them with `spangate queue export` and remove the folder"
            )
            continue
        before, now = lanes.get(name, "another number"), queue.settings.num_lanes
        found.append(
            f"{where}.num_lanes: {now} cannot take {records} records that "
            f"wait in {before} lanes; run once with num_lanes: {before} until the queue is empty"
        )
    return found
