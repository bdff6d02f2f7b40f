"""
The folder of the queues: ``data_dir/queue``.

``FORMAT`` says how it is written; ``lanes.json`` how many lanes each queue has; ``log-0`` and so on
hold the segments of each worker, ``homes`` where traces went, ``damaged`` what could not be read.
"""

import os
from pathlib import Path

import msgspec

from gateway.queue.disk import Disk

FORMAT = 1
"""Grows with every change that an older version cannot read; see docs/adr/0004."""
_FORMAT_LINE = "spangate queue, format {}\n"


class QueueFolderError(OSError):
    """The folder cannot be used by this version or with these settings."""


class QueueFolder:
    """Paths inside the folder, and what is written about it as a whole."""

    def __init__(self, path: Path, disk: Disk | None = None, worker: int = 0) -> None:
        self.path = path
        self.worker = worker
        """Whose log ``log`` is."""
        self.log = self.log_of(worker)
        self.homes = path / "homes"
        self.damaged = path / "damaged"
        self._disk = disk or Disk()
        self._format = path / "FORMAT"
        self._lanes = path / "lanes.json"

    @property
    def exists(self) -> bool:
        """Whether a queue was ever kept here."""
        return bool(self.logs())

    def of(self, worker: int) -> "QueueFolder":
        """Return the same folder with another worker's log."""
        return QueueFolder(self.path, self._disk, worker)

    def log_of(self, worker: int) -> Path:
        """Return the folder of the log that a worker writes."""
        return self.path / f"log-{worker}"

    def logs(self) -> list[int]:
        """Return the numbers of all workers that have left a log."""
        names = (path.name.removeprefix("log-") for path in self.path.glob("log-*"))
        return sorted(int(name) for name in names if name.isdecimal())

    def check(self) -> None:
        """
        Make sure that this version can read the folder.

        Raises:
            QueueFolderError: a newer version wrote it, or nobody knows who did.

        """
        if not self._format.exists():
            return
        text = self._format.read_text("utf-8", errors="replace")
        number = text.rsplit(" ", 1)[-1].strip()
        if not number.isdecimal():
            raise QueueFolderError(
                f"{self._format}: expected {_FORMAT_LINE.format(FORMAT).strip()!r}, found "
                f"{text[:60]!r}; if the folder was written by Spangate, restore this file"
            )
        if int(number) > FORMAT:
            raise QueueFolderError(
                f"{self.path} was written by a newer Spangate (format {number}, this one reads "
                f"up to {FORMAT}); run the newer version, or let it send all that waits first"
            )

    def prepare(self) -> None:
        """Make the folder; safe to call again."""
        for path in (self.path, self.log, self.homes):
            if not path.exists():
                self._disk.make_folder(path)
        if not self._format.exists():
            self._replace(self._format, _FORMAT_LINE.format(FORMAT).encode())

    def lanes(self) -> dict[str, int]:
        """Return the number of lanes that each queue was written with, as far as known."""
        try:
            return msgspec.json.decode(self._lanes.read_bytes(), type=dict[str, int])
        except (OSError, msgspec.DecodeError):
            return {}

    def note_lanes(self, lanes: dict[str, int]) -> None:
        """Remember the number of lanes of each queue."""
        if lanes != self.lanes():
            self._replace(self._lanes, msgspec.json.encode(lanes))

    def _replace(self, path: Path, data: bytes) -> None:
        fresh = path.with_suffix(f".{os.getpid()}.new")  # other workers may do the same now
        self._disk.remove(fresh)
        try:
            self._disk.append(fresh, data, sync=True)
        except OSError:
            self._disk.remove(fresh)
            raise
        self._disk.rename(fresh, path)
        self._disk.sync_folder(path.parent)
