"""
Pass requests on to workers that have more time, and tell the sender what those answer.

A connection stays with the worker that took it, so that one that brings much keeps one processor
busy while others idle. A request that would wait here is processed and committed by another
worker, if one has nothing to do.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import count
from pathlib import Path

from gateway.batch import Batch
from gateway.telemetry import metrics
from gateway.workers.handing import socket_path
from gateway.workers.link import Link
from gateway.workers.load import UNKNOWN, Load
from gateway.workers.orders import Answer, Declined, Order, Refused, Withdrawn

MOST_BYTES = 16 * 1024 * 1024
"""Larger orders are not passed on: they would be in memory twice."""
MOST_LOAD = 2
"""A worker that processes so many has no time for others' requests."""
PATIENCE_S = 5.0
"""How long to wait for a worker that may hang: senders wait for 10 s, as a rule."""
REST_S = 10.0
"""How long to ask one nothing that was waited for in vain."""
GONE_S = 2.0
"""How long to wait for the news of what a worker was at that has ended."""
AGAIN_S = 0.1
SUFFIX = "orders"

_passed_on = metrics.worker_passed_on.labels


class Sibling:
    """The connection to another worker, made again whenever it breaks."""

    def __init__(self, folder: Path, worker: int, load: Load) -> None:
        self._path = socket_path(folder, worker, SUFFIX)
        self._worker = worker
        self._load = load
        self._link: Link[Answer] | None = None
        self._numbers = count()
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._loop = asyncio.get_running_loop()
        self._rests_until = 0.0
        self.dismissed = asyncio.Event()
        """Set once the supervisor does not count on it any more."""

    @property
    def load(self) -> int:
        """How much it has to do."""
        resting = self._loop.time() < self._rests_until
        if self._link is None or self.dismissed.is_set() or resting:
            return UNKNOWN
        return max(self._load.of(self._worker), len(self._answers))

    async def run(self) -> None:
        """Keep the connection until the worker is dismissed and has ended it."""
        while not self.dismissed.is_set():
            with contextlib.suppress(OSError):  # it does not listen yet, or no longer
                await self._connect()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await self.dismissed.wait()

    async def _connect(self) -> None:
        _, link = await self._loop.create_unix_connection(
            lambda: Link[Answer](Answer, self._take, self._lost), self._path
        )
        self._link, self._rests_until = link, 0.0
        try:
            await link.ended.wait()
        finally:
            self._link = None
            link.close()

    def _take(self, answer: Answer, _: memoryview) -> None:
        waiting = self._answers.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _lost(self) -> None:
        self._link = None
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionResetError("the worker has ended"))

    async def deliver(self, receiver: str, requests: Sequence[Batch], *, join: bool) -> bool:
        """
        Return once another worker has committed requests; whether it has.

        Where it has not, they are to be done here.

        Raises:
            Flow: what the sender is to be told.

        """
        try:
            answer = await self._ask(receiver, requests, join=join)
        except UnicodeEncodeError:  # a header that is no text
            return False
        except TimeoutError:
            self._rests_until = self._loop.time() + REST_S
            _passed_on("late").inc(len(requests))
            return False
        except ConnectionResetError:
            _passed_on("broken").inc(len(requests))
            # It may have ended because of this request: the supervisor says what it was at.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GONE_S):
                    await self.dismissed.wait()
            return False
        if isinstance(answer, Refused):
            _passed_on("refused").inc(len(requests))
            flow = answer.flow()
            self._rests_until = self._loop.time() + (answer.after or 0.0)
            raise flow
        outcome = "declined" if isinstance(answer, Declined) else "done"
        _passed_on(outcome).inc(len(requests))
        return not isinstance(answer, Declined)

    async def _ask(self, receiver: str, requests: Sequence[Batch], *, join: bool) -> Answer:
        link = self._link
        if link is None:
            raise ConnectionResetError("there is no connection")
        number = next(self._numbers)
        data = [request.encode() for request in requests]
        contexts, sizes = [request.context for request in requests], [len(one) for one in data]
        link.send(Order(number, receiver, contexts, sizes, join), *data)
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        self._answers[number] = waiting
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await waiting
        finally:
            del self._answers[number]
            if waiting.cancelled():
                link.send(Withdrawn(number))


class Siblings:
    """
    The other workers that run the same configuration.

    Args:
        folder: of the workers.
        load: of all workers.

    """

    def __init__(self, folder: Path, load: Load) -> None:
        self._folder = folder
        self._load = load
        self._known: dict[int, Sibling] = {}
        self._wanted: Collection[int] = ()
        self._changed = asyncio.Event()

    def change(self, workers: Collection[int]) -> None:
        """Count on these workers from now on."""
        self._wanted = workers
        for worker in set(self._known) - set(workers):
            self._known.pop(worker).dismissed.set()
        self._changed.set()

    async def run(self, first: Callable[[], Awaitable[None]]) -> None:
        """
        Keep the connections until cancelled.

        Args:
            first: called whenever there are others, before they are connected to.

        """
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._wanted:
                    await first()
                for worker in set(self._wanted) - set(self._known):
                    sibling = self._known[worker] = Sibling(self._folder, worker, self._load)
                    tasks.create_task(sibling.run())

    def free(self, size: int) -> Sibling | None:
        """Return a worker that has more time than this one for so many bytes; None is none."""
        here = self._load.here
        if not here or not self._known or size > MOST_BYTES:
            return None
        best = min(self._known.values(), key=_load)
        load = best.load
        return best if load == 0 or load < min(here - 1, MOST_LOAD) else None


def _load(sibling: Sibling) -> int:
    return sibling.load
