"""Threads for work that must not hold up the event loop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from gateway.slots import Slots

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Threads:
    """
    A small pool; receivers bound how much may wait for it.

    Args:
        several_tenants: whether there are several, so that none of them may take every thread.

    """

    def __init__(self, several_tenants: Callable[[], bool] = lambda: False) -> None:
        workers = max(2, min(4, os.cpu_count() or 1))
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stage-1")
        self._slots = Slots(workers, several_tenants)

    async def run(
        self, function: Callable[[*Ts], T], *args: *Ts, tenant: str = "", cost: float = 0
    ) -> T:
        """
        Run a function on a thread and return its result.

        Tenants take turns, by cost; what is done for all of them has the tenant ``""``.
        """
        place = self._slots.ask(("tenant", tenant), cost)
        try:
            await place.granted.wait()
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, function, *args)
        finally:
            self._slots.leave(place)

    def close(self) -> None:
        """End the threads once their work is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)
