"""How long to wait before a worker that ended by itself gets a successor."""

STEADY_S = 10.0
"""A worker that lived so long before it ended did not fail at its start."""
FIRST_S = 0.5
LONGEST_S = 30.0
DARK_S = 5.0
"""Where no worker is left, one is started without a wait, but no sooner than so after another."""


class Backoff:
    """Waits that double while workers end soon after their start; the first is none."""

    def __init__(self) -> None:
        self._soon = 0
        self._last = float("-inf")
        self._lit = float("-inf")

    def next(self, now: float, lived_s: float, *, last: bool = False) -> float:
        """
        Return the seconds to wait for a successor of a worker that lived so long.

        Args:
            now: when it ended.
            lived_s: how long it had lived.
            last: whether no other worker is left, so that nobody takes requests.

        """
        wait = self._wait(now, lived_s)
        if last:
            wait = min(wait, max(0.0, self._lit + DARK_S - now))
            self._lit = now + wait
        return wait

    def _wait(self, now: float, lived_s: float) -> float:
        if lived_s >= STEADY_S or now - self._last > 2 * LONGEST_S:
            self._soon = 0
        self._last = now
        self._soon += 1
        if self._soon == 1:
            return 0.0
        return float(min(LONGEST_S, FIRST_S * 2 ** (self._soon - 2)))
