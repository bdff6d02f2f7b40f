"""Requests under way at the same time: so many, and whose turn it is when more want to go."""

import asyncio
from collections.abc import Set as AbstractSet

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

    __slots__ = ("granted", "party")

    def __init__(self, party: Party) -> None:
        self.party = party
        self.granted = asyncio.Event()


class Slots:
    """So many slots; parties that wait for one get it in turn, each oldest first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: dict[Party, dict[Place, None]] = {}  # whose turn it is stands first

    def ask(self, party: Party) -> Place:
        """Take a place; its slot is held once it is ``granted``, until ``leave``."""
        place = Place(party)
        if self._free > 0:
            self._free -= 1
            place.granted.set()
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
        if place.granted.is_set():
            self._release()
        else:
            self._remove(place)

    def _release(self) -> None:
        """Give a slot to the party whose turn it is."""
        if not self._waiting:
            self._free += 1
            return
        place = next(iter(next(iter(self._waiting.values()))))
        others = self._remove(place)
        if others:
            self._waiting[place.party] = self._waiting.pop(place.party)  # behind the others
        place.granted.set()

    def _remove(self, place: Place) -> bool:
        """Take a place out of the line; return whether its party has others there."""
        places = self._waiting[place.party]
        del places[place]
        if not places:
            del self._waiting[place.party]
        return bool(places)
