"""What a worker that passes requests on may rely on, and the one that takes them over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.batch import Batch, BatchContext
from gateway.errors import Busy, Flow, Reject
from gateway.telemetry import logs
from gateway.workers import siblings
from gateway.workers.guests import Guests
from gateway.workers.load import SIZE, UNKNOWN, Load
from gateway.workers.siblings import MOST_BYTES, Sibling

RECEIVER = "otlp"


class Other:
    """The other worker: what it took, and what it is to say."""

    def __init__(self, folder: Path) -> None:
        memory = memoryview(bytearray(SIZE))
        self.ours, self.theirs = Load(memory, 0), Load(memory, 1)
        self.guests = Guests(folder, 1, self.theirs, logs.get("test"))
        self.guests.serve(RECEIVER, self.deliver)
        self.taken: list[tuple[list[tuple[bytes, BatchContext]], bool]] = []
        self.says: Flow | None = None
        self.may = asyncio.Event()
        self.may.set()
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def deliver(self, requests: Sequence[Batch], join: bool) -> None:
        self.began.set()
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if self.says is not None:
            raise self.says
        self.taken.append(([(one.encode(), one.context) for one in requests], join))


@asynccontextmanager
async def connected(folder: Path) -> AsyncIterator[tuple[Sibling, Other]]:
    """Return a connection to another worker, and that."""
    other = Other(folder)
    await other.guests.open()
    sibling = Sibling(folder, 1, other.ours)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(sibling.run())
        while sibling.load == UNKNOWN:
            await asyncio.sleep(0.01)
        yield sibling, other
        running.cancel()
    other.guests.close()


async def deliver(sibling: Sibling, *requests: Batch, join: bool = False) -> bool:
    """Pass requests on; one where none are named."""
    return await sibling.deliver(RECEIVER, requests or [Batch(b"request")], join=join)


async def test_requests_arrive_as_they_are_with_all_that_is_known_of_them(tmp_path: Path) -> None:
    """Several, large ones among them, each with its bytes and its context, in order."""
    contexts = [BatchContext(tenant="a", headers=(("x", "y"),), receiver=RECEIVER), BatchContext()]
    bodies = [b"small", b"x" * 1_000_000]
    requests = [Batch(body, context) for body, context in zip(bodies, contexts, strict=True)]
    async with connected(tmp_path) as (sibling, other):
        done = [await deliver(sibling, *requests, join=True), await deliver(sibling, *requests)]

    expected = list(zip(bodies, contexts, strict=True))
    assert [True, True] == done
    assert [(expected, True), (expected, False)] == other.taken


@pytest.mark.parametrize("says", [Reject("not like this"), Busy("too much", after=7)])
async def test_the_sender_is_told_what_the_other_says(tmp_path: Path, says: Flow) -> None:
    """Kind, reason, delay and processor; one that has no room is asked again only after that."""
    says.by, says.is_private = "mask", True
    async with connected(tmp_path) as (sibling, other):
        other.says = says
        with pytest.raises(Flow) as told:
            await deliver(sibling)
        load = sibling.load

    assert type(says) is type(told.value)
    assert vars(says) == vars(told.value)
    assert (UNKNOWN if isinstance(says, Busy) else 0) == load


async def test_one_that_fails_unforeseen_tells_the_sender_to_come_back(tmp_path: Path) -> None:
    """As where it had received the request itself; other requests go on."""
    async with connected(tmp_path) as (sibling, other):
        other.guests.serve(RECEIVER, _broken)
        with pytest.raises(Flow, match="its log says why"):
            await deliver(sibling)
        other.guests.serve(RECEIVER, other.deliver)
        done = await deliver(sibling)

    assert done


async def _broken(_requests: Sequence[Batch], _join: bool) -> None:
    raise KeyError("bug")


async def test_headers_that_are_no_text_stay_here(tmp_path: Path) -> None:
    """HTTP allows any bytes in them; the next request is passed on as before."""
    odd = Batch(b"request", BatchContext(headers=(("x-mlflow-experiment-id", "\udcff"),)))
    async with connected(tmp_path) as (sibling, other):
        done = [await deliver(sibling, odd), await deliver(sibling)]
        load = sibling.load

    assert [False, True] == done
    assert 1 == len(other.taken)
    assert 0 == load


async def test_what_the_other_dies_with_is_done_here(tmp_path: Path) -> None:
    """But only once it is known what it was at."""
    async with connected(tmp_path) as (sibling, other):
        other.may.clear()
        waiting = asyncio.create_task(deliver(sibling))
        await other.began.wait()
        other.guests.close()
        while sibling.load != UNKNOWN:
            await asyncio.sleep(0.01)
        early = waiting.done()
        sibling.dismissed.set()
        done = await waiting

    assert not early
    assert not done


async def test_what_the_other_does_not_answer_is_done_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other is told that nobody waits, and is left alone for a while."""
    monkeypatch.setattr(siblings, "PATIENCE_S", 0.05)
    async with connected(tmp_path) as (sibling, other):
        other.may.clear()
        done = await deliver(sibling)
        await other.cancelled.wait()
        load = sibling.load

    assert not done
    assert UNKNOWN == load
    assert [] == other.taken


async def test_what_a_sender_gives_up_is_given_up_there(tmp_path: Path) -> None:
    """A sender that has gone leaves no work behind."""
    async with connected(tmp_path) as (sibling, other):
        other.may.clear()
        waiting = asyncio.create_task(deliver(sibling))
        await other.began.wait()
        waiting.cancel()
        await other.cancelled.wait()

    assert [] == other.taken


async def test_one_that_stops_finishes_what_it_began_and_begins_nothing(tmp_path: Path) -> None:
    """What it declines is done here, although the supervisor still counts on it."""
    async with connected(tmp_path) as (sibling, other):
        other.may.clear()
        begun = asyncio.create_task(deliver(sibling))
        await other.began.wait()
        other.guests.decline()
        declined = await deliver(sibling)
        load = sibling.load
        finishing = asyncio.create_task(other.guests.finish())
        await asyncio.sleep(0)
        early = finishing.done()
        other.may.set()
        await finishing
        done = await begun

    assert not declined
    assert UNKNOWN == load
    assert not early
    assert done


@pytest.mark.parametrize(
    ("here", "there", "size", "passes"),
    [
        (0, 0, 1, False),
        (1, 0, 1, True),
        (1, 1, 1, False),
        (2, 1, 1, False),
        (3, 1, 1, True),
        (9, 2, 1, False),
        (9, 0, MOST_BYTES + 1, False),
    ],
)
async def test_only_one_that_has_time_gets_requests(
    tmp_path: Path, here: int, there: int, size: int, passes: bool
) -> None:
    """Not where nothing waits here, where both are busy, or where it would cost much memory."""
    other = Other(tmp_path)
    await other.guests.open()
    known = siblings.Siblings(tmp_path, other.ours)
    known.change([1])
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(known.run(_nothing))
        with other.ours:
            while known.free(1) is None:
                await asyncio.sleep(0.01)
        other.ours.here = here
        for _ in range(there):
            other.theirs.__enter__()
        found = known.free(size)
        running.cancel()
    other.guests.close()

    assert passes == (found is not None)


async def _nothing() -> None:
    """Open nothing."""


async def test_nobody_else_may_connect(tmp_path: Path) -> None:
    """The socket is for this user alone, and goes with the worker."""
    async with connected(tmp_path):
        there = modes(tmp_path)
    left = modes(tmp_path)

    assert [0o600] == there
    assert [] == left


def modes(folder: Path) -> list[int]:
    """Return who may use what is in a folder."""
    return [path.stat().st_mode & 0o777 for path in folder.iterdir()]
