"""What the queue on disk promises across restarts, failures of the disk, and long outages."""

import asyncio
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.exporting import MIB, QueueConfig
from gateway.errors import Retry
from gateway.queue import notes, shelf
from gateway.queue.base import Record
from gateway.queue.folder import QueueFolderError
from gateway.queue.queue import MemoryShelf
from gateway.queue.store import Store
from gateway.testing import FakeClock
from tests.gateway.queue.faults import FailingDisk, full
from tests.gateway.queue.support import EVERYTHING, opened, payloads, record, take_all

ONE = QueueConfig(num_lanes=1)


async def written(store: Store) -> None:
    """Wait until acknowledgements are written; the writer does it a moment later."""
    await asyncio.sleep(notes.DELAY_S * 3)
    await store.lose(())  # the writer has done what it was told until now


def used(folder: Path) -> int:
    """Return the bytes that the log takes."""
    return sum(path.stat().st_size for path in (folder / "log-0").glob("*"))


def all_below(folder: Path) -> list[Path]:
    """Return every file and folder."""
    return list(folder.rglob("*"))


async def test_what_waits_survives(tmp_path: Path) -> None:
    """After a restart a lane has what was not acknowledged, oldest first."""
    async with opened(tmp_path) as (store, queues):
        for at in range(100):
            await store.commit([record(b"%d" % at)])
        for taken in await take_all(queues["a"]):
            if int(taken.payload) % 3:
                queues["a"].ack(taken)
    async with opened(tmp_path) as (_, queues):
        assert 34 == queues["a"].stats().spans
        assert [b"%d" % at for at in range(0, 100, 3)] == await payloads(queues["a"])


@pytest.mark.parametrize("kept", [False, True], ids=["removed", "not to be removed"])
async def test_notes_of_a_segment_that_is_gone_count_for_no_other(
    tmp_path: Path, *, kept: bool
) -> None:
    """Who is killed between the removal of a segment and of its notes leaves the notes behind."""
    async with opened(tmp_path) as (store, queues):
        await store.commit([record(b"old 1")])
        await store.commit([record(b"old 2")])
        for taken in await take_all(queues["a"]):
            queues["a"].ack(taken)
    (segment,) = (tmp_path / "log-0").glob("seg-*.log")
    segment.unlink()

    disk = FailingDisk()
    if kept:
        disk.failure = full("remove")
    async with opened(tmp_path, disk=disk) as (store, _):
        await store.commit([record(b"new 1")])
        await store.commit([record(b"new 2")])
    async with opened(tmp_path) as (_, queues):
        assert [b"new 1", b"new 2"] == await payloads(queues["a"])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_random_lives_keep_exactly_what_waits(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is committed, acknowledged and reopened: the rest is there, in order, each once."""
    folder = tmp_path_factory.mktemp("queue")
    steps = st.lists(st.sampled_from(["commit", "commit", "deliver", "reopen"]), max_size=30)
    seed = data.draw(st.integers(0, 1 << 32))
    asyncio.run(_live(folder, data.draw(steps), random.Random(seed)))


async def _live(folder: Path, steps: list[str], dice: random.Random) -> None:
    waiting: dict[int, list[bytes]] = {0: [], 1: []}
    number = 0
    lanes = QueueConfig(num_lanes=2)
    for life in " ".join(steps).split("reopen"):
        async with opened(folder, segment_bytes=2048, a=lanes) as (store, queues):
            for step in life.split():
                if step == "commit":
                    number += 1
                    made = [record(_body(number, lane, dice), lane=lane) for lane in (0, 1)]
                    await store.commit(made)
                    for one in made:
                        waiting[one.lane].append(one.payload)
                else:
                    lane = dice.randrange(2)
                    line = queues["a"].lanes[lane].line("")
                    taken = await queues["a"].take(line, max_spans=3, max_bytes=MIB)
                    assert waiting[lane][: len(taken)] == [one.payload for one in taken]
                    keep = [one for one in taken if dice.random() < 0.3]
                    for one in taken:
                        if one not in keep:
                            queues["a"].ack(one)
                            waiting[lane].remove(one.payload)
                    queues["a"].put_back(line, keep)
    async with opened(folder, segment_bytes=2048, a=lanes) as (_, queues):
        for lane in (0, 1):
            assert waiting[lane] == await payloads(queues["a"], lane)


async def test_what_is_moved_while_closing_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No segment is begun to be moved when the queue closes: nobody would note that it was."""
    monkeypatch.setattr(notes, "DELAY_S", 0)
    async with opened(tmp_path, segment_bytes=2048) as (store, queues):
        for number in range(80):
            await store.commit([record(b"%d " % number + bytes(300))])
        taken = await take_all(queues["a"])
        kept = taken[::4]
        for one in taken:
            if one not in kept:
                queues["a"].ack(one)
        queues["a"].put_back(queues["a"].lanes[0].line(""), kept)
        for _ in range(5):
            await asyncio.sleep(0)  # what was acknowledged is noted, and the first segment moves
    async with opened(tmp_path, segment_bytes=2048) as (_, queues):
        assert [one.payload for one in kept] == await payloads(queues["a"])


async def test_what_is_moved_twice_keeps_its_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records moved before and behind a younger one, in one segment, come before it again."""
    monkeypatch.setattr(notes, "DELAY_S", 0)

    async def keep(numbers: set[int], gone: str) -> None:
        line = queues["a"].lanes[0].line("")
        taken = await queues["a"].take(line, **EVERYTHING)
        kept = [one for one in taken if int(one.payload.split()[0]) in numbers]
        for one in taken:
            if one not in kept:
                queues["a"].ack(one)
        queues["a"].put_back(line, kept)
        async with asyncio.timeout(60):
            while (tmp_path / "log-0" / gone).exists():
                await asyncio.sleep(0.001)

    async with opened(tmp_path, segment_bytes=8192) as (store, queues):
        for number in range(110):
            await store.commit([record(b"%d " % number + bytes(250))])
        await keep({*range(11), 50, *range(70, 77)}, "seg-00000002.log")
        await store.commit([record(b"200 ")])
        await keep({0, 2, 50, 70, 200}, "seg-00000003.log")
    async with opened(tmp_path, segment_bytes=8192) as (_, queues):
        waiting = [int(payload.split()[0]) for payload in await payloads(queues["a"])]
        assert [0, 2, 50, 70, 200] == waiting


def _body(number: int, lane: int, dice: random.Random) -> bytes:
    return b"%d/%d " % (number, lane) + bytes(dice.choice([0, 10, 500, 3000]))


async def test_older_payloads_leave_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the cache a payload is read when its turn comes; order and content stay."""
    monkeypatch.setattr(shelf, "CACHE_BYTES", 3000)
    async with opened(tmp_path) as (store, queues):
        made = [record(b"%d " % at + bytes(500)) for at in range(20)]
        for one in made:
            await store.commit([one])
        line = queues["a"].lanes[0].line("")
        assert 20 == len(line)
        assert 15 <= sum(len(run) for each in line.lines() for run in each.runs)
        assert [one.payload for one in made] == await payloads(queues["a"])


async def test_a_backlog_leaves_memory(tmp_path: Path) -> None:
    """Once the oldest has waited for some seconds no payload stays; order and content do."""
    clock = FakeClock()
    async with opened(tmp_path, clock=clock) as (store, queues):
        made = [record(b"%d " % at + bytes(500)) for at in range(20)]
        for one in made[:10]:
            await store.commit([one])
        line = queues["a"].lanes[0].line("")
        kept = [sum(len(each.fresh) for each in line.lines())]
        clock.advance(shelf.FRESH_S + 1)
        for one in made[10:]:
            await store.commit([one])
            kept.append(sum(len(each.fresh) for each in line.lines()))
        assert [10, *[0] * 10] == kept
        assert [one.payload for one in made] == await payloads(queues["a"])
        await store.commit([record()])
        assert 1 == sum(len(each.fresh) for each in line.lines())


async def test_guests_stay_before_what_leaves_memory(tmp_path: Path) -> None:
    """In a line that holds guests too, our own payloads alone leave; nothing is lost."""
    clock, guests = FakeClock(), MemoryShelf()
    async with opened(tmp_path, clock=clock) as (store, queues):
        queue = queues["a"]
        aside = queue.lanes[0].aside("")
        for at in range(6):
            one = record(b"%d" % at)
            if at % 2:
                one.shelf = guests
                store.visit(one)
            else:
                await store.commit([one])
            (taken,) = await take_all(queue)
            clock.advance(shelf.FRESH_S)
            queue.set_aside(taken, aside, (0,))
            queue.ack(taken)
        kept = [one.payload for one in aside.fresh]
        left = await queue.take(aside, **EVERYTHING)
    assert [b"1", b"3", b"5"] == kept
    assert [b"%d" % at for at in range(6)] == sorted(one.payload for one in left)


async def test_done_segments_are_given_back(tmp_path: Path) -> None:
    """Once everything is acknowledged, at most spare files and the growing one are left."""
    async with opened(tmp_path) as (store, queues):
        for _ in range(100):
            await store.commit([record(bytes(500))])
        assert used(tmp_path) > 50_000
        for taken in await take_all(queues["a"]):
            queues["a"].ack(taken)
        await written(store)
        assert used(tmp_path) <= 4 * 4096
    assert used(tmp_path) <= 4096 + 100


async def test_a_parked_destination_pins_little(tmp_path: Path) -> None:
    """One record in fifty waits for long: disk use stays near what waits."""
    async with opened(tmp_path) as (store, queues):
        queue = queues["a"]
        parked = []
        for at in range(1500):
            to = "parked" if at % 50 == 0 else "fine"
            one = record(b"%d " % at + bytes(400), destination=to)
            parked += [one.payload] if to == "parked" else []
            await store.commit([one])
            if at % 100 == 99:
                for taken in await queue.take(queue.lanes[0].line("fine"), **EVERYTHING):
                    queue.ack(taken)
        for _ in range(100):
            await written(store)
            live = queue.stats().size_bytes
            if used(tmp_path) <= 2 * live + 5 * 4096:
                break
        assert (
            used(tmp_path) <= 2 * live + 5 * 4096
        )  # two spare files, one that grows, one of slack
        assert 30 == queue.stats().spans
        line = queue.lanes[0].line("parked")
        assert parked == [taken.payload for taken in await queue.take(line, **EVERYTHING)]
    async with opened(tmp_path) as (_, queues):
        line = queues["a"].lanes[0].line("parked")
        assert parked == [taken.payload for taken in await queues["a"].take(line, **EVERYTHING)]


async def test_what_is_under_way_is_followed_when_moved(tmp_path: Path) -> None:
    """A record that is being sent while its segment is cleared is acknowledged all the same."""
    async with opened(tmp_path) as (store, queues):
        queue = queues["a"]
        slow: list[Record] = []
        for _ in range(8):
            await store.commit([record(b"slow", destination="slow")])
            slow += await queue.take(queue.lanes[0].line("slow"), **EVERYTHING)
            for _ in range(10):
                await store.commit([record(bytes(400), destination="fine")])
        before = [one.position for one in slow]
        for taken in await queue.take(queue.lanes[0].line("fine"), **EVERYTHING):
            queue.ack(taken)
        for _ in range(100):
            await written(store)
            if slow[0].position != before[0]:
                break
        assert before[0] != slow[0].position
        for one in slow:
            queue.ack(one)
        assert 0 == queue.stats().spans
    async with opened(tmp_path) as (_, queues):
        assert 0 == queues["a"].stats().spans


async def test_traces_stay_at_home_after_a_restart(tmp_path: Path) -> None:
    """Where a delivered trace went is remembered, also by the next process."""
    trace = frozenset([bytes(15) + b"1"])
    async with opened(tmp_path, follow=True, a=ONE) as (store, queues):
        await store.commit([record(destination="first", trace_ids=trace)])
        for taken in await take_all(queues["a"]):
            queues["a"].ack(taken)
    async with opened(tmp_path, follow=True, a=ONE) as (store, queues):
        await store.commit([record(destination="second", trace_ids=trace)])
        (taken,) = await take_all(queues["a"])
        assert "first" == taken.destination


async def test_a_full_disk_says_come_back_and_recovers(tmp_path: Path) -> None:
    """No space: senders are told to come back, what is there stays, then it goes on by itself."""
    disk = FailingDisk()
    async with opened(tmp_path, disk=disk) as (store, queues):
        await store.commit([record(b"before")])
        for operations in (["write"], ["create", "write"], ["sync"]):
            disk.failure = full(*operations)
            for _ in range(3):
                with pytest.raises(Retry, match="No space left") as refusal:
                    await store.commit([record(b"refused"), record(b"refused")])
                assert refusal.value.after
            assert "No space left" in str(store.trouble)
            disk.failure = lambda _operation: None
            await store.commit([record(b"after " + operations[0].encode())])
            assert store.trouble is None
        stats = queues["a"].stats()
        assert 4 == stats.spans
    async with opened(tmp_path) as (_, queues):
        expected = [b"before", b"after write", b"after create", b"after sync"]
        assert expected == await payloads(queues["a"])
        assert stats.size_bytes == queues["a"].stats().size_bytes


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 2 MiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    yield tmp_path / "queue"
    subprocess.run(["umount", str(tmp_path)], check=True)


async def test_a_really_full_disk(small_disk: Path) -> None:
    """The same on a file system of 2 MiB: acknowledged records are whole, room makes it go on."""
    kept: list[bytes] = []
    async with opened(small_disk, segment_bytes=256 * 1024) as (store, queues):
        refusal: Retry | None = None
        while refusal is None:
            try:
                await store.commit([record(b"%d " % len(kept) + bytes(50_000))])
                kept.append(b"%d" % len(kept))
            except Retry as caught:
                refusal = caught
        assert "No space left" in refusal.reason
        assert len(kept) > 20
        line = queues["a"].lanes[0].line("")
        for taken in await queues["a"].take(line, max_spans=len(kept) // 2, max_bytes=1 << 30):
            kept.remove(taken.payload.split()[0])
            queues["a"].ack(taken)
        await written(store)
        await store.commit([record(b"late")])
        kept.append(b"late")
    async with opened(small_disk) as (_, queues):
        assert kept == [some.split(b" ")[0] for some in await payloads(queues["a"])]


async def test_everything_is_for_us_alone(tmp_path: Path) -> None:
    """Folders are 0700 and files 0600, whatever the umask."""
    umask = os.umask(0)
    try:
        async with opened(tmp_path / "queue", follow=True, a=ONE) as (store, queues):
            await store.commit([record(trace_ids=frozenset([bytes(16)]))])
            for taken in await take_all(queues["a"]):
                queues["a"].ack(taken)
            await written(store)
    finally:
        os.umask(umask)
    modes = {(path.is_dir(), oct(path.stat().st_mode & 0o777)) for path in all_below(tmp_path)}
    assert {(False, "0o600"), (True, "0o700")} == modes


async def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A folder that a newer version wrote is left alone, with what to do."""
    async with opened(tmp_path):
        pass
    (tmp_path / "FORMAT").write_text("spangate queue, format 9\n")
    with pytest.raises(QueueFolderError, match="newer Spangate"):
        async with opened(tmp_path):
            pass


@pytest.mark.parametrize(
    ("after", "advice"),
    [
        (QueueConfig(num_lanes=2), "run once with num_lanes: 1 until the queue is empty"),
        (QueueConfig(num_lanes=1, storage="memory"), "run once with `disk`"),
    ],
)
async def test_settings_that_need_an_empty_queue(
    tmp_path: Path, after: QueueConfig, advice: str
) -> None:
    """Lanes and storage change on an empty queue only; what waits is not touched."""
    async with opened(tmp_path) as (store, _):
        await store.commit([record(b"waits")])
    with pytest.raises(QueueFolderError, match=advice):
        async with opened(tmp_path, a=after):
            pass
    async with opened(tmp_path) as (_, queues):
        (taken,) = await take_all(queues["a"])
        assert b"waits" == taken.payload
        queues["a"].ack(taken)
    async with opened(tmp_path, a=after):
        pass


async def test_an_exporter_that_is_gone_keeps_its_spans(tmp_path: Path) -> None:
    """Records for an exporter that is no longer configured wait until it is again."""
    async with opened(tmp_path, a=ONE, b=ONE) as (store, _):
        await store.commit([record(b"for b", queue="b")])
    async with opened(tmp_path, a=ONE) as (store, queues):
        for _ in range(50):  # so that the segments are cleared around it
            await store.commit([record(bytes(500))])
            for taken in await take_all(queues["a"]):
                queues["a"].ack(taken)
        await written(store)
    async with opened(tmp_path, a=ONE, b=ONE) as (_, queues):
        assert [b"for b"] == await payloads(queues["b"])


async def test_a_sender_that_hangs_up_changes_nothing(tmp_path: Path) -> None:
    """A commit whose caller goes away is stored all the same, and its room is accounted."""
    store = Store(tmp_path)
    queue = store.open("a", ONE)
    await store.start()
    caller = asyncio.create_task(store.commit([record(b"left alone")]))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await store.commit([record(b"next")])
    assert [b"left alone", b"next"] == await payloads(queue)
    await store.close()
