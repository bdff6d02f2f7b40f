"""Whose a queue's bytes are, so that a tenant that fills it is refused and others are not."""

from collections.abc import Callable, Mapping

from gateway.config.exporting import MIB
from gateway.errors import Busy, ShareFull, TooLarge

FULL_RETRY_AFTER_S = 5.0
SHARE = 4
"""A tenant may hold so many times what it leaves free: alone four fifths of the queue, two that
fill it four ninths each, so that there is always some room for the next."""


class Holdings:
    """
    The bytes of a queue by tenant: those of its records and those reserved for more.

    Args:
        several: whether there are several tenants; one alone may have the whole queue.

    """

    def __init__(self, queue: str, max_bytes: int, several: Callable[[], bool]) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._queue = queue
        self._several = several
        self._by_tenant: dict[str, int] = {}

    def add(self, tenant: str, size: int) -> None:
        """Count more of a tenant; less where ``size`` is negative."""
        self.bytes += size
        held = self._by_tenant.get(tenant, 0) + size
        if held:
            self._by_tenant[tenant] = held
        else:
            del self._by_tenant[tenant]

    def largest(self) -> str:
        """Return the tenant that holds most; there is one."""
        return max(self._by_tenant, key=self._by_tenant.__getitem__)

    def check(self, wanted: Mapping[str, int], droppable: int | None = None) -> None:
        """
        Return if there is room for more of some tenants.

        Args:
            wanted: bytes by tenant.
            droppable: how much of what waits may go to make room; None where nothing may.

        Raises:
            Busy: there is none now; ShareFull where there is for others.
            TooLarge: there never will be.

        """
        size = sum(wanted.values())
        if size > self.max_bytes:
            raise TooLarge(
                f"the request needs {size} bytes in the queue of {self._queue}, which holds "
                f"{self.max_bytes} at most (sending_queue.max_size_mib)"
            )
        free = self.max_bytes - self.bytes - size
        if free + (droppable or 0) < 0:
            raise Busy(f"the queue of {self._queue} is full", after=FULL_RETRY_AFTER_S)
        if droppable is None and self._several():
            for tenant, more in wanted.items():
                self._check_share(tenant, more, free)

    def _check_share(self, tenant: str, more: int, free: int) -> None:
        held = self._by_tenant.get(tenant, 0)
        if held and held + more > SHARE * free:
            raise ShareFull(
                f"the queue of {self._queue} is full for this tenant: {held / MIB:.1f} MiB of its "
                "spans wait there, its share of sending_queue.max_size_mib",
                after=FULL_RETRY_AFTER_S,
            )
