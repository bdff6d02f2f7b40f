"""What is known of the traces that were being sent when a process ended."""

import asyncio
from pathlib import Path

from gateway.delivery.crashes import CRASHES, Crashes, read
from gateway.otlp.wire import Entry, index
from gateway.testing import batch
from gateway.workers.suspects import Suspects, sending


def entries(*traces: bytes) -> list[Entry]:
    """Return a span of each trace."""
    made = batch(*({} for _ in traces), one_trace=False)
    for span, trace in zip(made, traces, strict=True):
        span.proto.trace_id = trace
    return list(index(made.encode()))


A, B, C = (bytes([number]) * 16 for number in (1, 2, 3))


async def test_what_is_being_sent_can_be_read_from_outside(tmp_path: Path) -> None:
    """All requests under way are there, and none that has ended."""
    crashes = Crashes(tmp_path / "sending-0", {})
    async with crashes.under_way(entries(A, B)):
        async with crashes.under_way(entries(C)):
            assert {A, B, C} == read(tmp_path / "sending-0")
        assert {A, B} == read(tmp_path / "sending-0")
    assert set() == read(tmp_path / "sending-0")


async def test_suspects_go_alone_until_they_did_no_harm(tmp_path: Path) -> None:
    """One at a time, beside all others; afterwards they are like all others."""
    crashes = Crashes(tmp_path / "sending-0", {A: 1, B: 2})
    assert [[C], [A], [B]] == [
        [entry.trace_id for entry in some] for some in crashes.split(entries(A, B, C))
    ]
    async with crashes.under_way(entries(A)):
        waiting = asyncio.create_task(crashes.under_way(entries(B)).__aenter__())
        async with crashes.under_way(entries(C)):
            assert {A, C} == read(tmp_path / "sending-0")
    await waiting
    assert [[A, C], [B]] == [
        [entry.trace_id for entry in some] for some in crashes.split(entries(A, B, C))
    ]


def test_three_crashes_are_too_many(tmp_path: Path) -> None:
    """Before that it is tried again."""
    assert not Crashes(tmp_path / "one", {A: CRASHES - 1}).condemned(entries(A))
    assert Crashes(tmp_path / "two", {A: CRASHES}).condemned(entries(A))


async def test_crashes_are_counted_over_restarts(tmp_path: Path) -> None:
    """A worker's end counts, and so does the end of everything at once."""
    suspects = Suspects(tmp_path)
    for crash in range(2):
        async with Crashes(sending(tmp_path, 0), {}).under_way(entries(A)):
            suspects.crashed(0) if crash else Suspects(tmp_path).load()
        suspects.load()

    assert {A.hex(): 2} == suspects.known.traces


def test_a_torn_file_is_no_suspicion(tmp_path: Path) -> None:
    """Nothing fails on what was left in the middle of a write."""
    sending(tmp_path, 0).write_bytes(b"\xff" * 40)
    suspects = Suspects(tmp_path)

    suspects.load()

    assert len(suspects.known.traces) <= 2


async def test_a_full_disk_does_not_keep_from_sending() -> None:
    """What cannot be noted is sent all the same."""
    crashes = Crashes(Path("/dev/full"), {})
    sent = False
    async with crashes.under_way(entries(A)):
        sent = True
    crashes.close()
    assert sent
