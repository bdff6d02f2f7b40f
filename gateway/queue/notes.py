"""
Write down what was acknowledged, in groups and a moment later, and what is durable.

A crash in that moment costs duplicates, never a record. What is noted as durable and missing at the
next start was damaged; what is not may never have been complete. Where traces went is written
before the acknowledgement of their records, since what waits would tell it otherwise.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.plugin import Logger
from gateway.queue.disk import Disk
from gateway.queue.homes import Homes, HomesFile
from gateway.queue.segment import Segment, acknowledgements, synced_note
from gateway.queue.writer import Job, Writer

DELAY_S = 0.05
DURABLE_S = 1.0
"""How long what was written may stay without a note that it is durable."""

_HomesNews = tuple[HomesFile, tuple[bool, dict[bytes, str], dict[bytes, str]]]


class Notes:
    """
    The acknowledgements that are to be written; used from the event loop.

    Args:
        after: called on the event loop after each group.

    """

    def __init__(
        self, writer: Writer, disk: Disk, logger: Logger, after: Callable[[], None]
    ) -> None:
        self.homes: list[tuple[Homes, HomesFile]] = []
        self._writer = writer
        self._disk = disk
        self._logger = logger
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._segments: set[Segment] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._durable_timer: asyncio.TimerHandle | None = None
        self._noted: tuple[int, int] = (0, 0)

    def add(self, segment: Segment) -> None:
        """Write down, soon, what was acknowledged in a segment."""
        self._segments.add(segment)
        if self._timer is None:
            self._timer = self._loop.call_later(DELAY_S, self.flush)

    def written(self) -> None:
        """Write down, by and by, that more is durable."""
        if self._durable_timer is None:
            self._durable_timer = self._loop.call_later(DURABLE_S, self.flush)

    def remove(self, segment: Segment) -> None:
        """Remove a segment in which nothing waits."""
        self._segments.discard(segment)

        def remove() -> None:
            try:
                self._writer.log.remove(segment)
            except OSError as error:
                self._complain(error)

        self._writer.submit(Job(remove))

    def flush(self) -> None:
        """Write down all that there is."""
        for timer in (self._timer, self._durable_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._durable_timer = None
        places = [(segment, segment.acknowledged) for segment in self._segments]
        for segment in self._segments:
            segment.acknowledged = []
        self._segments = set()
        news: list[_HomesNews] = [(file, homes.news()) for homes, file in self.homes]
        self._writer.submit(Job(lambda: self._write(places, news)))
        self._after()

    def _write(self, places: Sequence[tuple[Segment, list[int]]], news: list[_HomesNews]) -> None:
        try:
            for file, some in news:
                file.save(some)
            for segment, acknowledged in places:
                self._disk.append(
                    segment.notes_path, acknowledgements(segment.number, acknowledged)
                )
            self._note_durable()
        except OSError as error:
            self._complain(error)

    def _note_durable(self) -> None:
        log = self._writer.log
        if log.active is None or self._noted == (log.active.number, log.durable):
            return
        self._noted = log.active.number, log.durable
        self._disk.append(log.active.notes_path, synced_note(*self._noted))

    def _complain(self, error: OSError) -> None:
        self._logger.warning(
            "acknowledgements could not be written; after a crash some spans would be sent twice",
            reason=error.strerror or str(error),
        )
