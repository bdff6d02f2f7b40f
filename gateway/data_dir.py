"""The data directory: made for us alone, and locked against a second gateway."""

import errno
import os
import sys
import time
from pathlib import Path

PATIENCE_S = 3.0
"""How long the workers of a gateway that was killed may take to be gone too."""


class DataDirError(OSError):
    """The data directory cannot be used; the message says what to do."""


class DataDir:
    """
    Hold the directory for as long as the gateway runs.

    The lock is held by every process that inherits its descriptor, so that nobody takes the
    directory over while a worker of a killed gateway still writes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def descriptor(self) -> int | None:
        """What holds the lock, for child processes to inherit; None while it is not held."""
        return self._lock

    def open(self) -> None:
        """
        Make and lock the directory.

        Raises:
            DataDirError: it cannot be written, or another gateway holds it.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            raise DataDirError(
                f"service.data_dir: cannot write {self.path}: {error.strerror}; "
                f"{'make room there, or ' if full else ''}name a folder "
                "this user may write to, with service.data_dir or SPANGATE_DATA_DIR"
            ) from error
        if sys.platform != "win32":
            try:
                _lock(self._lock)
            except OSError as error:
                self.close()
                raise DataDirError(
                    f"service.data_dir: {self.path} is used by another gateway; stop that one or "
                    "give this one a directory of its own with --set service.data_dir=DIR"
                ) from error

    def lost(self) -> DataDirError | None:
        """Return what to say where the directory was removed; ``None`` while it is there."""
        try:
            (self.path / "lock").stat()
        except FileNotFoundError:
            return DataDirError(
                f"service.data_dir: {self.path} was removed while the gateway ran, and what waited "
                "there with it; start the gateway again, and leave this folder alone"
            )
        except OSError:
            pass  # it may be a hiccup of the disk; who writes there will tell
        return None

    def close(self) -> None:
        """Let the directory go; safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _lock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - not there on Windows

    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
