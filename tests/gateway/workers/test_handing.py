"""What reaches the worker that serves a lane, in which order, and what stays with its keeper."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.batch import Batch
from gateway.config.exporting import QueueConfig
from gateway.delivery import lane
from gateway.delivery.sender import Sender
from gateway.errors import Flow, Retry
from gateway.intake import Outlet
from gateway.queue.queue import Queue
from gateway.queue.store import Store
from gateway.testing import batch
from gateway.workers.channel import Channel
from gateway.workers.handing import Courier, Hand, Peer, Reception, socket_path
from gateway.workers.window import Stream
from tests.gateway.delivery.conftest import Bench, SpanKey, keys
from tests.gateway.queue.support import opened, record, take_all

RECORDS = 5


async def test_what_another_worker_has_lies_on_the_disk_alone(tmp_path: Path) -> None:
    """Payloads leave the memory with the hand-over; when it fails they are there, in order."""
    taken: list[Hand] = []
    goes = asyncio.Event()

    async def worker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel: Channel[Hand] = Channel(reader, writer, Hand)
        while len(taken) < RECORDS and (hand := await channel.receive()) is not None:
            taken.append(hand)
        await goes.wait()
        channel.close()

    server = await asyncio.start_unix_server(worker, socket_path(tmp_path, 1))
    async with opened(tmp_path / "queue") as (store, queues):
        queue = queues["a"]
        sent = [record(b"payload %d" % at) for at in range(RECORDS)]
        for one in sent:
            await store.commit([one])
        peer = Peer(tmp_path, 1)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(peer.run())
            while not peer.room(Stream("a", 0, "")):
                await asyncio.sleep(0.01)
            under_way = await take_all(queue)
            for one in under_way:
                peer.hand(one, queue)
            held = [one.payload for one in under_way]
            while len(taken) < RECORDS:
                await asyncio.sleep(0.01)
            goes.set()
            while queue.under_way([0]):
                await asyncio.sleep(0.01)
            connection.cancel()
        again = await take_all(queue)
    server.close()

    assert [b"payload %d" % at for at in range(RECORDS)] == [hand.payload for hand in taken]
    assert [b""] * RECORDS == held
    assert [b"payload %d" % at for at in range(RECORDS)] == [one.payload for one in again]


@asynccontextmanager
async def brought(
    folder: Path, taker: Store, queues: Sequence[Queue], max_bytes: int
) -> AsyncIterator[asyncio.Task[None]]:
    """Have all lanes of queues brought to a taker, so much at a time; yield the connection."""
    reception = Reception(taker, folder, 1)
    reception.lanes = {lane.number for queue in queues for lane in queue.lanes}
    await reception.open()
    peer = Peer(folder, 1, max_bytes)
    connection = asyncio.create_task(peer.run())
    couriers = [
        asyncio.create_task(Courier(queue, lane.number, peer).run())
        for queue in queues
        for lane in queue.lanes
    ]
    try:
        yield connection
    finally:
        for task in (connection, *couriers):
            task.cancel()
        await asyncio.gather(connection, *couriers, return_exceptions=True)
        await reception.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_destination_that_is_away_leaves_room_for_others(tmp_path: Path) -> None:
    """What nobody takes fills a part of what may be handed over; others of any queue get there."""
    lanes = QueueConfig(num_lanes=2)
    async with (
        opened(tmp_path / "theirs", a=lanes, b=lanes) as (taker, theirs),
        opened(tmp_path / "ours", a=lanes, b=lanes) as (keeper, ours),
        brought(tmp_path, taker, list(ours.values()), 10_000),
    ):
        for _ in range(100):
            await keeper.commit([record(bytes(1000), destination="away")])
        away = theirs["a"].lanes[0].line("away")
        await until(lambda: len(away) > 1)
        for queue in ("a", "b"):
            for lane in range(2):
                fine = theirs[queue].lanes[lane].line("fine")
                await keeper.commit([record(queue=queue, lane=lane, destination="fine")])
                await until(fine.__bool__)
        held = len(away)

    assert 8 >= held


FIVES: dict[str, Any] = {
    "sending_queue": {"num_lanes": 1},
    "batch": {"max_spans": 5, "flush_timeout": "10ms"},
}


async def put(store: Store, sender: Sender, batches: Sequence[Batch], first: int) -> None:
    """Let batches wait that were received one after the other."""
    outlet = Outlet(sender)
    for at, one in enumerate(batches, first):
        context = msgspec.structs.replace(one.context, received_unix_ns=at)
        await store.commit(outlet.records(context, one))


@asynccontextmanager
async def sending(tmp_path: Path) -> AsyncIterator[tuple[Bench, Store, Queue]]:
    """Run a sender, which sends five spans a request, beside the store of another worker."""
    bench = Bench(tmp_path / "theirs" / "dead-letters", FIVES)
    keeper = Store(tmp_path / "ours")
    queue = keeper.open("sink", bench.exporter.config.sending_queue, follow=True)
    await bench.store.start()
    await keeper.start(lanes=[])
    task = asyncio.create_task(bench.sender.run())
    try:
        yield bench, keeper, queue
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await bench.store.close()
        await keeper.close()


async def test_older_spans_of_another_worker_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little of a backlog is handed over at once, younger spans wait for the rest of it."""
    monkeypatch.setattr(lane, "OLDER_S", 60)  # a busy machine may take its time
    old, young = ([batch({}) for _ in range(60)] for _ in range(2))
    away = True
    sent: list[list[SpanKey]] = []

    def answer(request: Batch, _number: int) -> Flow | None:
        if away:
            return Retry("away")
        sent.append(keys([request]))
        return None

    async with sending(tmp_path) as (bench, keeper, queue):
        bench.exporter.answer = answer
        await put(keeper, bench.sender, old, 1)
        async with brought(tmp_path, bench.store, [queue], 1_000):
            await bench.until(lambda: len(bench.exporter.requests) >= 2)
            await put(bench.store, bench.sender, young, 1_000)
            away = False
            await bench.until(lambda: len(bench.exporter.all_stored()) == 120)
    came = {key: at for at, key in enumerate(keys([*old, *young]))}
    order = [sorted(came[key] for key in request) for request in sent]  # each is sorted by trace id
    assert list(range(120)) == [at for request in order for at in request]
