"""Hold a lock on each lane that is served here, so that no two processes ever serve one."""

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

from gateway.plugin import Logger

POLL_S = 0.05
PATIENCE_S = 5.0
"""After so long the log says that lanes are still held."""


class LaneLocks:
    """
    A file of which each lane's owner has locked a byte.

    These are POSIX locks: they end with the process, whatever ends it, and processes that a
    plugin forks do not inherit them. Nobody else in this process may open the file: to close it
    there would give all of them up.

    Args:
        folder: of the workers, for us alone.
        logger: told where lanes cannot be locked, or are held by others for long.

    """

    def __init__(self, folder: Path, logger: Logger) -> None:
        self._path = folder / "lanes.lock"
        self._logger = logger
        self._file: int | None = None
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            self._unlocked(error)

    async def take(self, lanes: Collection[int]) -> None:
        """Return once these lanes are ours: whoever serves them has released them, or is gone."""
        left = self._try(lanes)
        for _ in range(round(PATIENCE_S / POLL_S)):
            if not left:
                return
            await asyncio.sleep(POLL_S)
            left = self._try(left)
        if left:
            self._logger.error(
                "another process still serves lanes; theirs wait until it has ended",
                lanes=left,
                advice=f"see which process has {self._path} open, and end it",
            )
        while left:
            await asyncio.sleep(POLL_S)
            left = self._try(left)

    def _try(self, lanes: Collection[int]) -> list[int]:
        """Lock lanes; return those that others have."""
        return [lane for lane in lanes if not self._lock(lane)]

    def _lock(self, lane: int) -> bool:
        import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, lane)
        except (BlockingIOError, PermissionError):  # POSIX allows both for a lock that is held
            return False
        except OSError as error:
            self._unlocked(error)
        return True

    def release(self, lanes: Collection[int]) -> None:
        """Give lanes up."""
        import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

        if self._file is not None:
            for lane in lanes:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, lane)

    def close(self) -> None:
        """Give all lanes up; safe to call twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _unlocked(self, error: OSError) -> None:
        """Go on without locks: the supervisor gives each lane to one worker anyway."""
        self.close()
        self._logger.warning(
            "lanes cannot be locked; the supervisor alone keeps them apart",
            path=str(self._path),
            reason=error.strerror or str(error),
            advice="put service.data_dir on a local file system with room",
        )
