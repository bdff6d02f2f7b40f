"""
Write the log: frames one behind the other into segments.

Files of which all records are done are written over: their blocks are allocated and their pages
cached, which makes a write several times cheaper than to a new file. What is left in them from
before counts for nothing, since a frame's checksum covers its segment's number.

Used by one thread at a time. When writing or syncing fails, nothing of that segment is trusted any
more: it is cut where it was last known to be good, and the next records begin a new one.
"""

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from gateway.queue.disk import Disk
from gateway.queue.segment import Segment, synced_note

_SPARE_FILES = 2


class Log:
    """
    The end of the log, where it grows.

    Args:
        first: number of the next segment.
        segment_bytes: size of a segment; a larger request gets a segment of its own.
        synced: whether what is written is synced at once, so that the system's cache is of no use.

    """

    def __init__(
        self, folder: Path, disk: Disk, *, first: int, segment_bytes: int, synced: bool = True
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._synced = synced
        self._numbers = itertools.count(first)
        self._segment_bytes = segment_bytes
        self._active: Segment | None = None
        self._descriptor = -1
        self._room = 0
        self._durable = 0
        self._ended: list[Segment] = []
        self._spare: list[Path] = []

    @property
    def active(self) -> Segment | None:
        """The segment that grows."""
        return self._active

    def room(self, size: int) -> Segment:
        """
        Return a segment that takes ``size`` bytes at its end.

        Raises:
            OSError: none can be made.

        """
        if self._active is not None and self._active.size + size > self._room:
            self.seal()
        return self._active or self._begin(max(size, self._segment_bytes))

    def ended(self) -> list[Segment]:
        """Return the segments that ended since the last call: nothing more comes into them."""
        ended, self._ended = self._ended, []
        return ended

    @property
    def durable(self) -> int:
        """Bytes of the active segment that are durable."""
        return self._durable

    def left(self) -> int:
        """Return how many bytes fit into the active segment."""
        return self._room - self._active.size if self._active is not None else self._segment_bytes

    def _begin(self, size: int) -> Segment:
        segment = Segment(self._folder, next(self._numbers))
        if self._spare:
            self._disk.rename(self._spare.pop(), segment.path)
            descriptor = self._disk.open(segment.path)
        else:
            descriptor = self._disk.create(segment.path)
        if self._synced:
            self._disk.bypass_cache(descriptor)
        try:
            self._disk.sync_folder(self._folder)
        except OSError:
            self._abandon(descriptor, segment)
            raise
        self._active, self._descriptor, self._room, self._durable = segment, descriptor, size, 0
        return segment

    def remove(self, segment: Segment) -> None:
        """
        Remove a segment of which all records are done, or keep its file to be written over.

        Raises:
            OSError: it is still there.

        """
        if len(self._spare) < _SPARE_FILES and segment.size * 2 > self._segment_bytes:
            spare = self._folder / f"spare-{segment.number:08x}.log"
            self._disk.rename(segment.path, spare)
            self._spare.append(spare)
        else:
            self._disk.remove(segment.path)
        self._disk.remove(segment.notes_path)

    def remove_spare(self) -> None:
        """Remove the files that wait to be written over, also those of earlier runs."""
        self._spare = []
        for path in self._folder.glob("spare-*.log"):
            with contextlib.suppress(OSError):
                self._disk.remove(path)

    def write(self, buffers: Sequence[bytes], size: int, *, sync: bool) -> None:
        """
        Write frames at the end; durable on return if ``sync``.

        Raises:
            OSError: they are not there; the segment was given up.

        """
        segment = self._active
        assert segment is not None, "room() comes first"
        try:
            self._disk.write(self._descriptor, buffers, segment.size)
            if sync:
                self._disk.sync(self._descriptor)
                self._note_durable(segment, segment.size + size)
        except OSError:
            self._give_up(segment)
            raise
        segment.size += size
        if sync:
            self._durable = segment.size

    def _note_durable(self, segment: Segment, size: int) -> None:
        """
        Note up to where the segment was acknowledged, so that what is gone later is missed.

        It outlives the process without a sync, and a power cut leaves at worst a doubt.

        Raises:
            FileNotFoundError: the folder was removed, and with it what was written.

        """
        try:
            self._disk.append(segment.notes_path, synced_note(segment.number, size))
        except FileNotFoundError:
            raise
        except OSError:
            pass

    def _give_up(self, segment: Segment) -> None:
        descriptor, self._active = self._descriptor, None
        if segment.size == 0:
            self._abandon(descriptor, segment)
            return
        self._ended.append(segment)
        with contextlib.suppress(OSError):
            self._disk.truncate(descriptor, segment.size)
        with contextlib.suppress(OSError):
            self._disk.close(descriptor)

    def _abandon(self, descriptor: int, segment: Segment) -> None:
        """Remove a segment that holds nothing."""
        with contextlib.suppress(OSError):
            self._disk.close(descriptor)
        with contextlib.suppress(OSError):
            self._disk.remove(segment.path)

    def seal(self) -> None:
        """End the active segment, if there is one, and give back what it did not need."""
        segment, descriptor = self._active, self._descriptor
        if segment is None:
            return
        self._active = None
        self._ended.append(segment)
        try:
            self._disk.truncate(descriptor, segment.size)
            self._disk.sync(descriptor)
            note = synced_note(segment.number, segment.size)
            self._disk.append(segment.notes_path, note, sync=True)
        except OSError:
            pass  # its end stays in doubt, which costs nothing but a closer look at it
        finally:
            with contextlib.suppress(OSError):
                self._disk.close(descriptor)
