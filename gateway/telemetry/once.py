"""Which spans were counted already, known to all workers: an SDK may retry with any of them."""

SIZE = 1 << 20
"""Bytes that remember some 100,000 spans."""
_BITS = (1 << 64) - 1


class Once:
    """
    Knows the newest spans again.

    Each has one of two places, so that a span is forgotten once two others have come there. Two
    workers that write the same place at once forget one of theirs.

    Args:
        memory: room for it, a power of two of bytes; of its own where it is None.

    """

    def __init__(self, memory: memoryview | None = None) -> None:
        self._places = (memoryview(bytearray(SIZE)) if memory is None else memory).cast("Q")
        self._mask = len(self._places) - 2  # even: the first place of a pair

    def is_new(self, span: int) -> bool:
        """Tell whether a span, by a number that is equal in all workers, is here at first."""
        number = span & _BITS or 1
        at, places = number & self._mask, self._places
        if number in (places[at], places[at + 1]):
            return False
        places[at + 1] = places[at]
        places[at] = number
        return True
