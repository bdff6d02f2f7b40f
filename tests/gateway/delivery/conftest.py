"""A sender in front of a destination that does what the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.batch import Batch, BatchContext, Resource
from gateway.clock import SystemClock
from gateway.config.types import from_yaml
from gateway.delivery.sender import Sender
from gateway.errors import Flow
from gateway.intake import Outlet
from gateway.plugin import Exporter, ExporterConfig
from gateway.queue.dead_letters import DeadLetter, DeadLetters
from gateway.queue.store import Store
from gateway.telemetry import logs

SpanKey = tuple[bytes, bytes]
QUICK: dict[str, Any] = {
    "batch": {"flush_timeout": "10ms"},
    "retry_on_failure": {"initial_interval": "5ms", "max_interval": "20ms"},
}


class Destination(Exporter[ExporterConfig]):
    """
    An exporter whose destinations take what ``answer`` lets pass.

    ``answer`` gets the batch and the number of this request, from 1, and returns what to raise.
    Destinations are chosen by the resource attribute ``to``.
    """

    unique_spans = True

    def __init__(self, config: ExporterConfig) -> None:
        super().__init__(config)
        self.answer: Callable[[Batch, int], Flow | Exception | None] = lambda _batch, _number: None
        self.requests: list[tuple[str, list[SpanKey]]] = []
        self.stored: dict[str, list[SpanKey]] = {}
        self.under_way: dict[str, set[bytes]] = {}
        self.news = asyncio.Event()

    def route(self, context: BatchContext, resource: Resource) -> str:
        return str(resource.attributes.get("to", ""))

    async def export(self, batch: Batch) -> None:
        destination = batch.context.destination
        keys = [(span.trace_id, span.span_id) for span in batch]
        busy = {trace for traces in self.under_way.values() for trace in traces}
        assert not busy & {trace for trace, _ in keys}, "a trace is in two requests at once"
        self.requests.append((destination, keys))
        number = len(self.requests)
        token = f"{destination}-{number}"
        self.under_way[token] = {trace for trace, _ in keys}
        try:
            await asyncio.sleep(0)
            failure = self.answer(batch, number)
        finally:
            del self.under_way[token]
            self.news.set()
        if failure is not None:
            raise failure
        self.stored.setdefault(destination, []).extend(keys)

    def all_stored(self) -> list[SpanKey]:
        return [key for keys in self.stored.values() for key in keys]


class Bench:
    """A running sender, its destination and its dead letters."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        config = msgspec.convert(QUICK | settings, ExporterConfig, dec_hook=from_yaml)
        self.store = Store(folder.parent / "queue")
        self.exporter = Destination(config)
        self.sender = Sender(
            "sink",
            self.exporter,
            store=self.store,
            dead_letters=DeadLetters(folder, SystemClock(), logs.get("test")),
            clock=SystemClock(),
            logger=logs.get("test"),
        )
        self._outlet = Outlet(self.sender)
        self._letters = folder / "letters.jsonl"

    async def put(self, *batches: Batch, tenant: str = "") -> None:
        """Commit batches of a tenant, each as a request of its own."""
        for batch in batches:
            context = msgspec.structs.replace(batch.context, tenant=tenant)
            records = self._outlet.records(context, batch)
            await self.store.commit(records)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that requests bring about."""
        async with asyncio.timeout(20):
            while not condition():
                self.exporter.news.clear()
                try:
                    await asyncio.wait_for(self.exporter.news.wait(), 0.02)
                except TimeoutError:
                    continue

    async def drained(self) -> None:
        await self.until(lambda: self.sender.queue.stats().spans == 0)

    def letters(self) -> list[DeadLetter]:
        if not self._letters.exists():
            return []
        decode = msgspec.json.Decoder(DeadLetter).decode
        return [decode(line) for line in self._letters.read_bytes().splitlines()]


Start = Callable[..., Any]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a context manager that runs a sender with the given settings."""

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[Bench]:
        bench = Bench(tmp_path / "dead-letters", settings)
        await bench.store.start()
        task = asyncio.create_task(bench.sender.run())
        try:
            yield bench
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await bench.store.close()
            assert task.cancelled(), task.exception()

    return run


def keys(batches: Iterable[Batch]) -> list[SpanKey]:
    """Return the ids of all spans."""
    return [(span.trace_id, span.span_id) for batch in batches for span in batch]
