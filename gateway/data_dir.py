"""The data directory: made for us alone, and locked against a second gateway."""

import os
import sys
from pathlib import Path


class DataDirError(OSError):
    """The data directory cannot be used; the message says what to do."""


class DataDir:
    """Hold the directory for as long as the gateway runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

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
            raise DataDirError(
                f"service.data_dir: cannot write {self.path}: {error.strerror}; name a folder "
                "this user may write to, with service.data_dir or SPANGATE_DATA_DIR"
            ) from error
        if sys.platform != "win32":
            import fcntl  # noqa: PLC0415 - not there on Windows

            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self.close()
                raise DataDirError(
                    f"service.data_dir: {self.path} is used by another gateway; stop that one or "
                    "give this one a directory of its own with --set service.data_dir=DIR"
                ) from error

    def close(self) -> None:
        """Let the directory go; safe to call twice."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
