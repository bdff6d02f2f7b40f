"""Remember what was decided of traces, so that their late spans follow, also after a restart."""

import time
from collections.abc import Callable
from typing import NamedTuple

from gateway.queue.homes import Homes


class Decision(NamedTuple):
    """What was decided of a trace, and by which of the processor's rules."""

    kept: bool
    reason: str


class Decisions:
    """
    Decisions by tenant and trace id, for one lane.

    Kept and dropped traces are remembered apart, so that many of one kind push out none of the
    other.

    Args:
        kept: how many kept traces are remembered at least.
        dropped: how many dropped ones.

    """

    def __init__(
        self, kept: int, dropped: int, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.kept = Homes(monotonic, max_traces=kept)
        self.dropped = Homes(monotonic, max_traces=dropped)

    def find(self, trace_id: bytes, tenant: str) -> Decision | None:
        """Return what was decided of a trace, or None where nothing is remembered."""
        reason = self.kept.find(trace_id, tenant)
        if reason is not None:
            return Decision(True, reason)
        reason = self.dropped.find(trace_id, tenant)
        return None if reason is None else Decision(False, reason)

    def note(self, trace_id: bytes, tenant: str, decision: Decision) -> None:
        """Remember what was decided of a trace."""
        homes = self.kept if decision.kept else self.dropped
        homes.set(trace_id, decision.reason, tenant)
