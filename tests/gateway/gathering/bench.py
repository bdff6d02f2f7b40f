"""Stage 2 between a store and the queue of one exporter, on a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.batch import Batch, BatchContext
from gateway.config.exporting import ExporterConfig, QueueConfig
from gateway.delivery.sender import Sender
from gateway.gathering.gatherer import Gatherer
from gateway.intake import Outlet
from gateway.plugin import OnError, TraceProcessor
from gateway.queue.dead_letters import DeadLetters
from gateway.queue.store import Store
from gateway.testing import FakeClock, FakeLogger, component
from gateway.threads import Threads
from gateway.trace_guard import TraceGuard
from tests.gateway.gathering.judges import Judge
from tests.gateway.plugins_for_tests import Keep as Sink
from tests.gateway.queue.support import take_all


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is done in the background."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


class Bench:
    """A gatherer at work, and what it has handed over."""

    def __init__(
        self,
        folder: Path,
        judge: TraceProcessor[Any],
        queue: QueueConfig,
        *,
        clock: FakeClock,
        on_error: OnError | None = None,
    ) -> None:
        self.clock = clock
        self.logger = FakeLogger()
        self.store = Store(folder / "queue" if queue.storage == "disk" else None, clock=clock)
        self.letters = DeadLetters(folder / "dead-letters", clock, self.logger)
        self.threads = Threads()
        self.exporter = Sink(ExporterConfig(sending_queue=queue))
        sender = Sender(
            "sink",
            self.exporter,
            store=self.store,
            dead_letters=self.letters,
            clock=clock,
            logger=self.logger,
        )
        self.sender = sender
        self.gatherer = Gatherer(
            TraceGuard("judge", judge, pipeline="traces", logger=self.logger, on_error=on_error),
            [Outlet(sender)],
            store=self.store,
            threads=self.threads,
            dead_letters=self.letters,
            clock=clock,
        )

    async def send(self, *batches: Batch, **context: Any) -> None:
        """Commit batches as if they had just been received."""
        now = self.clock.time_ns()
        for one in batches:
            whole = BatchContext(received_unix_ns=now, **context)
            await self.store.commit(self.gatherer.records(whole, one))

    async def pass_time(self, seconds: float) -> None:
        """Let time pass once everything sent is gathered."""
        await self.gathered()
        self.clock.advance(seconds)
        self.gatherer.nudge()

    async def gathered(self) -> None:
        """Wait until nothing lies in the queue unread."""
        await until(lambda: not self.gatherer.queue.lines())

    async def over(self, seconds: float = 3600) -> list[Batch]:
        """Let a long time pass; return what was handed over once everything is decided."""
        await self.pass_time(seconds)
        await until(lambda: not self.gatherer.queue.spans)
        return await self.kept()

    async def kept(self, at_least: int = 0) -> list[Batch]:
        """Take what was handed over, once it is so many spans."""
        queue = self.sender.queue
        await until(lambda: queue.spans >= at_least)
        records = [one for lane in range(len(queue.lanes)) for one in await take_all(queue, lane)]
        for record in records:
            queue.ack(record)
        return [Batch(record.payload) for record in records]


@asynccontextmanager
async def bench(
    folder: Path,
    judge: TraceProcessor[Any] | None = None,
    *,
    clock: FakeClock | None = None,
    on_error: OnError | None = None,
    drain: bool = False,
    **queue: Any,
) -> AsyncIterator[Bench]:
    """Run a gatherer; it ends as in a crash, or after a drain."""
    made = Bench(
        folder,
        judge or component(Judge, wait="10s"),
        QueueConfig(**{"num_lanes": 4, **queue}),
        clock=clock or FakeClock(),
        on_error=on_error,
    )
    await made.store.start()
    running = asyncio.create_task(made.gatherer.run())
    try:
        yield made
        if drain:
            await made.gatherer.drain()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await made.store.close()
        made.threads.close()
