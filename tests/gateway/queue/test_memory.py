"""What the memory queue promises: all queues or none, bounded, acknowledged one by one."""

import asyncio
import itertools

import pytest

from gateway.config.exporting import MIB, QueueConfig
from gateway.errors import Busy, Retry, TooLarge
from gateway.queue.base import Record
from gateway.queue.memory import MemoryQueue, MemoryStore

_ages = itertools.count(1)


def record(size: int = 10, *, queue: str = "a", lane: int = 0) -> Record:
    return Record(
        queue=queue,
        lane=lane,
        destination="",
        payload=bytes(size),
        spans=1,
        trace_ids=frozenset(),
        tenant="",
        received_unix_ns=next(_ages),
    )


def store_of(**queues: QueueConfig) -> tuple[MemoryStore, dict[str, MemoryQueue]]:
    store = MemoryStore()
    return store, {name: store.open(name, settings) for name, settings in queues.items()}


async def test_each_lane_reads_its_own_in_order() -> None:
    """Records come once, to their lane, oldest first."""
    store, queues = store_of(a=QueueConfig(num_lanes=2))
    records = [record(lane=at % 2) for at in range(6)]
    await store.commit(records[:4])
    await store.commit(records[4:])
    assert records[0::2] == await queues["a"].read(0)
    assert records[1::2] == await queues["a"].read(1)


async def test_a_reader_waits_for_records() -> None:
    """A reader of an empty lane gets what is committed later."""
    store, queues = store_of(a=QueueConfig())
    reading = asyncio.create_task(queues["a"].read(0))
    await asyncio.sleep(0)
    assert not reading.done()
    late = record()
    await store.commit([late])
    assert [late] == await reading


async def test_a_full_queue_says_when_to_come_back() -> None:
    """At the limit a commit is refused with a delay; an acknowledgement makes room."""
    store, queues = store_of(a=QueueConfig(max_size_mib=1))
    first = record(MIB)
    await store.commit([first])
    with pytest.raises(Busy, match="queue of a is full") as refusal:
        await store.commit([record(1)])
    assert refusal.value.after > 0
    queues["a"].ack(first)
    await store.commit([record(1)])


async def test_all_queues_or_none() -> None:
    """Where one queue is full, no other gets its records."""
    store, queues = store_of(a=QueueConfig(), b=QueueConfig(max_size_mib=1))
    await store.commit([record(MIB, queue="b")])
    with pytest.raises(Busy):
        await store.commit([record(queue="a"), record(queue="b")])
    assert 0 == queues["a"].stats().spans


async def test_more_than_a_whole_queue_never_fits() -> None:
    """A request larger than the queue is refused for good."""
    store, _ = store_of(a=QueueConfig(max_size_mib=1))
    with pytest.raises(TooLarge, match="max_size_mib"):
        await store.commit([record(MIB), record(1)])


async def test_records_are_acknowledged_one_by_one() -> None:
    """A later record can go while an earlier one stays; twice is once."""
    store, queues = store_of(a=QueueConfig())
    first, second = record(10), record(20)
    await store.commit([first, second])
    queues["a"].ack(second)
    queues["a"].ack(second)
    stats = queues["a"].stats()
    assert (10, 1, first.received_unix_ns) == (stats.size_bytes, stats.spans, stats.oldest_unix_ns)


async def test_drop_oldest_makes_room() -> None:
    """With ``drop_oldest`` the oldest goes, unless it is under way."""
    settings = QueueConfig(max_size_mib=1, on_full="drop_oldest")
    store, queues = store_of(a=settings)
    under_way, old, new = (record(MIB // 2) for _ in range(3))
    await store.commit([under_way, old])
    under_way.in_flight = True
    await store.commit([new])
    assert old.dropped
    assert not under_way.dropped
    assert [under_way, new] == await queues["a"].read(0)
    assert 2 == queues["a"].stats().spans


async def test_a_closed_store_refuses() -> None:
    """After closing, senders are told to come back."""
    store, _ = store_of(a=QueueConfig())
    await store.close()
    with pytest.raises(Retry):
        await store.commit([record()])
