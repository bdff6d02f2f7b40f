"""What a line promises to the tenants that share a destination."""

from collections import Counter
from pathlib import Path

from gateway.queue.base import Record
from gateway.queue.fair_line import FairLine
from gateway.queue.queue import MemoryShelf
from tests.gateway.queue.support import opened, record

MIB = 1024 * 1024


def line(**waiting: int) -> FairLine:
    """Return a line with so many records of one span of each tenant, those of one together."""
    made = FairLine("a", 0, "")
    for tenant, count in waiting.items():
        for _ in range(count):
            made.append(record(tenant=tenant))
    return made


def test_tenants_take_turns() -> None:
    """A backlog of one tenant delays no other: each gets an equal part of a request."""
    taken = line(flood=1000, ada=5, bob=5).take(max_spans=12, max_bytes=MIB)
    assert {"flood": 4, "ada": 4, "bob": 4} == Counter(each.tenant for each in taken)


def test_what_others_leave_is_used() -> None:
    """A request is filled, with whatever there is."""
    taken = line(flood=1000, ada=1).take(max_spans=100, max_bytes=MIB)
    assert {"flood": 99, "ada": 1} == Counter(each.tenant for each in taken)


def test_each_tenant_is_served_oldest_first() -> None:
    """Inside a tenant nothing overtakes."""
    shared = line(ada=3, bob=3)
    taken = [each for _ in range(3) for each in shared.take(max_spans=2, max_bytes=MIB)]
    for tenant in ("ada", "bob"):
        times = [each.received_unix_ns for each in taken if each.tenant == tenant]
        assert 3 == len(times)
        assert sorted(times) == times
    assert not shared
    assert 0 == len(shared) == shared.spans == shared.size


def test_a_reader_is_told_when_there_is_enough() -> None:
    """Who gathers spans for a request is told of a record once they fill it, else of each."""
    gathered = line(ada=1)
    assert gathered.has_news()
    gathered.awaited = 3, MIB
    assert not gathered.has_news()
    gathered.append(record(bytes(MIB), tenant="bob"))
    assert gathered.has_news()
    gathered.take(max_spans=10, max_bytes=2 * MIB)
    assert not gathered.has_news()
    gathered.append(record(spans=3))
    assert gathered.has_news()


def test_large_records_count_for_more() -> None:
    """Parts are measured by what fills a request, in spans or bytes, not by records."""
    shared = FairLine("a", 0, "")
    for _ in range(100):
        shared.append(record(tenant="many spans", spans=50))
        shared.append(record(bytes(MIB // 10), tenant="many bytes"))
        shared.append(record(tenant="small"))
        shared.append(record(tenant="small"))
    first = [shared.take(max_spans=500, max_bytes=MIB) for _ in range(4)]
    counts = Counter(each.tenant for request in first for each in request)
    assert 200 == counts["small"]
    assert 15 <= counts["many spans"]
    assert abs(counts["many spans"] - counts["many bytes"]) <= 1


def test_newcomers_have_no_credit() -> None:
    """Who was silent for long gets its turn, not all the turns that it has missed."""
    shared = line(flood=1000)
    for _ in range(50):
        shared.take(max_spans=10, max_bytes=MIB)
    for _ in range(100):
        shared.append(record(tenant="ada"))
    taken = shared.take(max_spans=20, max_bytes=MIB)
    assert 9 <= Counter(each.tenant for each in taken)["flood"] <= 11


def test_what_was_put_back_goes_first_and_alone() -> None:
    """A request that failed is tried again as it was, whoever came since."""
    shared = line(ada=2, bob=2)
    tried = shared.take(max_spans=3, max_bytes=MIB)
    shared.append(record(tenant="eve"))
    shared.put_back(tried)
    assert tried == shared.take(max_spans=100, max_bytes=MIB)
    assert 2 == len(shared.take(max_spans=100, max_bytes=MIB))


async def test_turns_survive_a_restart(tmp_path: Path) -> None:
    """After a restart tenants take turns as before, each record under its tenant's name."""
    async with opened(tmp_path) as (store, _):
        for _ in range(50):
            await store.commit([record(tenant="flood")])
        await store.commit([record(tenant="ada")])
    async with opened(tmp_path) as (_, queues):
        shared = queues["a"].lanes[0].line("")
        taken = await queues["a"].take(shared, 4, MIB)
    assert {"flood": 3, "ada": 1} == Counter(each.tenant for each in taken)


def guest(shelf: MemoryShelf, tenant: str) -> Record:
    """Return a record that another worker keeps, younger than those before."""
    made = record(tenant=tenant)
    made.shelf = shelf
    return made


def test_nothing_overtakes_what_another_worker_keeps() -> None:
    """The oldest of a tenant goes first, whether it is kept here or by any other worker."""
    shared, shelves = FairLine("a", 0, ""), [MemoryShelf(), MemoryShelf()]
    made = [
        guest(shelves[at % 3], "ada") if at % 3 < 2 else record(tenant="ada") for at in range(30)
    ]
    for one in (*made[1::3], *made[::3], *made[2::3]):  # those of one worker in order
        shared.append(one)
    taken = [each for _ in range(6) for each in shared.take(max_spans=5, max_bytes=MIB)]
    assert made == taken


def test_a_tenant_has_one_turn_in_all_workers() -> None:
    """Who sends through several workers gets no larger part than who sends through one."""
    shared, shelves = FairLine("a", 0, ""), [MemoryShelf(), MemoryShelf()]
    for _ in range(20):
        shared.append(record(tenant="ada"))
        shared.append(record(tenant="bob"))
        for shelf in shelves:
            shared.append(guest(shelf, "ada"))
    taken = shared.take(max_spans=20, max_bytes=MIB)
    assert {"ada": 10, "bob": 10} == Counter(each.tenant for each in taken)


def test_nothing_younger_goes_with_what_has_older_behind_it() -> None:
    """A request ends before it overtakes what another worker announced; later that is early."""
    shared, shelf = FairLine("a", 0, ""), MemoryShelf()
    guests = [guest(shelf, "ada") for _ in range(3)]
    announced, own = record(tenant="ada"), record(tenant="ada")
    for one in (own, *guests):
        shared.append(one)
    shared.expect(shelf, announced.received_unix_ns)
    first, early = shared.take(max_spans=10, max_bytes=MIB), shared.early
    announced.shelf = shelf
    shared.append(announced)
    shared.expect(shelf, 0)
    assert guests == first
    assert early
    assert not shared.early
    assert [announced, own] == shared.take(max_spans=10, max_bytes=MIB)


def test_what_is_younger_than_the_oldest_here_delays_nothing() -> None:
    """What another worker announced is waited for only if it is older than what would go."""
    shared = line(ada=3)
    shared.expect(MemoryShelf(), record().received_unix_ns)
    assert not shared.early
    assert 3 == len(shared.take(max_spans=10, max_bytes=MIB))
