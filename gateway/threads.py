"""Threads for work that must not hold up the event loop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from gateway import guard, scheduling
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
        self.under_way: dict[Future[None], asyncio.Future[Any]] = {}
        """What was given to the threads, and who waits for it."""

    async def run(
        self, function: Callable[..., T], args: tuple[Any, ...], until: float | None
    ) -> T:
        """Run a function on a thread of the pool and return its result, in time."""
        loop = asyncio.get_running_loop()
        # Half of what run_in_executor takes it takes for futures in between.
        done: asyncio.Future[T] = loop.create_future()
        job = self.executor.submit(_work, loop, done, function, args)
        self.under_way[job] = done
        timer = None if until is None else loop.call_at(until, _give_up, done)
        try:
            return await done
        except (asyncio.CancelledError, TimeoutError):
            job.cancel()  # unless it was begun
            raise
        finally:
            if timer is not None:
                timer.cancel()
            del self.under_way[job]

    def close(self, *, wait: bool) -> None:
        """End the threads; who waits for what was not begun is cancelled."""
        self.executor.shutdown(wait=wait, cancel_futures=True)
        for job, done in tuple(self.under_way.items()):
            if job.cancelled():
                _tell(done.get_loop(), done.cancel)


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
        self,
        function: Callable[[*Ts], T],
        *args: *Ts,
        tenant: str = "",
        cost: float = 0,
        limit_s: float | None = None,
    ) -> T:
        """
        Run a function on a thread and return its result.

        Tenants take turns, by cost; what is done for all of them has the tenant ``""``.

        Raises:
            TimeoutError: it took longer than ``limit_s``, waiting for a thread included. What
                hangs keeps its thread.

        """
        until = None if limit_s is None else asyncio.get_running_loop().time() + limit_s
        pool = self._small if cost <= SMALL else self._large
        place = pool.slots.ask(("tenant", tenant), cost)
        try:
            if not place.granted.is_set():
                async with asyncio.timeout_at(until):
                    await place.granted.wait()
            return await pool.run(function, args, until)
        finally:
            pool.slots.leave(place)

    def close(self, *, wait: bool = True) -> None:
        """End the threads once their work is done, and wait for that unless told otherwise."""
        for pool in (self._large, self._small):
            pool.close(wait=wait)


def _work(
    loop: asyncio.AbstractEventLoop,
    done: asyncio.Future[T],
    function: Callable[..., T],
    args: tuple[Any, ...],
) -> None:
    if not done.cancelled():
        _tell(loop, _settle, done, *guard.outcome(partial(function, *args)))


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *args: object) -> None:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:
        if not loop.is_closed():
            raise
        # Nobody is left who could be told.


def _give_up(done: asyncio.Future[Any]) -> None:
    if not done.done():
        done.set_exception(TimeoutError())


def _settle(done: asyncio.Future[T], result: T, error: BaseException | None) -> None:
    if done.done():
        return  # nobody waits any more
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(result)
