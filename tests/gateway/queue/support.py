"""Records and stores for tests of the queue."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.config.exporting import QueueConfig
from gateway.plugin import Clock, Logger
from gateway.queue.base import Record
from gateway.queue.disk import Disk
from gateway.queue.queue import Queue
from gateway.queue.store import Store

_serial = itertools.count(1)
HUGE = 1 << 40
EVERYTHING: dict[str, Any] = {"max_spans": HUGE, "max_bytes": HUGE}


def record(
    payload: bytes = b"payload",
    *,
    queue: str = "a",
    lane: int = 0,
    destination: str = "",
    trace_ids: frozenset[bytes] = frozenset(),
    tenant: str = "",
    spans: int = 1,
) -> Record:
    """Return a record, younger than those before."""
    return Record(
        queue=queue,
        lane=lane,
        destination=destination,
        payload=payload,
        spans=spans,
        trace_ids=trace_ids,
        tenant=tenant,
        received_unix_ns=next(_serial),
    )


@asynccontextmanager
async def opened(
    folder: Path | None,
    *,
    disk: Disk | None = None,
    segment_bytes: int | None = 4096,
    follow: bool = False,
    several_tenants: bool = False,
    logger: Logger | None = None,
    clock: Clock | None = None,
    **queues: QueueConfig,
) -> AsyncIterator[tuple[Store, dict[str, Queue]]]:
    """Run a store with these queues; a queue ``a`` where none is given."""
    store = Store(
        folder,
        disk=disk,
        segment_bytes=segment_bytes,
        several_tenants=lambda: several_tenants,
        logger=logger,
        clock=clock,
    )
    wanted = queues or {"a": QueueConfig(num_lanes=1)}
    made = {name: store.open(name, settings, follow=follow) for name, settings in wanted.items()}
    try:
        await store.start()
        yield store, made
    finally:
        await store.close()


async def take_all(queue: Queue, lane: int = 0) -> list[Record]:
    """Take whatever waits in a lane, by destination."""
    taken: list[Record] = []
    for line in list(queue.lanes[lane].lines.values()):
        while line:
            taken += await queue.take(line, **EVERYTHING)
    return taken


async def payloads(queue: Queue, lane: int = 0) -> list[bytes]:
    """Take whatever waits in a lane and return the payloads."""
    return [taken.payload for taken in await take_all(queue, lane)]
