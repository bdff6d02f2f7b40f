"""What is known of the requests that were being processed when a process ended."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from gateway.batch import Batch, BatchContext
from gateway.poison import Note, Poison, key_of, label, read
from gateway.testing import batch
from gateway.workers.suspects import Suspects, processing

A, B = b"a" * 16, b"b" * 16
PLUGIN = label("traces: plugin")


def test_what_is_being_processed_can_be_read_from_outside(tmp_path: Path) -> None:
    """Request and processor while they are at it, nothing afterwards."""
    path = tmp_path / "processing-0"
    poison = Poison(path)
    with poison.processing(A) as one, poison.processing(B):
        one.may(PLUGIN)
        assert {Note(A, "traces: plugin"), Note(B, "")} == set(read(path))
    assert [] == read(path)


def test_twice_alone_is_too_often(tmp_path: Path) -> None:
    """Among others it may have been innocent, and gets another chance."""
    suspects = Suspects(tmp_path)
    for crash in range(2):
        poison = Poison(processing(tmp_path, crash))
        with poison.processing(A) as one, poison.processing(B) as other:
            one.may(PLUGIN)
            other.may(PLUGIN)
            suspects.crashed(crash)
    among = Poison(None, suspects.known.requests)
    assert not among.is_condemned(A, PLUGIN)

    with Poison(processing(tmp_path, 3)).processing(A) as alone:
        alone.may(PLUGIN)
        suspects.crashed(3)

    now = Poison(None, suspects.known.requests)
    assert [True, False] == [now.is_condemned(request, PLUGIN) for request in (A, B)]
    assert not now.is_condemned(A, label("traces: other"))


def test_what_was_processed_when_all_ended_counts(tmp_path: Path) -> None:
    """The container may have been ended as a whole, for lack of memory."""
    for _ in range(2):
        with Poison(processing(tmp_path, 0)).processing(A) as work:
            work.may(PLUGIN)
            Suspects(tmp_path).load()
    again = Suspects(tmp_path)
    again.load()

    assert Poison(None, again.known.requests).is_condemned(A, PLUGIN)


async def test_suspects_take_turns_until_they_did_no_harm() -> None:
    """One at a time; afterwards they are like all others."""
    poison = Poison(None, {f"{A.hex()} traces: plugin": 1, f"{B.hex()} traces: plugin": 1})
    async with poison.alone(A):
        waiting = asyncio.create_task(poison.alone(B).__aenter__())
        await asyncio.sleep(0)
        assert not waiting.done()
    await waiting
    assert [False, True] == [poison.suspects(request) for request in (A, B)]


def test_a_request_is_known_again() -> None:
    """Its bytes and its tenant say which it is."""
    data = batch({"a": 1}).encode()

    def key(raw: bytes, tenant: str) -> bytes:
        return key_of(Batch(raw, BatchContext(tenant=tenant)))

    assert key(data, "one") == key(bytes(data), "one")
    assert 3 == len({key(data, "one"), key(data, "two"), key(batch({"a": 1}).encode(), "one")})


def test_a_full_disk_does_not_keep_from_processing() -> None:
    """What cannot be noted is processed all the same."""
    with Poison(Path("/dev/full")).processing(A) as work:
        assert work.may(PLUGIN)


def test_more_requests_than_can_be_noted_are_processed(tmp_path: Path) -> None:
    """Those beyond are not noted, and there is room again afterwards."""
    path = tmp_path / "processing-0"
    poison = Poison(path)
    with ExitStack() as several:
        for _ in range(1000):
            assert several.enter_context(poison.processing(A)).may(PLUGIN)
    with poison.processing(B) as work:
        work.may(PLUGIN)
        assert [Note(B, "traces: plugin")] == read(path)
