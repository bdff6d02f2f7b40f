"""What can be under way at the same time: so many slots, and whose turn it is to get one."""

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet

PARTIES_KEPT = 1000
"""Parties that are remembered although they are not ahead of others."""

Party = tuple[str, str]
"""Who takes turns with others: a tenant, or a destination that several tenants share."""


def party(destination: str, tenants: AbstractSet[str]) -> Party:
    """
    Return for whom a request to a destination goes.

    A tenant takes its turn with all of its destinations together, so that having many is of no
    use; a destination of several tenants takes one of its own, so that none of them delays it.
    """
    if len(tenants) == 1:
        return "tenant", next(iter(tenants))
    return "destination", destination


class Place:
    """A place in the line for a slot."""

    __slots__ = ("cost", "granted", "party")

    def __init__(self, party: Party, cost: float) -> None:
        self.party = party
        self.cost = cost
        self.granted = asyncio.Event()


class Slots:
    """
    So many slots; parties that wait for one get equal parts, measured by cost, each oldest first.

    Args:
        count: slots.
        keep_one: whether one slot is kept for others where a party has taken all the rest.

    """

    def __init__(self, count: int, keep_one: Callable[[], bool] = lambda: False) -> None:
        self._count = count
        self._keep_one = keep_one
        self._held: dict[Party, int] = {}
        self._in_use = 0
        self._waiting: dict[Party, dict[Place, None]] = {}
        self._had: dict[Party, float] = {}
        """What parties had so far; who is not ahead of ``_now`` may be missing."""
        self._most = PARTIES_KEPT
        self._now = 0.0
        """What the party had that came last; newcomers begin there."""

    def ask(self, party: Party, cost: float = 1.0) -> Place:
        """Take a place; its slot is held once it is ``granted``, until ``leave``."""
        place = Place(party, cost)
        if self._in_use < self._count and self._may(party):
            self._grant(place)
        else:
            self._waiting.setdefault(party, {})[place] = None
        return place

    def move(self, place: Place, party: Party) -> None:
        """Let a place that waits count for another party."""
        if party != place.party and not place.granted.is_set():
            self._remove(place)
            place.party = party
            self._waiting.setdefault(party, {})[place] = None

    def leave(self, place: Place) -> None:
        """Give up a place, and its slot where it was granted."""
        if not place.granted.is_set():
            self._remove(place)
            return
        self._in_use -= 1
        self._held[place.party] -= 1
        if not self._held[place.party]:
            del self._held[place.party]
        self._next()

    def _next(self) -> None:
        """Give a free slot to the party that had least, if one may have it."""
        if not self._waiting:
            self._had.clear()
            self._now = 0.0
            return
        able = [party for party in self._waiting if self._may(party)]
        if able:
            chosen = min(able, key=lambda party: self._had.get(party, self._now))
            place = next(iter(self._waiting[chosen]))
            self._remove(place)
            self._grant(place)

    def _may(self, party: Party) -> bool:
        """Return whether a party may have one more."""
        held = self._held.get(party, 0)
        return held < self._count - 1 or held == 0 or not self._keep_one()

    def _grant(self, place: Place) -> None:
        party = place.party
        begin = self._now = max(self._now, self._had.get(party, 0.0))
        self._had[party] = begin + place.cost
        self._held[party] = self._held.get(party, 0) + 1
        self._in_use += 1
        place.granted.set()
        if len(self._had) > self._most:
            self._had = {p: had for p, had in self._had.items() if had > begin}
            self._most = 2 * len(self._had) + PARTIES_KEPT

    def _remove(self, place: Place) -> None:
        places = self._waiting[place.party]
        del places[place]
        if not places:
            del self._waiting[place.party]
