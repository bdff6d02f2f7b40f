"""What a full queue promises: who fills it is refused, and nobody else."""

from pathlib import Path

import pytest

from gateway.config.exporting import MIB, QueueConfig
from gateway.errors import Busy, ShareFull
from gateway.queue.holdings import Holdings
from gateway.queue.queue import Queue
from gateway.queue.store import Store
from tests.gateway.queue.support import opened, record, take_all

SMALL = QueueConfig(num_lanes=1, max_size_mib=1)
PIECE = bytes(10_000)


async def fill(store: Store, tenant: str) -> int:
    """Commit records of a tenant until one is refused; return how many went in."""
    for count in range(1000):
        try:
            await store.commit([record(PIECE, tenant=tenant)])
        except Busy:
            return count
    raise AssertionError("never refused")


async def ack_all(queue: Queue) -> None:
    for taken in await take_all(queue):
        queue.ack(taken)


async def test_who_fills_the_queue_is_refused_alone(tmp_path: Path) -> None:
    """One tenant gets no more than four fifths, and the next finds room."""
    async with opened(tmp_path, several_tenants=True, a=SMALL) as (store, _):
        flood = await fill(store, "flood")
        assert 0.75 * MIB < flood * len(PIECE) < 0.81 * MIB
        for tenant in range(10):
            await store.commit([record(bytes(1000), tenant=f"tenant {tenant}")])
        with pytest.raises(ShareFull, match=r"0\.8 MiB of its spans") as refusal:
            await store.commit([record(PIECE, tenant="flood")])
        assert refusal.value.after > 0


async def test_two_that_fill_it_get_the_same(tmp_path: Path) -> None:
    """The first to fill the queue is not better off once both have been served for a while."""
    async with opened(tmp_path, several_tenants=True, a=SMALL) as (store, queues):
        await fill(store, "first")
        await fill(store, "second")
        await ack_all(queues["a"])
        for tenant in ("first", "second") * 100:
            try:
                await store.commit([record(PIECE, tenant=tenant)])
            except ShareFull:
                continue
        held = {"first": 0, "second": 0}
        for taken in await take_all(queues["a"]):
            held[taken.tenant] += 1
        assert abs(held["first"] - held["second"]) <= 1
        assert 0.8 * MIB < sum(held.values()) * len(PIECE) < 0.95 * MIB


async def test_a_lone_tenant_may_have_all(tmp_path: Path) -> None:
    """Without others a tenant fills the queue to the end."""
    async with opened(tmp_path, a=SMALL) as (store, queues):
        await fill(store, "only")
        with pytest.raises(Busy, match="queue of a is full") as refusal:
            await store.commit([record(PIECE, tenant="only")])
        assert not isinstance(refusal.value, ShareFull)
        assert queues["a"].stats().size_bytes > MIB - len(PIECE) - 200


async def test_shares_are_known_after_a_restart(tmp_path: Path) -> None:
    """What waits from before counts for its tenant, and no more once it is delivered."""
    async with opened(tmp_path, several_tenants=True, a=SMALL) as (store, _):
        await fill(store, "flood")
    async with opened(tmp_path, several_tenants=True, a=SMALL) as (store, queues):
        with pytest.raises(ShareFull):
            await store.commit([record(PIECE, tenant="flood")])
        await ack_all(queues["a"])
        assert 0 == queues["a"].stats().size_bytes
        assert 50 < await fill(store, "flood")


async def test_the_largest_makes_room(tmp_path: Path) -> None:
    """With ``drop_oldest`` the tenant that holds most loses its oldest, and nobody else."""
    dropping = QueueConfig(num_lanes=1, max_size_mib=1, on_full="drop_oldest")
    async with opened(tmp_path, several_tenants=True, a=dropping) as (store, queues):
        await store.commit([record(b"old", tenant="small")])
        for _ in range(200):
            await store.commit([record(PIECE, tenant="flood")])
        left = await take_all(queues["a"])
        assert [b"old"] == [each.payload for each in left if each.tenant == "small"]
        assert 200 > len(left) > 90


def test_a_single_request_may_use_all_that_is_free() -> None:
    """A tenant with nothing in the queue gets a large request through."""
    holdings = Holdings("a", 100, lambda: True)
    holdings.check({"ada": 100})
    holdings.add("ada", 1)
    with pytest.raises(ShareFull):
        holdings.check({"ada": 99})
