"""How busy each worker is, in memory that all of them map: a byte each."""

from typing import Self

SIZE = 4096
UNKNOWN = 255
"""The load of a worker that takes nothing over."""
_CLOSED = 0


class Load:
    """
    Requests that are being processed, here and in the others; written without a lock.

    Args:
        shared: the bytes of all workers, 0 at first.
        worker: the number of this one.

    """

    def __init__(self, shared: memoryview, worker: int) -> None:
        self._shared = shared
        self._mine = worker % len(shared)
        self._is_open = False
        self.here = 0
        """How many are being processed here."""
        self.close()

    def open(self) -> None:
        """Have the others know how many there are."""
        self._is_open = True
        self._tell()

    def close(self) -> None:
        """Have the others know that nothing is taken over any more."""
        self._is_open = False
        self._tell()

    def of(self, worker: int) -> int:
        """Return how many another worker processes."""
        byte = self._shared[worker % len(self._shared)]
        return byte - 1 if byte != _CLOSED else UNKNOWN

    def _tell(self) -> None:
        self._shared[self._mine] = min(self.here + 1, UNKNOWN) if self._is_open else _CLOSED

    def __enter__(self) -> Self:
        self.here += 1
        self._tell()
        return self

    def __exit__(self, *_: object) -> None:
        self.here -= 1
        self._tell()
