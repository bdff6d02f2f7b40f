"""What the threads of stage 1 promise to several tenants."""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.threads import SMALL, Threads

Taken = tuple[Threads, threading.Event]


class InOrder(ThreadPoolExecutor):
    """Works in order on one thread, so that the system's scheduler changes nothing."""

    def __init__(self, _: int, **settings: Any) -> None:
        super().__init__(1, **settings)


async def test_a_flood_delays_no_other_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a hundred requests of one tenant another's is processed as one of the next."""
    monkeypatch.setattr("gateway.threads.ThreadPoolExecutor", InOrder)
    threads = Threads(lambda: True)
    run = threads.run
    order: list[str] = []
    try:
        flood = [
            asyncio.create_task(run(order.append, "a", tenant="a", cost=1000)) for _ in range(100)
        ]
        await asyncio.sleep(0)
        await run(order.append, "b", tenant="b", cost=10)
        before = order.index("b")
        await asyncio.gather(*flood)
    finally:
        threads.close()
    assert before < 5
    assert 101 == len(order)


async def test_small_work_never_waits_for_large() -> None:
    """While every thread for large work is taken by several tenants, small work is done."""
    threads = Threads(lambda: True)
    end = threading.Event()
    large = [
        asyncio.create_task(threads.run(end.wait, tenant=f"t{number}", cost=SMALL + 1))
        for number in range(20)
    ]
    try:
        await asyncio.sleep(0)
        assert 7 == await threads.run(lambda: 7, tenant="small", cost=SMALL)
    finally:
        end.set()
        await asyncio.gather(*large)
        threads.close()


async def test_a_failure_reaches_who_waits() -> None:
    """What the function raises is raised where its result is awaited."""
    threads = Threads()

    def fail() -> None:
        raise LookupError("nothing there")

    try:
        with pytest.raises(LookupError, match="nothing there"):
            await threads.run(fail, cost=1)
    finally:
        threads.close()


@pytest.fixture
async def taken() -> AsyncIterator[Taken]:
    """
    Threads for small work all of which hang, as after time-outs: their slots are free again.

    Beside them what ends that.
    """
    threads = Threads()
    begun, end = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        begun.release()
        end.wait()

    hanging = [asyncio.create_task(threads.run(hang, cost=1)) for _ in range(4)]
    try:
        for _ in hanging:
            await asyncio.to_thread(begun.acquire)
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)
        yield threads, end
    finally:
        end.set()
        threads.close()


async def test_what_was_not_begun_ends_with_the_threads(taken: Taken) -> None:
    """Who waits for a thread when they are closed is cancelled; nothing is run for them."""
    threads, _ = taken
    done: list[int] = []
    late = asyncio.create_task(threads.run(done.append, 1, cost=1))
    await asyncio.sleep(0)

    threads.close(wait=False)
    await asyncio.wait([late])

    assert late.cancelled()
    assert [] == done


async def test_what_hangs_is_not_waited_for() -> None:
    """Beyond the limit nobody waits for a function."""
    threads = Threads()
    end = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            await threads.run(end.wait, cost=1, limit_s=0.01)
    finally:
        end.set()
        threads.close()


async def test_what_stands_behind_what_hangs_is_given_up(taken: Taken) -> None:
    """What no thread takes within the limit is not run later either."""
    threads, end = taken
    done: list[int] = []

    with pytest.raises(TimeoutError):
        await threads.run(done.append, 1, cost=1, limit_s=0.01)
    end.set()
    await threads.run(done.append, 2, cost=1)

    assert [2] == done


async def test_waiting_for_a_thread_counts() -> None:
    """Who gets no thread within the limit is told so."""
    threads = Threads(lambda: True)
    end = threading.Event()
    hanging = [asyncio.create_task(threads.run(end.wait, tenant="a", cost=1)) for _ in range(4)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await threads.run(print, tenant="a", cost=1, limit_s=0.01)
    finally:
        end.set()
        await asyncio.gather(*hanging)
        threads.close()
