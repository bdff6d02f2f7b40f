"""Threads for work that must not hold up the event loop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

Ts = TypeVarTuple("Ts")
T = TypeVar("T")


class Threads:
    """A small pool; receivers bound how much may wait for it."""

    def __init__(self) -> None:
        workers = min(4, (os.cpu_count() or 1) + 1)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="stage-1")

    async def run(self, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """Run a function on a thread and return its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, function, *args)

    def close(self) -> None:
        """End the threads once their work is done."""
        self._pool.shutdown(wait=True, cancel_futures=True)
