"""How much a tenant may send: token buckets for spans and bytes."""

from gateway.component_context import Cell, Cells
from gateway.otlp.status import BUSY, Refusal
from gateway.plugin import Clock
from gateway.tenants import QuotaConfig

MIB = 1024 * 1024


def _alone(_name: str) -> Cell:
    return [0.0, 0.0]


REFUSALS_PER_SECOND = 20
"""Refusals of one tenant that are answered at once; more of them have to wait for their answer."""
LONGEST_HOLD_S = 1.0


class Bucket:
    """
    A token bucket; what is larger than the bucket may go when it is full, on credit.

    Args:
        rate: tokens a second.
        capacity: tokens at the most.
        clock: of all who share it.
        cell: where tokens used and the time of it are kept, shared or not.

    """

    def __init__(self, rate: float, capacity: float, clock: Clock, cell: Cell) -> None:
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._cell = cell

    def delay(self, amount: float) -> float:
        """Return the seconds until ``amount`` may go; 0 is now."""
        now = self._clock.monotonic()
        used, since = self._cell[0], self._cell[1]
        used = max(0.0, used - max(0.0, now - since) * self._rate)
        self._cell[0], self._cell[1] = used, now
        missing = min(amount, self._capacity) - (self._capacity - used)
        return max(0.0, missing / self._rate)

    def take(self, amount: float) -> None:
        """Take tokens out; a negative amount puts them back."""
        self._cell[0] += amount


class Quota:
    """
    What one tenant may send.

    Args:
        config: how much.
        clock: of all who share it.
        cells: returns where an amount is counted, by ``spans`` and ``bytes``; shared by workers.

    """

    def __init__(self, config: QuotaConfig, clock: Clock, cells: Cells | None = None) -> None:
        cells = cells or _alone
        rate = config.spans_per_second
        burst = config.burst if config.burst is not None else max(1.0, rate or 0)
        burst_s = burst / rate if rate else 1.0
        self._spans = Bucket(rate, burst, clock, cells("spans")) if rate else None
        size = (config.mib_per_second or 0) * MIB
        self._bytes = Bucket(size, size * burst_s, clock, cells("bytes")) if size else None
        self._refusals = Bucket(REFUSALS_PER_SECOND, REFUSALS_PER_SECOND, clock, cells("refusals"))

    def check(self) -> None:
        """
        Refuse while nothing at all may go, so that no body is read in vain.

        Raises:
            Refusal: come back later.

        """
        self._ask(1, 1)

    def take(self, spans: int, size: int) -> None:
        """
        Let a request go.

        Raises:
            Refusal: come back later; nothing was taken.

        """
        self._ask(spans, size)
        self.give_back(-spans, -size)

    def give_back(self, spans: int, size: int) -> None:
        """Return what was taken for a request that was refused after all."""
        if self._spans is not None:
            self._spans.take(-spans)
        if self._bytes is not None:
            self._bytes.take(-size)

    def _ask(self, spans: int, size: int) -> None:
        delays = {
            "spans_per_second": self._spans.delay(spans) if self._spans is not None else 0.0,
            "mib_per_second": self._bytes.delay(size) if self._bytes is not None else 0.0,
        }
        key, delay = max(delays.items(), key=lambda item: item[1])
        if delay > 0:
            refusal = Refusal(BUSY, f"the quota of this tenant is used up ({key})", delay)
            refusal.hold_s = min(self._refusals.delay(1), LONGEST_HOLD_S)
            if refusal.hold_s < LONGEST_HOLD_S:
                self._refusals.take(1)
            raise refusal
