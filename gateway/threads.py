"""Threads for work that must not hold up the event loop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from gateway import scheduling
from gateway.slots import Slots

Ts = TypeVarTuple("Ts")
T = TypeVar("T")

SMALL = 64 * 1024
"""Up to this cost, in bytes, work has threads of its own: it never waits for larger work."""
_SMALL_WORKERS = 4


class _Pool:
    """So many threads, and whose turn it is to get one."""

    def __init__(self, name: str, workers: int, several_tenants: Callable[[], bool]) -> None:
        self.executor = ThreadPoolExecutor(
            workers, thread_name_prefix=name, initializer=scheduling.stand_back
        )
        self.slots = Slots(workers, several_tenants)


class Threads:
    """
    Two small pools, for small and for large work; receivers bound how much may wait for them.

    Args:
        several_tenants: whether there are several, so that none of them may take every thread.

    """

    def __init__(self, several_tenants: Callable[[], bool] = lambda: False) -> None:
        workers = max(2, min(4, os.cpu_count() or 1))
        self._large = _Pool("stage-1", workers, several_tenants)
        self._small = _Pool("stage-1-small", _SMALL_WORKERS, several_tenants)

    async def run(
        self, function: Callable[[*Ts], T], *args: *Ts, tenant: str = "", cost: float = 0
    ) -> T:
        """
        Run a function on a thread and return its result.

        Tenants take turns, by cost; what is done for all of them has the tenant ``""``.
        """
        pool = self._small if cost <= SMALL else self._large
        place = pool.slots.ask(("tenant", tenant), cost)
        try:
            if not place.granted.is_set():
                await place.granted.wait()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool.executor, function, *args)
        finally:
            pool.slots.leave(place)

    def close(self, *, wait: bool = True) -> None:
        """End the threads once their work is done, and wait for that unless told otherwise."""
        for pool in (self._large, self._small):
            pool.executor.shutdown(wait=wait, cancel_futures=True)
