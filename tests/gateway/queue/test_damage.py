"""What damage to the files costs: the records that were hit, and nothing else."""

import random
import shutil
from pathlib import Path

import pytest

from gateway.queue import frame, notes, shelf
from gateway.telemetry import metrics
from gateway.testing import FakeLogger
from tests.gateway.queue.support import opened, payloads, record, take_all

RECORDS = 60


def damaged() -> float:
    """Return how many damaged records have been counted."""
    return float(metrics.queue_damaged_records._value.get())


def lost_spans() -> float:
    """Return how many spans of damaged records have been counted."""
    return float(metrics.exporter_send_failed_spans.labels("a", "damaged")._value.get())


async def fill(folder: Path) -> list[bytes]:
    """Write records and return their payloads."""
    async with opened(folder) as (store, _):
        made = [record(b"%03d " % at + random.randbytes(300)) for at in range(RECORDS)]
        for one in made:
            await store.commit([one])
    return [one.payload for one in made]


def segments(folder: Path) -> list[Path]:
    return sorted((folder / "log-0").glob("seg-*.log"))


def end_of(path: Path) -> int:
    """Return where the records of a log in use end; zeros may follow."""
    return len(path.read_bytes().rstrip(b"\0"))


def flip(path: Path, at: int) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << random.randrange(8)
    path.write_bytes(data)


@pytest.mark.parametrize("seed", range(25))
async def test_a_flipped_bit_costs_one_record(tmp_path: Path, seed: int) -> None:
    """Wherever in head, meta or payload a bit flips: that record is lost, counted and kept."""
    sent = await fill(tmp_path)
    random.seed(seed)
    path = random.choice(segments(tmp_path))
    flip(path, random.randrange(path.stat().st_size))
    counted = damaged()
    async with opened(tmp_path) as (_, queues):
        found = await payloads(queues["a"])
    missing = [payload for payload in sent if payload not in found]
    assert found == [payload for payload in sent if payload in found]
    assert len(missing) <= 1
    assert len(missing) == damaged() - counted  # a flipped bit of padding harms nobody
    assert len(missing) == len(list((tmp_path / "damaged").glob("*")))


async def test_damage_is_counted_once(tmp_path: Path) -> None:
    """A damaged record that was set aside is not found again by the next start."""
    await fill(tmp_path)
    flip(segments(tmp_path)[0], 2)  # the magic of the first frame
    counted = damaged()
    for _ in range(3):
        async with opened(tmp_path) as (_, queues):
            assert RECORDS - 1 == queues["a"].stats().spans
    assert 1 == damaged() - counted


async def test_spans_of_a_damaged_payload_are_counted(tmp_path: Path) -> None:
    """Where the head is intact, the exporter's failed spans grow by what was lost."""
    await fill(tmp_path)
    flip(segments(tmp_path)[1], 200)
    before = lost_spans()
    async with opened(tmp_path):
        assert 1 == lost_spans() - before


@pytest.mark.parametrize("seed", range(10))
async def test_a_truncated_file_costs_what_is_gone(tmp_path: Path, seed: int) -> None:
    """What lay before the end of a shortened file is still there, and the loss is counted."""
    sent = await fill(tmp_path)
    random.seed(seed)
    path = segments(tmp_path)[3]
    with path.open("r+b") as file:
        file.truncate(random.randrange(path.stat().st_size))
    counted = damaged()
    async with opened(tmp_path) as (_, queues):
        found = await payloads(queues["a"])
    missing = [at for at, payload in enumerate(sent) if payload not in found]
    assert found == [payload for payload in sent if payload in found]
    assert missing == list(range(missing[0], missing[-1] + 1))
    assert len(missing) <= 4096 // 300
    assert damaged() - counted >= 1


async def acknowledge(folder: Path, records: int) -> None:
    """Acknowledge the oldest records."""
    async with opened(folder) as (_, queues):
        for taken in (await take_all(queues["a"]))[:records]:
            queues["a"].ack(taken)


async def test_a_loss_that_begins_with_what_was_done(tmp_path: Path) -> None:
    """Bytes that held several records are told as damage, once, though the first was sent."""
    await fill(tmp_path)
    path = segments(tmp_path)[0]
    await acknowledge(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[:1200] = bytes(1200)
    path.write_bytes(data)
    counted = damaged()
    for _ in range(3):
        async with opened(tmp_path):
            assert 1 == damaged() - counted


async def test_an_end_that_is_gone_and_begins_with_what_was_done(tmp_path: Path) -> None:
    """A file cut where a record was sent from is told as damage, once, for those behind it."""
    await fill(tmp_path)
    path = segments(tmp_path)[0]
    await acknowledge(tmp_path, 1)
    with path.open("r+b") as file:
        file.truncate(0)
    counted = damaged()
    for _ in range(3):
        async with opened(tmp_path):
            assert 1 == damaged() - counted


async def test_a_damaged_record_that_was_done_is_no_loss(tmp_path: Path) -> None:
    """A bit that flips in the head of a record that was sent is not told as one."""
    await fill(tmp_path)
    await acknowledge(tmp_path, 1)
    flip(segments(tmp_path)[0], 6)
    counted = damaged()
    async with opened(tmp_path):
        assert 0 == damaged() - counted


async def crash(folder: Path, copy: Path) -> list[bytes]:
    """Write requests of two records; copy what a crash of the process leaves."""
    async with opened(folder, segment_bytes=1 << 20) as (store, _):
        made = [record(b"%d " % at + random.randbytes(300)) for at in range(10)]
        for at in range(0, 10, 2):
            await store.commit(made[at : at + 2])
        shutil.copytree(folder, copy)
    return [one.payload for one in made]


async def test_a_file_cut_after_a_crash(tmp_path: Path) -> None:
    """What is gone after a crash is missed, though nothing was sent since it was written."""
    left = tmp_path / "left"
    sent = await crash(tmp_path / "crashed", left)
    (path,) = segments(left)
    with path.open("r+b") as file:
        file.truncate(500)
    counted = damaged()
    async with opened(left) as (_, queues):
        assert sent[:1] == await payloads(queues["a"])
    assert damaged() - counted >= 1


async def test_a_last_page_broken_after_a_crash(tmp_path: Path) -> None:
    """The last request before a crash loses what was hit, not what is intact of it."""
    left = tmp_path / "left"
    sent = await crash(tmp_path / "crashed", left)
    (path,) = segments(left)
    flip(path, end_of(path) - 20)
    counted = damaged()
    async with opened(left) as (_, queues):
        assert sent[:-1] == await payloads(queues["a"])
    assert 1 == damaged() - counted


async def test_an_end_in_doubt_is_logged(tmp_path: Path) -> None:
    """A last request that may never have been complete is left out with a word about it."""
    left = tmp_path / "left"
    sent = await crash(tmp_path / "crashed", left)
    (path,) = segments(left)
    path.with_suffix(".ack").unlink()  # as a power cut may
    flip(path, end_of(path) - 20)
    logger = FakeLogger()
    async with opened(left, logger=logger) as (_, queues):
        assert sent[:-2] == await payloads(queues["a"])
    assert "not complete" in str(logger.events)


async def test_damage_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that breaks on disk while the gateway runs is set aside when its turn comes."""
    monkeypatch.setattr(shelf, "CACHE_BYTES", 0)
    async with opened(tmp_path) as (store, queues):
        made = [record(b"%d " % at + random.randbytes(300)) for at in range(5)]
        for one in made:
            await store.commit([one])
        flip(segments(tmp_path)[0], 700)
        counted = damaged()
        left = await take_all(queues["a"])
        assert [one.payload for one in made[:1] + made[2:]] == [one.payload for one in left]
        assert 1 == damaged() - counted
        assert 4 == queues["a"].stats().spans


async def test_damaged_notes_cost_duplicates_only(tmp_path: Path) -> None:
    """Bits that flip in the notes bring records back; they take none away."""
    sent = await fill(tmp_path)
    async with opened(tmp_path) as (_, queues):
        for taken in (await take_all(queues["a"]))[::2]:
            queues["a"].ack(taken)
    for path in (tmp_path / "log-0").glob("*.ack"):
        for at in range(0, path.stat().st_size, 24):
            flip(path, at)
    async with opened(tmp_path) as (_, queues):
        found = await payloads(queues["a"])
    assert set(sent[1::2]) <= set(found)
    assert len(found) > RECORDS // 2


async def test_a_frame_inside_a_payload_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payload that looks like a frame brings no record into being when its head is damaged."""
    monkeypatch.setattr(notes, "DELAY_S", 0.001)
    meta = frame.meta_of(record(destination="stolen"))
    for pad in range(8):
        forged = b"".join(
            frame.encode(meta, b"forged", 0, part=0, parts=1, synced=1 << 40, commit=1)
        )
        folder = tmp_path / str(pad)
        async with opened(folder) as (store, _):
            await store.commit([record(bytes(pad) + forged)])
            await store.commit([record(b"next")])
        flip(segments(folder)[0], 6)
        async with opened(folder) as (_, queues):
            assert [b"next"] == await payloads(queues["a"])
