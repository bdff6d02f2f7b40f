"""What work for a tenant that floods promises to the others."""

import asyncio
import threading

import pytest

from gateway import courtesy
from gateway.courtesy import (
    GRACE,
    HALF_LIFE_S,
    LARGE_BYTES,
    LIGHT,
    PATIENCE_S,
    SPANS,
    TURNS,
    Courtesy,
    lightly,
)
from gateway.testing import FakeClock, batch

WAIT_S = 10.0


@pytest.fixture
def flooded() -> Courtesy:
    """One that has seen a flood."""
    known = Courtesy()
    with known.answering("flood", 1e9):
        pass
    return known


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let work wait until it may go on, however slow the machine is."""
    monkeypatch.setattr(courtesy, "PATIENCE_S", WAIT_S)


def in_thread(pace: courtesy.Pace, began: threading.Event) -> threading.Thread:
    """Do one step of work on a thread that says that it has begun."""

    def work() -> None:
        with pace, pace.step():
            began.set()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.usefixtures("patient")
def test_a_flood_waits_while_another_is_answered(flooded: Courtesy) -> None:
    """Its work begins once the other has its answer, and not before."""
    began = threading.Event()
    with flooded.answering("other", 1):
        thread = in_thread(flooded.pace("flood"), began)
        assert not began.wait(0.02)
    assert began.wait(WAIT_S)
    thread.join()


@pytest.mark.usefixtures("patient")
def test_one_piece_of_a_flood_after_the_other(flooded: Courtesy) -> None:
    """While there is somebody to give way to, its steps do not run side by side."""
    with flooded.answering("other", 1):
        pass
    began = threading.Event()
    with flooded.pace("flood").step():
        thread = in_thread(flooded.pace("flood"), began)
        assert not began.wait(0.02)
    assert began.wait(WAIT_S)
    thread.join()


def test_waiting_ends_although_the_other_does_not(flooded: Courtesy) -> None:
    """Who is answered may wait for a disk or a plugin: a piece of work waits so long in all."""
    began = threading.Event()
    with flooded.answering("other", 1):
        pace = flooded.pace("flood")
        thread = in_thread(pace, began)
        assert began.wait(WAIT_S)
        thread.join()
    assert 0 < PATIENCE_S < WAIT_S


async def test_a_flood_goes_on_beside_many_others() -> None:
    """Where somebody is being answered all the time, nobody gives way for a part of it."""
    clock = FakeClock()
    known = Courtesy(clock.monotonic)
    with known.answering("flood", 1e9):
        pass
    steps, held = 50 * (TURNS + GRACE), 0
    under_way = [known.answering("other", 1).__enter__()]
    for _ in range(steps):
        clock.advance(PATIENCE_S / 10)
        under_way.append(known.answering("other", 1).__enter__())
        under_way.pop(0).__exit__()
        held += known.held_s() > 0
    assert TURNS / (TURNS + GRACE) == pytest.approx(held / steps, abs=0.02)


async def test_a_request_that_waits_for_something_else_holds_up_nobody() -> None:
    """It is not waited for any more; others that come are, until they have their answers."""
    clock = FakeClock()
    known = Courtesy(clock.monotonic)
    with known.answering("flood", 1e9):
        pass
    with known.answering("stuck", 1):
        clock.advance(1.01 * TURNS * PATIENCE_S)
        await known.after_others("flood")
        assert 0 == known.held_s()
        with known.answering("other", 1):
            assert known.held_s() > 0
        assert 0 == known.held_s()
        assert 0 == known.wait(WAIT_S)


@pytest.mark.parametrize("tenant", ["other", "unheard of"])
def test_who_uses_little_waits_for_nobody(flooded: Courtesy, tenant: str) -> None:
    """Neither for who is answered nor for the work of a flood."""
    with flooded.answering("other", 1), flooded.pace("flood").step():
        pace = flooded.pace(tenant)
        assert not pace.gives_way
        with pace, pace.step():
            pace.pause()


def test_alike_tenants_do_not_wait_for_each_other() -> None:
    """Where both use much, the answer to one holds up no work for the other."""
    known = Courtesy()
    with known.answering("one", 1000), known.answering("two", 800):
        began = threading.Event()
        in_thread(known.pace("one"), began).join()
        in_thread(known.pace("two"), began).join()
    assert began.is_set()


def test_a_single_tenant_gives_way_to_nobody() -> None:
    """Its work is done as if there were no courtesy."""
    known = Courtesy()
    with known.answering("only", 1000), known.answering("only", 1):
        assert not known.pace("only").gives_way


@pytest.mark.parametrize("halves", [30, 10_000])
def test_a_flood_is_forgotten(halves: float) -> None:
    """Who flooded long ago uses no more than who sends now."""
    clock = FakeClock()
    known = Courtesy(clock.monotonic)
    for tenant in ("flood", "other"):
        with known.answering(tenant, 1e6 if tenant == "flood" else 1):
            pass
    assert known.pace("flood").gives_way
    clock.advance(halves * HALF_LIFE_S)
    for tenant in ("other", "flood"):
        with known.answering(tenant, 1):
            pass
    assert known.pace("other").gives_way
    assert known.pace("flood").gives_way
    assert not known.pace("unheard of").gives_way


@pytest.mark.usefixtures("patient")
async def test_what_nobody_waits_for_leaves_the_loop_to_others(flooded: Courtesy) -> None:
    """Large work of no tenant runs on a thread once nobody is being answered."""
    here = threading.get_ident()
    assert here == await flooded.aside(LARGE_BYTES + 1, threading.get_ident)
    with flooded.answering("other", 1):
        work = asyncio.create_task(flooded.aside(LARGE_BYTES + 1, threading.get_ident))
        assert here == await flooded.aside(LARGE_BYTES, threading.get_ident)
        done, _ = await asyncio.wait([work], timeout=0.02)
        assert not done
    assert here != await work


def test_many_small_spans_are_no_light_work() -> None:
    """What 500 spans of half a megabyte cost may stay on the loop, but not 5,000 of them."""
    assert lightly(LARGE_BYTES * LIGHT, 500) <= LARGE_BYTES < lightly(LARGE_BYTES * LIGHT, 5000)


async def entering(place: courtesy.Place, entered: asyncio.Event, leave: asyncio.Event) -> None:
    """Hold a place until told to leave it."""
    async with place:
        entered.set()
        await leave.wait()


@pytest.fixture
def visited(flooded: Courtesy) -> Courtesy:
    """One that has seen a flood, and then somebody who uses little."""
    with flooded.answering("other", 1):
        pass
    return flooded


@pytest.mark.usefixtures("patient")
async def test_one_large_request_of_a_flood_at_a_time(visited: Courtesy) -> None:
    """The next begins once the one before is answered; small ones wait for neither."""
    first, second, small = asyncio.Event(), asyncio.Event(), asyncio.Event()
    leave, later = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        large = visited.place("flood", LARGE_BYTES + 1)
        tasks.create_task(entering(large, first, leave))
        await first.wait()
        large.arrived()
        tasks.create_task(entering(visited.place("flood", LARGE_BYTES + 1), second, later))
        tasks.create_task(entering(visited.place("flood", LARGE_BYTES), small, later))
        await small.wait()
        assert not second.is_set()
        leave.set()
        await second.wait()
        later.set()


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_large_request_does_not_keep_its_place(visited: Courtesy, arrived: bool) -> None:
    """It may wait for a disk, a plugin or a slow sender: others go on after a moment."""
    entered, leave, second = asyncio.Event(), asyncio.Event(), asyncio.Event()
    leave_at_once = asyncio.Event()
    leave_at_once.set()
    async with asyncio.TaskGroup() as tasks:
        large = visited.place("flood", LARGE_BYTES + 1)
        tasks.create_task(entering(large, entered, leave))
        await entered.wait()
        if arrived:
            large.arrived()
        await entering(visited.place("flood", LARGE_BYTES + 1), second, leave_at_once)
        leave.set()
    assert second.is_set()


async def test_a_large_request_keeps_its_place_while_others_go_first(
    visited: Courtesy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one could only wait with it."""
    monkeypatch.setattr(courtesy, "PATIENCE_S", 0.01)
    monkeypatch.setattr(courtesy, "TURNS", WAIT_S / 0.01)
    entered, leave, second = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        large = visited.place("flood", LARGE_BYTES + 1)
        tasks.create_task(entering(large, entered, leave))
        await entered.wait()
        with visited.answering("other", 1):
            large.arrived()
            next_one = entering(visited.place("flood", LARGE_BYTES + 1), second, leave)
            done, _ = await asyncio.wait([tasks.create_task(next_one)], timeout=0.05)
            assert not done
            assert not second.is_set()
        await second.wait()
        leave.set()


@pytest.mark.usefixtures("patient")
async def test_a_sender_that_is_gone_leaves_its_place(visited: Courtesy) -> None:
    """Whoever is cancelled, waiting or under way, holds up nobody."""
    entered, never = asyncio.Event(), asyncio.Event()
    under_way, waiting = (
        asyncio.create_task(entering(visited.place("flood", LARGE_BYTES + 1), event, never))
        for event in (entered, asyncio.Event())
    )
    await entered.wait()
    for task in (waiting, under_way):
        task.cancel()
        await asyncio.wait([task])
    async with asyncio.timeout(WAIT_S):
        async with visited.place("flood", LARGE_BYTES + 1):
            pass


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("tenant", [None, "flood"])
async def test_the_loop_s_work_waits_for_an_answer(visited: Courtesy, tenant: str | None) -> None:
    """What is done for a flood, or for nobody, begins once the other has its answer."""
    with visited.answering("other", 1):
        work = asyncio.create_task(visited.after_others(tenant))
        await visited.after_others("other")
        done, _ = await asyncio.wait([work], timeout=0.02)
        assert not done
    async with asyncio.timeout(WAIT_S):
        await work


async def test_the_loop_s_work_waits_a_moment_only(visited: Courtesy) -> None:
    """Who is answered may wait for something else."""
    with visited.answering("other", 1):
        async with asyncio.timeout(WAIT_S):
            await visited.after_others()


async def test_the_loop_looks_who_comes_between_pieces_of_work(visited: Courtesy) -> None:
    """Of those that waited one goes on in a turn of the loop."""
    turns: list[int] = []
    turn = 0

    async def piece() -> None:
        await visited.after_others()
        turns.append(turn)

    with visited.answering("other", 1):
        pieces = [asyncio.create_task(piece()) for _ in range(4)]
        await asyncio.sleep(0)
    while len(turns) < len(pieces):
        turn += 1
        await asyncio.sleep(0)
    assert len(pieces) == len(set(turns))


@pytest.mark.usefixtures("patient")
async def test_who_comes_in_the_turn_between_goes_first(visited: Courtesy) -> None:
    """Work whose turn it is looks again once it goes on: the loop has read in between."""
    work = asyncio.create_task(visited.after_others())
    for _ in range(2):  # it stands in line, and then its turn has come
        await asyncio.sleep(0)
    with visited.answering("other", 1):
        done, _ = await asyncio.wait([work], timeout=0.02)
        assert not done
    async with asyncio.timeout(WAIT_S):
        await work


async def test_a_flood_waits_until_an_answer_is_written(visited: Courtesy) -> None:
    """What is done for an answer in the turn of the loop that ends it belongs to it."""
    async with visited.answering("other", 1):
        await asyncio.sleep(0)
    assert visited.held_s() > 0
    await asyncio.sleep(0)
    assert 0 == visited.held_s()


async def test_a_request_counts_before_it_is_read(visited: Courtesy) -> None:
    """A flood gives way from the first byte on, until somebody says that it was for nothing."""
    expected = visited.expect("other")
    assert expected is not None
    assert visited.held_s() > 0
    for _ in range(2):
        expected.end()
        assert 0 == visited.held_s()


@pytest.mark.usefixtures("patient")
async def test_a_slow_sender_is_not_expected_for_long(visited: Courtesy) -> None:
    """While its request does not come others go on."""
    visited.expect("other")
    async with asyncio.timeout(WAIT_S):
        await visited.after_others()
    assert 0 == visited.held_s()


async def test_a_flood_is_not_expected(visited: Courtesy) -> None:
    """Neither is who has nobody beside it."""
    assert visited.expect("flood") is None
    assert Courtesy().expect("only") is None


async def test_nobody_waits_where_all_use_much() -> None:
    """Large requests go side by side while there is nobody who uses little."""
    known = Courtesy()
    with known.answering("one", 1000), known.answering("two", 800):
        async with known.place("one", LARGE_BYTES + 1), known.place("two", LARGE_BYTES + 1):
            await known.after_others()


def test_a_place_is_not_tied_to_one_loop(visited: Courtesy) -> None:
    """What a loop that ended left behind holds up nobody on the next one."""

    async def leave_one() -> None:
        with visited.answering("other", 1):
            task = asyncio.create_task(visited.after_others())
            await asyncio.sleep(0)
            task.cancel()

    asyncio.run(leave_one())
    asyncio.run(asyncio.wait_for(visited.after_others(), WAIT_S))


def test_a_batch_pauses_between_its_spans() -> None:
    """Whoever goes through the spans of a large batch lets others go on now and then."""
    pauses: list[int] = []
    whole = batch(*({"n": n} for n in range(3 * SPANS)))
    whole.pause = lambda: pauses.append(1)

    seen = [span.attributes["n"] for span in whole]

    assert list(range(3 * SPANS)) == seen
    assert 3 == len(pauses)
