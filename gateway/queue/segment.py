"""
Segments of the log: their names, what is known of each, and their notes.

A segment's number is unique among all logs: that of its log stands above the 32 bits that count it
in there.

Beside ``seg-00000001.log`` lies ``seg-00000001.ack`` with notes of eight bytes: a number and its
checksum. A note says that a record was acknowledged, or up to where the segment is durable. Notes
are not synced: one that is lost costs a duplicate or a question, never a record.
"""

import struct
from collections.abc import Iterable
from pathlib import Path

from gateway.queue.base import Record
from gateway.queue.frame import checksum
from gateway.queue.line import ALIGNMENT

LOG_SHIFT = 32
_IN_LOG = (1 << LOG_SHIFT) - 1
_NOTE = struct.Struct("<II")
_ACKNOWLEDGED = 0
_SYNCED = 1


class Segment:
    """One file of the log; counts are kept on the event loop."""

    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self.path = folder / f"seg-{number & _IN_LOG:08x}.log"
        self.notes_path = self.path.with_suffix(".ack")
        self.size = 0
        """Bytes that its frames take."""
        self.sealed = False
        """Whether nothing will be written to it any more."""
        self.live = 0
        """Records that are not acknowledged."""
        self.live_bytes = 0
        self.loose: set[Record] = set()
        """Its records that are held in memory, with their payload or under way."""
        self.acknowledged: list[int] = []
        """Places that are to be noted."""
        self.fixed = False
        """Whether something in it is damaged, so that it cannot be moved as a whole."""


def numbers(folder: Path) -> list[int]:
    """Return the numbers of the segments in a folder, oldest first."""
    return sorted(int(path.stem[4:], 16) for path in folder.glob("seg-*.log"))


def orphans(folder: Path) -> list[Path]:
    """Return notes whose segment is gone: a process ended between the removal of the two."""
    return [path for path in folder.glob("seg-*.ack") if not path.with_suffix(".log").exists()]


def last_number(folder: Path) -> int:
    """Return the highest number in use; also by notes, which would count for what came after."""
    return max((int(path.stem[4:], 16) for path in folder.glob("seg-*.*")), default=0)


def log_of(number: int) -> int:
    """Return the number of a segment's log."""
    return number >> LOG_SHIFT


def acknowledgements(number: int, places: Iterable[int]) -> bytes:
    """Return notes that the records at these places (an eighth of their offsets) are done."""
    return b"".join(_note(number, _ACKNOWLEDGED, place) for place in places)


def synced_note(number: int, size: int) -> bytes:
    """Return a note that the segment is durable up to ``size``."""
    return _note(number, _SYNCED, size // ALIGNMENT)


def _note(number: int, kind: int, value: int) -> bytes:
    return _NOTE.pack(value, _check(number, kind, value))


def _check(number: int, kind: int, value: int) -> int:
    return checksum(value.to_bytes(4, "little"), number * 2 + kind & 0xFFFFFFFF)


def read_notes(path: Path, number: int) -> tuple[set[int], int]:
    """
    Return the offsets of acknowledged records, and up to where the segment is durable.

    Notes that are damaged are skipped.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return set(), 0
    done: set[int] = set()
    synced = at = 0
    while at + _NOTE.size <= len(data):
        value, check = _NOTE.unpack_from(data, at)
        if check == _check(number, _ACKNOWLEDGED, value):
            done.add(value * ALIGNMENT)
        elif check == _check(number, _SYNCED, value):
            synced = max(synced, value * ALIGNMENT)
        else:
            at += 1
            continue
        at += _NOTE.size
    return done, synced
