"""How much may be under way to another worker, for each destination there."""

from typing import NamedTuple

SHARE = 4
"""What waits for one destination may take so many times what it leaves free: alone four fifths,
two of them four ninths each, so that there is always some room for the next."""


class Stream(NamedTuple):
    """What goes to one destination of a lane, in order."""

    queue: str
    lane: int
    destination: str


class Window:
    """
    Bytes under way to another worker.

    A destination that is away fills its share and no more, so that others are served meanwhile.

    Args:
        max_bytes: about how much at most; beyond it each destination has a record under way.

    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._bytes = 0
        self._held: dict[Stream, int] = {}

    def add(self, stream: Stream, size: int) -> None:
        """Count more under way; less where ``size`` is negative."""
        self._bytes += size
        held = self._held.get(stream, 0) + size
        if held:
            self._held[stream] = held
        else:
            self._held.pop(stream, None)

    def room(self, stream: Stream) -> int:
        """Return how many bytes more may be under way; 0 for none until some have arrived."""
        held = self._held.get(stream, 0)
        room = (SHARE * (self.max_bytes - self._bytes) - held) // (SHARE + 1)
        return max(room, 0 if held else 1)
