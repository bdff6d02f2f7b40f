"""
Write down what was acknowledged, in groups and a moment later.

A crash in that moment costs duplicates, never a record. Where traces went is written before the
acknowledgement of their records, since what waits would tell it otherwise.
"""

import asyncio
from collections.abc import Callable, Sequence

from gateway.plugin import Logger
from gateway.queue.disk import Disk
from gateway.queue.homes import Homes, HomesFile
from gateway.queue.segment import Segment, acknowledgements
from gateway.queue.writer import Job, Writer

DELAY_S = 0.05

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

    def add(self, segment: Segment) -> None:
        """Write down, soon, what was acknowledged in a segment."""
        self._segments.add(segment)
        if self._timer is None:
            self._timer = self._loop.call_later(DELAY_S, self.flush)

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
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
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
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        self._logger.warning(
            "acknowledgements could not be written; after a crash some spans would be sent twice",
            reason=error.strerror or str(error),
        )
