"""What a worker keeps of the records that another one has taken from it."""

import asyncio
from pathlib import Path

from gateway.workers.channel import Channel
from gateway.workers.handing import Hand, Peer, socket_path
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
            await peer.room()
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
