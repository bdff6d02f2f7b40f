"""
Numbers that all workers share, such as what is left of a tenant's quota.

Each name has a pair of them in a file that every worker maps. They are read and written without a
lock: two workers that do so in the same microsecond count one of their requests too few.
"""

import mmap
import os
from pathlib import Path

import msgspec

from gateway.component_context import Cell

_MOST = 65_536
_CELL_BYTES = 16


class Cells:
    """
    The shared numbers of a gateway.

    Args:
        folder: of the workers, for us alone.

    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, int] = {}
        self._memory: memoryview | None = None

    @staticmethod
    def clear(folder: Path) -> None:
        """Forget all names; before the first worker starts."""
        for name in ("cells", "cells.names"):
            (folder / name).unlink(missing_ok=True)

    def __call__(self, name: str) -> Cell:
        """
        Return the two numbers of a name, 0 at first.

        Raises:
            OSError: the folder cannot be used.

        """
        if self._memory is None:
            self._memory = self._map()
        if name not in self._known:
            self._known = self._look(name)
        at = self._known[name] * _CELL_BYTES
        if at >= _MOST * _CELL_BYTES:
            return memoryview(bytearray(_CELL_BYTES)).cast("d")  # beyond it each worker by itself
        return self._memory[at : at + _CELL_BYTES].cast("d")

    def _map(self) -> memoryview:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / "cells", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _MOST * _CELL_BYTES)
            return memoryview(mmap.mmap(descriptor, _MOST * _CELL_BYTES))
        finally:
            os.close(descriptor)

    def _look(self, name: str) -> dict[str, int]:
        """Return the places of all names, this one among them."""
        import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

        descriptor = os.open(self._folder / "cells.names", os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            names: list[str] = [msgspec.json.decode(line, type=str) for line in file]
            if name not in names:
                names.append(name)
                file.write(msgspec.json.encode(name) + b"\n")
        return {known: at for at, known in enumerate(names)}
