"""What the queues promise on disk and in memory: all or none, bounded, acknowledged one by one."""

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from gateway.config.exporting import MIB, QueueConfig
from gateway.errors import Busy, Retry, TooLarge
from tests.gateway.queue.support import EVERYTHING, opened, payloads, record, take_all

Storage = Literal["disk", "memory"]
pytestmark = pytest.mark.parametrize("storage", ["disk", "memory"])


async def test_each_lane_reads_its_own_in_order(tmp_path: Path, storage: Storage) -> None:
    """Records come once, to their lane, oldest first."""
    async with opened(tmp_path, a=QueueConfig(num_lanes=2, storage=storage)) as (store, queues):
        for at in range(0, 6, 2):
            await store.commit([record(b"%d" % at, lane=0), record(b"%d" % (at + 1), lane=1)])
        assert [b"0", b"2", b"4"] == await payloads(queues["a"], 0)
        assert [b"1", b"3", b"5"] == await payloads(queues["a"], 1)
        assert [] == await payloads(queues["a"], 1)


async def test_a_reader_hears_of_records(tmp_path: Path, storage: Storage) -> None:
    """A reader of an empty lane is woken with the destinations that got something."""
    async with opened(tmp_path, a=QueueConfig(storage=storage)) as (store, queues):
        waiting = asyncio.create_task(queues["a"].lanes[0].news())
        await asyncio.sleep(0)
        assert not waiting.done()
        await store.commit([record(destination="x"), record(destination="y")])
        assert ["x", "y"] == await waiting


async def test_a_full_queue_says_when_to_come_back(tmp_path: Path, storage: Storage) -> None:
    """At the limit a commit is refused with a delay; an acknowledgement makes room."""
    async with opened(tmp_path, a=QueueConfig(max_size_mib=1, storage=storage)) as (store, queues):
        await store.commit([record(bytes(MIB - 1000))])
        with pytest.raises(Busy, match="queue of a is full") as refusal:
            await store.commit([record(bytes(1001))])
        assert refusal.value.after > 0
        (taken,) = await take_all(queues["a"])
        queues["a"].ack(taken)
        await store.commit([record(bytes(1001))])


async def test_all_queues_or_none(tmp_path: Path, storage: Storage) -> None:
    """Where one queue is full, no other gets its records, nor keeps room for them."""
    small = QueueConfig(max_size_mib=1, storage=storage)
    other = QueueConfig(max_size_mib=1, storage="memory")
    async with opened(tmp_path, a=small, b=other) as (store, queues):
        await store.commit([record(bytes(MIB), queue="b")])
        with pytest.raises(Busy):
            await store.commit([record(bytes(MIB // 2)), record(queue="b")])
        assert 0 == queues["a"].stats().spans
        await store.commit([record(bytes(MIB - 100))])


async def test_more_than_a_whole_queue_never_fits(tmp_path: Path, storage: Storage) -> None:
    """A request larger than the queue is refused for good."""
    async with opened(tmp_path, a=QueueConfig(max_size_mib=1, storage=storage)) as (store, _):
        with pytest.raises(TooLarge, match="max_size_mib"):
            await store.commit([record(bytes(MIB)), record(b"1")])


async def test_records_are_acknowledged_one_by_one(tmp_path: Path, storage: Storage) -> None:
    """A later record can go while an earlier one stays; twice is once."""
    async with opened(tmp_path, a=QueueConfig(storage=storage)) as (store, queues):
        await store.commit([record(), record()])
        first, second = await take_all(queues["a"])
        queues["a"].ack(second)
        queues["a"].ack(second)
        stats = queues["a"].stats()
        left = first.size, 1, first.received_unix_ns
        assert left == (stats.size_bytes, stats.spans, stats.oldest_unix_ns)


async def test_drop_oldest_makes_room(tmp_path: Path, storage: Storage) -> None:
    """With ``drop_oldest`` the oldest goes, unless it is under way."""
    settings = QueueConfig(max_size_mib=1, on_full="drop_oldest", storage=storage)
    async with opened(tmp_path, a=settings) as (store, queues):
        await store.commit([record(b"1" * (MIB // 3 - 1000))])
        (under_way,) = await take_all(queues["a"])
        for mark in (b"2", b"3", b"4"):
            await store.commit([record(mark * (MIB // 3 - 1000))])
        left = await payloads(queues["a"])
        assert [b"3"[0], b"4"[0]] == [payload[0] for payload in left]
        queues["a"].ack(under_way)
        assert 2 == queues["a"].stats().spans


async def test_put_back_comes_first_again(tmp_path: Path, storage: Storage) -> None:
    """What could not be sent is the next to be taken, in the old order."""
    async with opened(tmp_path, a=QueueConfig(storage=storage)) as (store, queues):
        queue = queues["a"]
        for at in range(4):
            await store.commit([record(b"%d" % at)])
        line = queue.lanes[0].line("")
        tried = await queue.take(line, max_spans=2, max_bytes=MIB)
        queue.put_back(line, tried)
        assert 4 == queue.stats().spans == line.spans
        assert [b"0", b"1", b"2", b"3"] == await payloads(queue)


async def test_a_part_waits_by_itself(tmp_path: Path, storage: Storage) -> None:
    """A record is done once each of the parts that were set aside is."""
    async with opened(tmp_path, a=QueueConfig(storage=storage)) as (store, queues):
        queue = queues["a"]
        await store.commit([record()])
        (whole,) = await take_all(queue)
        elsewhere = queue.lanes[0].line("elsewhere")
        queue.set_aside(whole, elsewhere, (0,))
        queue.ack(whole)
        stats = queue.stats()
        assert (whole.size, 1) == (stats.size_bytes, stats.spans)
        (part,) = await queue.take(elsewhere, **EVERYTHING)
        assert ((0,), b"payload") == (part.only, part.payload)
        queue.ack(part)
        assert (0, 0) == (queue.stats().size_bytes, queue.stats().spans)


async def test_a_closed_store_refuses(tmp_path: Path, storage: Storage) -> None:
    """After closing, senders are told to come back."""
    async with opened(tmp_path, a=QueueConfig(storage=storage)) as (store, _):
        await store.close()
        with pytest.raises(Retry):
            await store.commit([record()])
