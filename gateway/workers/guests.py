"""Requests that other workers received and this one processes and commits."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

from gateway import guard
from gateway.batch import Batch
from gateway.courtesy import COURTESY
from gateway.errors import Flow
from gateway.plugin import Logger
from gateway.workers.handing import socket_path
from gateway.workers.link import Link
from gateway.workers.load import Load
from gateway.workers.orders import Declined, Done, Order, Request, refused
from gateway.workers.siblings import SUFFIX

Deliver: TypeAlias = Callable[[Sequence[Batch], bool], Awaitable[None]]
"""Processes requests here and commits them; joined, if told so."""


class Guests:
    """
    Listen for other workers, once there are any.

    Args:
        folder: of the workers.
        worker: the number of this one.
        load: of all workers.

    """

    def __init__(self, folder: Path, worker: int, load: Load, logger: Logger) -> None:
        self._folder = folder
        self._worker = worker
        self._load = load
        self._orders = _Orders(logger)
        self._server: asyncio.Server | None = None

    def serve(self, receiver: str, deliver: Deliver) -> None:
        """Take requests of a receiver."""
        self._orders.delivers[receiver] = deliver

    async def open(self) -> None:
        """
        Listen, for this user alone; safe to call twice.

        Raises:
            OSError: the folder takes no sockets.

        """
        if self._server is None and not self._orders.closed:
            path = socket_path(self._folder, self._worker, SUFFIX)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(self._welcome, path)
            (self._folder / f"{self._worker}.{SUFFIX}").chmod(0o600)
            self._load.open()

    def decline(self) -> None:
        """Begin nothing more."""
        self._orders.closed = True
        self._load.close()

    async def finish(self) -> None:
        """Return once all that was begun is answered."""
        await self._orders.idle.wait()

    def close(self) -> None:
        """End all connections; what is under way is cancelled."""
        self.decline()
        if self._server is not None:
            self._server.close()
            self._server = None
            (self._folder / f"{self._worker}.{SUFFIX}").unlink(missing_ok=True)
        for link in list(self._orders.links):
            link.close()

    def _welcome(self) -> Link[Request]:
        return _Caller(self._orders).link


class _Orders:
    """What is done for all other workers together."""

    def __init__(self, logger: Logger) -> None:
        self.delivers: dict[str, Deliver] = {}
        """By receiver."""
        self.links: set[Link[Request]] = set()
        self.closed = False
        """Whether nothing more is to be begun."""
        self.idle = asyncio.Event()
        self.idle.set()
        self._logger = logger
        self._under_way = 0

    def begun(self) -> None:
        """Note that an order will be answered."""
        self._under_way += 1
        self.idle.clear()

    def ended(self) -> None:
        """Note that an order was answered, or nobody waits for it."""
        self._under_way -= 1
        if not self._under_way:
            self.idle.set()

    async def do(self, deliver: Deliver, order: Order, requests: Sequence[Batch]) -> None:
        """
        Do an order.

        Raises:
            Flow: what its sender is to be told.

        """
        for request, size in zip(requests[1:], order.sizes[1:], strict=True):
            COURTESY.use(request.context.tenant, size)
        with COURTESY.answering(requests[0].context.tenant, order.sizes[0]):
            await guard.answer(deliver(requests, order.join), (), self._logger)


class _Caller:
    """Another worker, and what is done for it."""

    def __init__(self, orders: _Orders) -> None:
        self._orders = orders
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.link: Link[Request] = Link(Request, self._take, self._lost)
        orders.links.add(self.link)

    def _take(self, message: Request, data: memoryview) -> None:
        if not isinstance(message, Order):
            task = self._tasks.get(message.id)
            if task is not None:
                task.cancel()
            return
        deliver = self._orders.delivers.get(message.receiver)
        if deliver is None or self._orders.closed:
            self.link.send(Declined(message.id))
            return
        work = self._do(deliver, message, message.requests(data))
        task = self._tasks[message.id] = asyncio.create_task(work)
        task.add_done_callback(partial(self._ended, message.id))
        self._orders.begun()  # now: an end in order may come before the task has its turn

    def _ended(self, order: int, _: asyncio.Task[None]) -> None:
        del self._tasks[order]
        self._orders.ended()

    async def _do(self, deliver: Deliver, order: Order, requests: Sequence[Batch]) -> None:
        try:
            await self._orders.do(deliver, order, requests)
        except Flow as flow:
            self.link.send(refused(order.id, flow))
        else:
            self.link.send(Done(order.id))

    def _lost(self) -> None:
        self._orders.links.discard(self.link)
        for task in self._tasks.values():  # nobody waits any more; the sender comes again
            task.cancel()
