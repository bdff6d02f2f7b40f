"""Decide before reading whether a request may come in: room, quota, and not while stopping."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from gateway.otlp.status import BUSY, UNAVAILABLE, Refusal
from gateway.plugin import Clock
from gateway.tenants import QuotaConfig

ROOM_DELAY_S = 1.0
STOPPING_DELAY_S = 5.0
MIB = 1024 * 1024


class Admission:
    """Room for requests under way, in number and bytes."""

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0
        self._lock = threading.Lock()  # large bodies are read on threads
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    @property
    def bytes_in_flight(self) -> int:
        """Bytes that requests under way hold."""
        return self._bytes

    def enter(self) -> "Lease":
        """
        Let a request in; leave its lease when it is answered.

        Raises:
            Refusal: there is no room, or the gateway stops.

        """
        if self._stopping:
            raise Refusal(UNAVAILABLE, "the gateway is stopping", STOPPING_DELAY_S)
        if self._requests >= self._max_requests:
            raise Refusal(
                BUSY,
                f"{self._requests} requests are under way (max_concurrent_requests)",
                ROOM_DELAY_S,
            )
        if self._bytes >= self._max_bytes:
            raise _no_room()
        self._requests += 1
        self._idle.clear()
        return Lease(self)

    def claim(self, lease: "Lease", size: int) -> None:
        """
        Claim bytes for a lease.

        Raises:
            Refusal: there is no room for them, or the lease has ended.

        """
        with self._lock:
            if lease.ended or self._bytes + size > self._max_bytes:
                raise _no_room()
            self._bytes += size
            lease.size += size

    def leave(self, lease: "Lease") -> None:
        """End a lease and give up its room."""
        with self._lock:
            lease.ended = True
            self._bytes -= lease.size
        self._requests -= 1
        if self._requests == 0:
            self._idle.set()

    async def refuse(self) -> None:
        """Let nobody in any more; return once all requests under way are answered."""
        self._stopping = True
        await self._idle.wait()


def _no_room() -> Refusal:
    return Refusal(BUSY, "too many bytes are under way (max_in_flight_mib)", ROOM_DELAY_S)


class Lease:
    """
    The room of one request.

    A thread that still reads for a sender that is gone finds its lease ended, and stops.
    """

    __slots__ = ("_admission", "ended", "size")

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.size = 0
        self.ended = False

    def take(self, size: int) -> None:
        """
        Claim more bytes, before holding them.

        Raises:
            Refusal: there is no room for them.

        """
        self._admission.claim(self, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._admission.leave(self)


class Bucket:
    """A token bucket; what is larger than the bucket may go when it is full, on credit."""

    def __init__(self, rate: float, capacity: float, clock: Clock) -> None:
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._tokens = capacity
        self._filled = clock.monotonic()

    def delay(self, amount: float) -> float:
        """Return the seconds until ``amount`` may go; 0 is now."""
        now = self._clock.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        missing = min(amount, self._capacity) - self._tokens
        return max(0.0, missing / self._rate)

    def take(self, amount: float) -> None:
        """Take tokens out; a negative amount puts them back."""
        self._tokens -= amount


class Quota:
    """What one tenant may send."""

    def __init__(self, config: QuotaConfig, clock: Clock) -> None:
        rate = config.spans_per_second
        burst = config.burst if config.burst is not None else max(1.0, rate or 0)
        burst_s = burst / rate if rate else 1.0
        self._spans = Bucket(rate, burst, clock) if rate else None
        size = (config.mib_per_second or 0) * MIB
        self._bytes = Bucket(size, size * burst_s, clock) if size else None

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
            raise Refusal(BUSY, f"the quota of this tenant is used up ({key})", delay)
