"""Decide before reading whether a request may come in: room, shares, and not while stopping."""

import asyncio
import threading
from typing import Self

from gateway.component_context import Cells
from gateway.otlp.status import BUSY, TOO_LARGE, UNAVAILABLE, Refusal
from gateway.plugin import Clock
from gateway.receivers.quota import Quota
from gateway.tenants import TenantConfig

ROOM_DELAY_S = 1.0
STOPPING_DELAY_S = 5.0
ARRIVING = 4


class Account:
    """A tenant as its receiver sees it: settings, quota, and what it has under way."""

    __slots__ = ("busy", "bytes", "quota", "requests", "tenant")

    def __init__(self, tenant: TenantConfig, clock: Clock, cells: Cells | None = None) -> None:
        self.tenant = tenant
        mine = None if cells is None else lambda kind: cells(f"{tenant.name} {kind}")
        self.quota = Quota(tenant.quota, clock, mine)
        self.requests = 0
        """Requests that are let in and not answered."""
        self.busy = 0
        """Those of them that have arrived whole."""
        self.bytes = 0


class Admission:
    """
    Room for requests under way, in number and bytes.

    A tenant may hold no more than what it leaves free: alone it gets half of the room, two busy
    ones a third each, so that there is always some for the next. One request at a time may use
    all that is free.

    Requests that arrive slowly hold their bytes only, so that slow clients keep no place from
    others; ``ARRIVING`` times as many as may be under way are let in.
    """

    def __init__(self, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._busy = 0
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

    def enter(self, account: Account | None = None, *, arriving: bool = False) -> "Lease":
        """
        Let a request in; leave its lease when it is answered.

        Args:
            account: whose it is.
            arriving: whether it still has to come; tell the lease when it has.

        Raises:
            Refusal: there is no room, or the gateway stops.

        """
        if self._stopping:
            raise Refusal(UNAVAILABLE, "the gateway is stopping", STOPPING_DELAY_S)
        if self._bytes >= self._max_bytes:
            raise _no_room()
        held = account.requests if account is not None else 0
        self._check(held, self._requests, ARRIVING * self._max_requests, "arrive")
        self._check_busy(account)
        if account is not None:
            account.requests += 1
        self._requests += 1
        self._idle.clear()
        lease = Lease(self, account)
        if not arriving:
            self._occupy(lease)
        return lease

    def arrived(self, lease: "Lease") -> None:
        """
        Give a lease its place among the requests under way.

        Raises:
            Refusal: there is none.

        """
        self._check_busy(lease.account)
        self._occupy(lease)

    def _check_busy(self, account: Account | None) -> None:
        held = account.busy if account is not None else 0
        self._check(held, self._busy, self._max_requests, "are under way")

    def _check(self, held: int, all_together: int, most: int, what: str) -> None:
        """Refuse one more where there is no place, or none but for other tenants."""
        free = most - all_together
        setting = "max_concurrent_requests"
        if free <= 0:
            raise Refusal(BUSY, f"{all_together} requests {what} ({setting})", ROOM_DELAY_S)
        if self.shared and held and held >= free:
            text = f"{held} requests of this tenant {what}, its share of {setting}"
            raise Refusal(BUSY, text, ROOM_DELAY_S)

    def _occupy(self, lease: "Lease") -> None:
        lease.busy = True
        self._busy += 1
        if lease.account is not None:
            lease.account.busy += 1

    def claim(self, lease: "Lease", size: int) -> None:
        """
        Claim bytes for a lease.

        Raises:
            Refusal: there is no room for them, or never is, or the lease has ended.

        """
        account = lease.account
        with self._lock:
            if lease.size + size > self._max_bytes:
                raise Refusal(
                    TOO_LARGE,
                    "the request alone takes more memory than all may take (max_in_flight_mib): "
                    "send fewer spans at once",
                )
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
            account.busy -= lease.busy
        self._busy -= lease.busy
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

    __slots__ = ("_admission", "account", "busy", "ended", "size")

    def __init__(self, admission: Admission, account: Account | None) -> None:
        self._admission = admission
        self.account = account
        self.size = 0
        self.busy = False
        self.ended = False

    def arrived(self) -> None:
        """
        Say that the request is there as a whole.

        Raises:
            Refusal: too many are under way.

        """
        self._admission.arrived(self)

    def take(self, size: int) -> None:
        """
        Claim more bytes, before holding them.

        Raises:
            Refusal: there is no room for them.

        """
        self._admission.claim(self, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._admission.leave(self)
