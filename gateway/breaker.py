"""Leave a broken component alone for a while."""

import time
from collections.abc import Callable

BREAKER_FAILURES = 5
BREAKER_OPEN_S = 30.0


class Breaker:
    """Open after failures in a row, so that a broken component is not asked for every batch."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._open_until = 0.0
        self.why = ""
        """Why it is open, if it is."""

    def remaining_s(self) -> float:
        """Return how long the breaker stays open; 0 where it is closed."""
        if self._failures < BREAKER_FAILURES:
            return 0.0
        return max(0.0, self._open_until - self._monotonic())

    def failed(self) -> None:
        """Count a failure."""
        self._failures += 1
        self.why = f"failed {BREAKER_FAILURES} times in a row"
        self._open_until = self._monotonic() + BREAKER_OPEN_S

    def trip(self) -> None:
        """Open at once: the component hung or took its process down."""
        self.why = "hung or took its process down and is left alone for a while"
        self._failures = BREAKER_FAILURES
        self._open_until = self._monotonic() + BREAKER_OPEN_S

    def succeeded(self) -> None:
        """Forget earlier failures."""
        self._failures = 0
