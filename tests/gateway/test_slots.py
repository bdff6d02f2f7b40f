"""What slots promise: never too many at once, and whose turn it is."""

import asyncio

import pytest

from gateway import slots as slots_module
from gateway.slots import Place, Slots, party

ADA, BOB = party("x", {"ada"}), party("y", {"bob"})


def grants(slots: Slots, places: dict[Place, str]) -> str:
    """Give back one slot after the other; return who held them, in order."""
    order = ""
    while held := [place for place in places if place.granted.is_set()]:
        order += places.pop(held[0])
        slots.leave(held[0])
    return order


def test_no_more_than_there_are() -> None:
    """Who comes when all slots are taken waits until one is given back."""
    slots = Slots(2)
    first, second, third = (slots.ask(ADA) for _ in range(3))
    assert [True, True, False] == [p.granted.is_set() for p in (first, second, third)]
    slots.leave(first)
    assert third.granted.is_set()
    slots.leave(second)
    slots.leave(third)
    assert [True, True, False] == [slots.ask(BOB).granted.is_set() for _ in range(3)]


def test_parties_take_turns() -> None:
    """A thousand destinations of one tenant delay another's only one by one place."""
    slots = Slots(1)
    places = {slots.ask(ADA): "a" for _ in range(5)} | {slots.ask(BOB): "b" for _ in range(2)}
    assert "ababaaa" == grants(slots, places)


def test_a_shared_destination_is_a_party() -> None:
    """Where a second tenant waits, a place no longer stands behind all of the first one's."""
    slots = Slots(1)
    places = {slots.ask(ADA): "a" for _ in range(4)}
    shared = slots.ask(ADA)
    slots.move(shared, party("shared", {"ada", "bob"}))
    assert "asaaa" == grants(slots, places | {shared: "s"})


def test_turns_count_by_cost() -> None:
    """Who asks for ten times as much gets a tenth of the turns."""
    slots = Slots(1)
    places = {slots.ask(ADA, 10): "a" for _ in range(3)}
    places |= {slots.ask(BOB, 1): "b" for _ in range(15)}
    assert "abbbbbbbbbbabbbbba" == grants(slots, places)


def test_one_slot_is_kept_for_others() -> None:
    """Where there are several tenants one that floods leaves a slot free."""
    slots = Slots(3, lambda: True)
    flood = [slots.ask(ADA) for _ in range(5)]
    assert 2 == sum(place.granted.is_set() for place in flood)
    other = slots.ask(BOB)
    assert other.granted.is_set()
    slots.leave(other)
    assert 2 == sum(place.granted.is_set() for place in flood)
    slots.leave(flood[0])
    assert [True, True, False] == [place.granted.is_set() for place in flood[1:4]]


def test_no_party_is_remembered_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many parties, one after the other, leave little behind."""
    monkeypatch.setattr(slots_module, "PARTIES_KEPT", 10)
    slots = Slots(2)
    always = slots.ask(ADA)
    for number in range(1000):
        slots.leave(slots.ask(("tenant", str(number))))
        assert len(slots._had) <= 2
    waiting = [slots.ask(ADA) for _ in range(1000)]
    for number in range(1000):
        slots.leave(always)
        always = waiting[number]
        slots.ask(("tenant", str(number)))
        assert len(slots._had) <= 40


async def test_giving_up_costs_nobody_a_slot() -> None:
    """A place that is given up, before or after it was granted, frees its slot once."""
    slots = Slots(1)
    held, waiting, last = (slots.ask(ADA) for _ in range(3))
    tasks = [asyncio.create_task(each.granted.wait()) for each in (waiting, last)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    slots.leave(waiting)
    slots.leave(held)
    assert await tasks[1]
    slots.leave(last)
    assert slots.ask(BOB).granted.is_set()
    assert not slots.ask(BOB).granted.is_set()
