"""How a destination fares: backing off, parked, or fine. Shared by all lanes."""

import asyncio
import random
from collections.abc import Callable

from gateway.config.exporting import RetryConfig
from gateway.errors import Retry
from gateway.plugin import Clock
from gateway.telemetry.status import Trouble


class State:
    """
    Back-off of one destination, or of a whole exporter.

    Args:
        on_change: called whenever trouble begins or ends.

    """

    def __init__(
        self,
        name: str,
        retry: RetryConfig,
        clock: Clock,
        on_change: Callable[["State", Trouble | None], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.stored = 0
        """Requests that the destination has taken."""
        self.stored_spans = 0
        self.trouble: Trouble | None = None
        self.quotes = False
        """Whether the reason of the trouble may quote a span."""
        self._retry = retry
        self._clock = clock
        self._jitter = jitter
        self._on_change = on_change
        self._resume_at = 0.0
        self._asked_until = 0.0
        self._changed = asyncio.Event()

    @property
    def parked(self) -> bool:
        """Whether a person has to do something."""
        return self.trouble is not None and self.trouble.advice is not None

    def wait_s(self) -> float:
        """Return how long to leave the destination alone; 0 for not at all."""
        return max(0.0, self._resume_at - self._clock.monotonic())

    async def ready(self) -> None:
        """Wait until the destination may be tried."""
        while (wait := self.wait_s()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def succeeded(self, spans: int) -> None:
        """Note that a request was taken: everybody may go on at once."""
        self.stored += 1
        self.stored_spans += spans
        if self.trouble is not None:
            self.trouble = None
            self._resume_at = 0.0
            self._changed.set()
            self._on_change(self, None)

    def nudge(self) -> None:
        """Let the next try happen at once."""
        self._resume_at = 0.0
        self._changed.set()

    def hurry(self) -> None:
        """Let the next try happen as soon as the destination itself allows it."""
        self._resume_at = min(self._resume_at, self._asked_until)
        self._changed.set()

    def failed(self, why: Retry, *, quotes: bool = False) -> None:
        """
        Note a failure and how long to wait after it.

        ``quotes`` says that the reason may quote a span, so that no log repeats it.

        Requests that were under way side by side and fail together count as one failure.
        """
        together = self.trouble is not None and self.wait_s() > 0
        failures = self.trouble.failures + (not together) if self.trouble else 1
        changed = self.trouble is None or self.trouble.advice != why.advice
        self.trouble = Trouble(
            destination=self.name,
            reason=why.reason,
            advice=why.advice,
            since_unix_ns=self.trouble.since_unix_ns if self.trouble else self._clock.time_ns(),
            failures=failures,
        )
        self.quotes = quotes
        if not together or why.after:
            now = self._clock.monotonic()
            self._asked_until = max(self._asked_until, now + (why.after or 0.0))
            resume_at = now + self._delay_s(failures, why.after)
            self._resume_at = max(self._resume_at, resume_at)
        if changed:
            self._on_change(self, self.trouble)

    def _delay_s(self, failures: int, after: float | None) -> float:
        """Return an exponential wait, half of it random, and never less than was asked for."""
        longest = min(
            float(self._retry.max_interval),
            float(self._retry.initial_interval) * self._retry.multiplier ** min(failures - 1, 100),
        )
        return max(after or 0.0, longest * (0.5 + 0.5 * self._jitter()))
