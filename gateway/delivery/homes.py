"""Remember where a trace went, so that its later spans follow."""

import time
from collections.abc import Callable

LIFETIME_S = 24 * 3600.0
MAX_TRACES = 25_000


class Homes:
    """
    Destinations by trace id, for one lane.

    Two generations keep it bounded: what was not asked for while ``MAX_TRACES`` others came, or
    for one to two lifetimes, is forgotten. MLflow's own answer (``Moved``) is the last word.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._young: dict[bytes, str] = {}
        self._old: dict[bytes, str] = {}
        self._rotate_at = monotonic() + LIFETIME_S

    def settle(self, trace_id: bytes, candidate: str) -> str:
        """Return the trace's destination; the candidate, remembered, where there is none yet."""
        home = self._young.get(trace_id)
        if home is None:
            home = self._old.get(trace_id, candidate)
            self.set(trace_id, home)
        return home

    def set(self, trace_id: bytes, destination: str) -> None:
        """Remember a trace's destination over any earlier one."""
        if len(self._young) >= MAX_TRACES or self._monotonic() > self._rotate_at:
            self._old, self._young = self._young, {}
            self._rotate_at = self._monotonic() + LIFETIME_S
        self._young[trace_id] = destination
