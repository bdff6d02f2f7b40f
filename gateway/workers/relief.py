"""One worker's part in spreading requests: whom it may pass them on to, and what it takes over."""

from collections.abc import Collection
from pathlib import Path

from gateway.plugin import Logger
from gateway.workers.guests import Guests
from gateway.workers.load import Load
from gateway.workers.siblings import Siblings


class Relief:
    """
    Passing on and taking over, from when there is another worker.

    Args:
        folder: of the workers, for us alone.
        worker: the number of this one.
        load: of all workers.

    """

    def __init__(self, folder: Path, worker: int, load: Load, logger: Logger) -> None:
        self.load = load
        self.siblings = Siblings(folder, load)
        self.guests = Guests(folder, worker, load, logger)
        self._folder = folder
        self._logger = logger

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            await self.siblings.run(self._open)
        finally:
            self.guests.close()

    async def _open(self) -> None:
        try:
            await self.guests.open()
        except OSError as error:
            self._logger.warning(
                "workers cannot take requests over from each other; a connection that brings much "
                "keeps one of them busy",
                folder=str(self._folder),
                reason=error.strerror or str(error),
                advice="put service.data_dir on a file system with Unix sockets",
            )

    def change(self, siblings: Collection[int]) -> None:
        """Have these other workers from now on."""
        self.siblings.change(siblings)
