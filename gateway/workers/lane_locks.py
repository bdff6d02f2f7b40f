"""Hold a lock on each lane and log that is used here, so that no two processes ever use one."""

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

from gateway.plugin import Logger

POLL_S = 0.05
PATIENCE_S = 5.0
"""After so long the log says that lanes are still held."""
_LOGS = 1 << 20
"""From this byte on the locks are those of logs; there are fewer lanes."""


class LaneLocks:
    """
    A file of which each lane's owner has locked a byte, and who writes a log another.

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
        await self._take(
            lanes, "another process still serves lanes; theirs wait until it has ended"
        )

    async def take_log(self, log: int) -> None:
        """Return once a log is ours: whoever wrote it is gone."""
        waits = "another process still writes a log; what is in there waits until it has ended"
        await self._take([_LOGS + log], waits)

    async def _take(self, places: Collection[int], waits: str) -> None:
        left = self._try(places)
        for _ in range(round(PATIENCE_S / POLL_S)):
            if not left:
                return
            await asyncio.sleep(POLL_S)
            left = self._try(left)
        if left:
            self._logger.error(
                waits,
                lanes=[place for place in left if place < _LOGS],
                logs=[place - _LOGS for place in left if place >= _LOGS],
                advice=f"see which process has {self._path} open, and end it",
            )
        while left:
            await asyncio.sleep(POLL_S)
            left = self._try(left)

    def _try(self, places: Collection[int]) -> list[int]:
        """Lock places; return those that others have."""
        return [place for place in places if not self._lock(place)]

    def _lock(self, place: int) -> bool:
        import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # POSIX allows both for a lock that is held
            return False
        except OSError as error:
            self._unlocked(error)
        return True

    def release(self, lanes: Collection[int]) -> None:
        """Give lanes up."""
        for lane in lanes:
            self._unlock(lane)

    def release_log(self, log: int) -> None:
        """Give a log up."""
        self._unlock(_LOGS + log)

    def _unlock(self, place: int) -> None:
        import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, place)

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
