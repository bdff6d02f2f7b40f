"""
Join small requests, so that those of one span each do not pay alone for threads and the disk.

Requests that come at the same time, and those that come while others like them are under way, go on
together in one batch; what fails together is done again, each request by itself.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TypeAlias

from gateway.batch import Batch

SMALL_SPANS = 50
SMALL_BYTES = 128 * 1024
"""Larger requests go by themselves: their part of what threads and the disk cost is small."""
MOST_REQUESTS = 64
MOST_SPANS = 200
MOST_BYTES = 512 * 1024
"""What is joined at the most."""
MOST_S = 0.05
"""How long the processors may take for it, as they did lately: a slow one gets no more at once."""

WAIT_S = 0.1
"""How long requests wait for those under way: a processor that hangs holds up nobody else's."""

_Kind: TypeAlias = tuple[str, tuple[tuple[str, str], ...], str]
Deliver = Callable[[Sequence[Batch]], Coroutine[None, None, None]]


class _Group:
    """Requests that wait to be joined, and who waits for them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.answers: list[asyncio.Future[None]] = []
        self.spans = 0
        self.size = 0

    def has_room(self, spans: int, size: int, most: int) -> bool:
        """Return whether one more fits."""
        return (
            self.spans + spans <= most
            and self.size + size <= MOST_BYTES
            and len(self.batches) < MOST_REQUESTS
        )

    def add(self, batch: Batch, spans: int, size: int) -> asyncio.Future[None]:
        """Add a request; return what is set once it is delivered or refused."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.batches.append(batch)
        self.answers.append(answer)
        self.spans += spans
        self.size += size
        return answer

    def settle(self, results: Sequence[BaseException | None]) -> None:
        """Tell those who still wait."""
        for answer, result in zip(self.answers, results, strict=True):
            if answer.done():
                continue  # the sender has gone
            if result is None:
                answer.set_result(None)
            else:
                answer.set_exception(result)


class Joiner:
    """
    Deliver batches of one request each, small ones together; used from the event loop.

    Only those of one tenant that are routed alike are joined.

    Args:
        deliver: delivers several requests together or none, joined where they are more than one.
        pace_s: seconds that processors took for a span lately; 0 where there are none, None while
            that is not known.

    """

    def __init__(self, deliver: Deliver, pace_s: Callable[[], float | None]) -> None:
        self._deliver = deliver
        self._pace_s = pace_s
        self._under_way: dict[_Kind, int] = {}
        self._waiting: dict[_Kind, _Group] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def deliver(self, batch: Batch) -> None:
        """
        Return once the batch is delivered.

        Raises:
            Flow: what the sender is to be told.

        """
        spans, size = len(batch.entries()), len(batch.encode())
        most = self._most() if spans <= SMALL_SPANS and size <= SMALL_BYTES else 0
        if spans >= most:
            await self._deliver([batch])
            return
        kind = batch.context.tenant, batch.context.headers, batch.context.transport
        group = self._waiting.get(kind)
        if group is not None and not group.has_room(spans, size, most):
            self._start(kind, group)
            group = None
        if group is None:
            group = self._waiting[kind] = _Group()
            loop = asyncio.get_running_loop()
            if kind not in self._under_way:  # those that came at the same time go along
                loop.call_soon(self._start, kind, group)
            else:
                loop.call_later(WAIT_S, self._start, kind, group)
        await group.add(batch, spans, size)

    def _most(self) -> int:
        """Return how many spans to join; none where that saves nothing, or is not known to."""
        pace_s = self._pace_s()
        return min(MOST_SPANS, int(MOST_S / pace_s)) if pace_s else 0

    def _end(self, kind: _Kind) -> None:
        self._under_way[kind] -= 1
        if not self._under_way[kind]:
            del self._under_way[kind]
            group = self._waiting.get(kind)
            if group is not None:
                self._start(kind, group)

    def _start(self, kind: _Kind, group: _Group) -> None:
        """Deliver what waits, in a task of its own: whoever waits may go."""
        if self._waiting.get(kind) is not group:
            return  # it was full before
        del self._waiting[kind]
        self._under_way[kind] = self._under_way.get(kind, 0) + 1
        task = self._task(self._deliver(group.batches))
        task.add_done_callback(partial(self._delivered, kind, group))

    def _task(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _delivered(self, kind: _Kind, group: _Group, task: asyncio.Task[None]) -> None:
        """Tell how it went; what failed together is done again."""
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if isinstance(error, Exception) and len(group.batches) > 1:
            self._task(self._deliver_alone(kind, group))
        else:
            group.settle([error] * len(group.batches))
            self._end(kind)

    async def _deliver_alone(self, kind: _Kind, group: _Group) -> None:
        alone = [Batch(b.encode(), b.context, entries=b.entries()) for b in group.batches]
        try:
            group.settle(
                await asyncio.gather(
                    *(self._deliver([one]) for one in alone), return_exceptions=True
                )
            )
        finally:
            self._end(kind)


def joined(batches: Sequence[Batch]) -> Batch:
    """Return untouched batches as one, whose context is that of the first."""
    whole = Batch(
        b"".join(batch.encode() for batch in batches),
        batches[0].context,
        entries=[entry for batch in batches for entry in batch.entries()],
    )
    whole.parts = batches
    return whole
