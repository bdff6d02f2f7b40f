"""Decide before reading whether a request may come in: room, shares, and not while stopping."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from gateway.otlp.status import BUSY, UNAVAILABLE, Refusal
from gateway.plugin import Clock
from gateway.receivers.quota import Quota
from gateway.tenants import TenantConfig

ROOM_DELAY_S = 1.0
STOPPING_DELAY_S = 5.0


class Account:
    """A tenant as its receiver sees it: settings, quota, and what it has under way."""

    __slots__ = ("bytes", "quota", "requests", "tenant")

    def __init__(self, tenant: TenantConfig, clock: Clock) -> None:
        self.tenant = tenant
        self.quota = Quota(tenant.quota, clock)
        self.requests = 0
        self.bytes = 0


class Admission:
    """
    Room for requests under way, in number and bytes.

    A tenant may hold no more than what it leaves free: alone it gets half of the room, two busy
    ones a third each, so that there is always some for the next. One request at a time may use
    all that is free.
    """

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0
        self._lock = threading.Lock()  # large bodies are read on threads
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self.shared = False
        """Whether there are several tenants, so that each has its share only."""

    @property
    def bytes_in_flight(self) -> int:
        """Bytes that requests under way hold."""
        return self._bytes

    def enter(self, account: Account | None = None) -> "Lease":
        """
        Let a request in; leave its lease when it is answered.

        Raises:
            Refusal: there is no room, or the gateway stops.

        """
        if self._stopping:
            raise Refusal(UNAVAILABLE, "the gateway is stopping", STOPPING_DELAY_S)
        free = self._max_requests - self._requests
        if free <= 0:
            raise Refusal(
                BUSY,
                f"{self._requests} requests are under way (max_concurrent_requests)",
                ROOM_DELAY_S,
            )
        if self._bytes >= self._max_bytes:
            raise _no_room()
        if account is not None:
            if self.shared and account.requests and account.requests >= free:
                raise Refusal(
                    BUSY,
                    f"{account.requests} requests of this tenant are under way, its share of "
                    "max_concurrent_requests",
                    ROOM_DELAY_S,
                )
            account.requests += 1
        self._requests += 1
        self._idle.clear()
        return Lease(self, account)

    def claim(self, lease: "Lease", size: int) -> None:
        """
        Claim bytes for a lease.

        Raises:
            Refusal: there is no room for them, or the lease has ended.

        """
        account = lease.account
        with self._lock:
            free = self._max_bytes - self._bytes
            if lease.ended or size > free:
                raise _no_room()
            if account is not None:
                if self.shared and account.requests > 1 and account.bytes + size > free - size:
                    raise Refusal(
                        BUSY,
                        "too many bytes of this tenant are under way, its share of "
                        "max_in_flight_mib",
                        ROOM_DELAY_S,
                    )
                account.bytes += size
            self._bytes += size
            lease.size += size

    def leave(self, lease: "Lease") -> None:
        """End a lease and give up its room."""
        account = lease.account
        with self._lock:
            lease.ended = True
            self._bytes -= lease.size
            if account is not None:
                account.bytes -= lease.size
        if account is not None:
            account.requests -= 1
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

    __slots__ = ("_admission", "account", "ended", "size")

    def __init__(self, admission: Admission, account: Account | None) -> None:
        self._admission = admission
        self.account = account
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
