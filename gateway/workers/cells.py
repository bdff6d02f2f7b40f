"""
Numbers that all workers share, such as what is left of a tenant's quota.

Each name has a pair of them in a file that every worker maps. They are read and written without a
lock: two workers that do so in the same microsecond count one of their requests too few. On a full
disk each worker counts for itself.
"""

import mmap
import os
from pathlib import Path

import msgspec

from gateway.component_context import Cell

_MOST = 65_536
_CELL_BYTES = 16
_SIZE = _MOST * _CELL_BYTES


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
        for path in (folder / "cells.names", *folder.glob("*.shared")):
            path.unlink(missing_ok=True)

    def __call__(self, name: str) -> Cell:
        """Return the two numbers of a name, 0 at first."""
        try:
            if self._memory is None:
                self._memory = self._map("cells", _SIZE)
            if name not in self._known:
                self._known = self._look(name)
        except OSError:
            return _own()
        at = self._known[name] * _CELL_BYTES
        if at >= _SIZE:
            return _own()  # there is no end to names, but to the file
        return self._memory[at : at + _CELL_BYTES].cast("d")

    def block(self, name: str, size: int) -> memoryview:
        """Return so many bytes that all workers share, 0 at first."""
        try:
            return self._map(name, size)
        except OSError:
            return memoryview(bytearray(size))

    def _map(self, name: str, size: int) -> memoryview:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / f"{name}.shared", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
            _fill(descriptor, size)
            _unlock(descriptor)  # the map keeps the file open
            return memoryview(mmap.mmap(descriptor, size))
        finally:
            os.close(descriptor)

    def _look(self, name: str) -> dict[str, int]:
        """Return the places of all names, this one among them."""
        descriptor = os.open(self._folder / "cells.names", os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            _lock(descriptor)
            names: list[str] = [msgspec.json.decode(line, type=str) for line in file]
            if name not in names:
                names.append(name)
                file.write(msgspec.json.encode(name) + b"\n")
        return {known: at for at, known in enumerate(names)}


def _fill(descriptor: int, wanted: int) -> None:
    """
    Give the file all its room: a hole that cannot be filled later would kill who writes there.

    Raises:
        OSError: there is not enough.

    """
    while (size := os.fstat(descriptor).st_size) < wanted:
        os.pwrite(descriptor, bytes(wanted - size), size)


def _lock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _unlock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 - not there on Windows, which has no workers

    fcntl.flock(descriptor, fcntl.LOCK_UN)


def _own() -> Cell:
    """Return numbers that no other worker sees."""
    return memoryview(bytearray(_CELL_BYTES)).cast("d")
