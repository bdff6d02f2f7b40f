"""
Let who uses much give way, for moments, while who uses little is being answered.

All threads share one interpreter. A tenant that floods holds up another's request at each of the
few steps that it needs, although these are nothing beside the flood. So what is done for those who
have used most lately is done one piece after the other, lets others go on in the middle, and waits
while a request of somebody who has used little is under way. See docs/adr/0018.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Self, TypeVar, TypeVarTuple

from gateway import slots

Ts = TypeVarTuple("Ts")
T = TypeVar("T")

HALF_LIFE_S = 5.0
"""After so long, half of what somebody has used is forgotten."""
LITTLE = 0.25
"""Who used at most this part of what the tenant with the most has used, uses little."""
LARGE_BYTES = 64 * 1024
"""Work on fewer bytes is not worth a thread."""
LIGHT = 8
"""Putting spans together costs so many times less than to process them."""
SPAN_BYTES = 128
"""Each span that is put together costs at least as much as to process so many bytes."""
LARGE_AT_ONCE = 1
"""Large requests that are under way at a time; two took twice as long to let another one by."""
PATIENCE_S = 0.05
"""How long a large request keeps its place once it is there: it may wait for a disk or a plugin."""
TURNS = 8
"""So many times as long others go first: a request of theirs, all of them in a row, and in all for
a piece of work. On a slow disk somebody is being answered nearly always."""
GRACE = 2
"""So many times as long nobody gives way after that, so that a flood goes on beside many others."""
ARRIVAL_S = 0.02
"""How long others wait for a body that arrives; of a slow sender it arrives beside theirs."""
YIELD_EVERY_S = 0.002
"""How long work goes on before it gives up the processor for once, where nobody is known to wait;
on a busy machine it may be a while until it gets it back."""
SPANS = 8
"""After so many spans it is looked who waits: some hundred microseconds of the usual processors."""
_MOST_HALVES = 20.0
_TICK_S = 0.001
"""Timers of the event loop may come so much early, and would be set again at once."""


class Courtesy:
    """
    What tenants have used lately, and who is being answered; for one event loop and its threads.

    Args:
        monotonic: the clock.

    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._used: dict[str, float] = {}
        """By tenant; what is used later weighs more, so that what was used before weighs less."""
        self._most = 0.0
        self._since = monotonic()
        self._came = -HALF_LIFE_S
        """When somebody who uses little came last."""
        self._answering: dict[Answering | Expected, float] = {}
        """Requests of those who use little that are being answered, and when they came."""
        self._newest = self._came
        """When the last of them came that is not answered."""
        self._busy_since = self._came
        self._nobody = threading.Event()
        self._nobody.set()
        self._slots = slots.Slots(LARGE_AT_ONCE)
        self._line: _SingleFile | None = None
        self.turn = threading.Lock()
        """Held by who does a piece of work for those who use much."""

    def answering(self, tenant: str, cost: float) -> "Answering":
        """
        Note a request while it is answered, in a block on the event loop.

        ``async with`` for one whose answer is written behind the block, without awaiting anything.
        """
        self.use(tenant, cost)
        return Answering(self, counts=self._uses_little(tenant))

    def expect(self, tenant: str) -> "Expected | None":
        """Note that a request arrives, before it is read; None where nobody gives way to it."""
        if self._is_needed and self._uses_little(tenant):
            return Expected(self)
        return None

    def use(self, tenant: str, cost: float) -> None:
        """Note what is to be done for a tenant; on the event loop."""
        halves = (self._monotonic() - self._since) / HALF_LIFE_S
        if halves > _MOST_HALVES:
            left = 2.0**-halves
            self._used = {t: used * left for t, used in self._used.items() if used * left > 1.0}
            self._most *= left
            self._since, halves = self._monotonic(), 0.0
        used = self._used[tenant] = self._used.get(tenant, 0.0) + cost * 2.0**halves
        self._most = max(self._most, used)

    def pace(self, tenant: str) -> "Pace":
        """Return the pace of work for a tenant."""
        return Pace(self, gives_way=self._gives_way(tenant))

    def place(self, tenant: str, size: int) -> "Place":
        """Return the place of a request, held in an ``async with`` block until it is answered."""
        if not (self._gives_way(tenant) and self._somebody_came):
            return _AT_ONCE
        line = self._line_here()
        return Place(self._slots if size > LARGE_BYTES else None, line, tenant, size)

    async def after_others(self, tenant: str | None = None) -> None:
        """
        Return once nobody who uses little is being answered; before work on the event loop.

        Args:
            tenant: for whom the work is; who uses little goes on. None where nobody waits for it.

        """
        if not self._is_needed or not self._somebody_came:
            return
        if tenant is None or not self._uses_little(tenant):
            await self._line_here().wait()

    def _line_here(self) -> "_SingleFile":
        loop = asyncio.get_running_loop()
        if self._line is None or self._line.loop is not loop:
            # What an earlier loop left behind would never go on.
            self._slots = slots.Slots(LARGE_AT_ONCE)
            self._line = _SingleFile(loop, self.held_s)
        return self._line

    async def aside(self, size: int, function: Callable[[*Ts], T], *args: *Ts) -> T:
        """
        Return what a function makes of so many bytes, of whichever tenants, that nobody waits for.

        Where that might delay somebody's answer, it runs on a thread.
        """
        if size <= LARGE_BYTES or not self._is_needed:
            return function(*args)
        return await asyncio.to_thread(self._when_nobody_waits, partial(function, *args))

    def _when_nobody_waits(self, function: Callable[[], T]) -> T:
        with Pace(self, gives_way=True) as pace, pace.step():
            return function()

    @property
    def _is_needed(self) -> bool:
        """Whether there is anybody to give way to."""
        return len(self._used) > 1

    @property
    def _somebody_came(self) -> bool:
        """Whether a request of somebody who uses little came lately."""
        return self._monotonic() - self._came < HALF_LIFE_S

    def _gives_way(self, tenant: str) -> bool:
        return self._is_needed and not self._uses_little(tenant)

    def _uses_little(self, tenant: str) -> bool:
        return self._used.get(tenant, 0.0) <= LITTLE * self._most

    def begin(self, request: "Answering | Expected") -> None:
        """Note that somebody who uses little is being answered."""
        now = self._monotonic()
        if not self._answering or self._are_late(now):
            self._busy_since = now
        self._answering[request] = self._newest = self._came = now
        self._nobody.clear()

    def end(self, request: "Answering | Expected") -> None:
        """Note that this one has the answer."""
        del self._answering[request]
        if self._answering:
            self._newest = next(reversed(self._answering.values()))
        if not self._answering or self._are_late(self._monotonic()):
            self._nobody.set()
            if self._line is not None:
                self._line.hurry()

    def _are_late(self, now: float) -> bool:
        """Whether all that are being answered must be waiting for something else."""
        return now - self._newest >= TURNS * PATIENCE_S

    def held_s(self) -> float:
        """Return how long others go first, unless all of them have their answer before."""
        if not self._answering:
            return 0.0
        now, longest = self._monotonic(), TURNS * PATIENCE_S
        busy_s = (now - self._busy_since) % (longest + GRACE * PATIENCE_S)
        return max(0.0, longest - max(busy_s, now - self._newest))

    def wait(self, most_s: float) -> float:
        """Wait while others go first, but not longer; return how long it took."""
        if not self._answering:
            return 0.0
        begun = time.perf_counter()
        took_s = 0.0
        while took_s < most_s and (held_s := self.held_s()) > 0:
            self._nobody.wait(min(held_s, most_s - took_s))
            took_s = time.perf_counter() - begun
        return took_s


class _SingleFile:
    """
    Work on an event loop that lets others go first; one piece goes on in a turn of the loop.

    Args:
        loop: where it is done.
        held_s: how long others go first from now on.

    """

    def __init__(self, loop: asyncio.AbstractEventLoop, held_s: Callable[[], float]) -> None:
        self.loop = loop
        self.held_s = held_s
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self._next: asyncio.Handle | None = None

    async def wait(self) -> None:
        """Return when it is one's turn, after a while although others should go first."""
        until = self.loop.time() + TURNS * PATIENCE_S
        stand = self._waiting.append
        while True:
            place = self.loop.create_future()
            stand((place, until))
            if self._next is None:
                self._next = self.loop.call_soon(self._go)
            await place
            if self._left_s(until) <= 0:
                return
            stand = self._waiting.appendleft  # somebody came in the turn of the loop between

    def hurry(self) -> None:
        """Look at once who may go on."""
        if self._next is not None and not self.loop.is_closed():
            self._next.cancel()
            self._next = self.loop.call_soon(self._go)

    def _go(self) -> None:
        self._next = None
        waiting = self._waiting
        while waiting and waiting[0][0].done():  # it was cancelled
            waiting.popleft()
        if not waiting:
            return
        place, until = waiting[0]
        left_s = self._left_s(until)
        if left_s > 0:
            self._next = self.loop.call_later(left_s + _TICK_S, self._go)
            return
        waiting.popleft()
        place.set_result(None)
        if waiting:
            self._next = self.loop.call_soon(self._go)

    def _left_s(self, until: float) -> float:
        return min(self.held_s(), until - self.loop.time())


class Place:
    """
    The place of a request of somebody who uses much, among others like it.

    Of large ones one is under way at a time, from its arrival to its answer. It gives the place up
    where its sender takes longer than ``ARRIVAL_S``, or the answer ``PATIENCE_S``: it may wait for
    a disk or a plugin.

    Args:
        large: the place of large requests; None where it needs none.
        line: where all of them go on one by one; None where nothing is to be waited for.

    """

    __slots__ = ("_large", "_line", "_party", "_place", "_size", "_timer")

    def __init__(
        self, large: slots.Slots | None, line: _SingleFile | None, tenant: str, size: int
    ) -> None:
        self._large = large
        self._line = line
        self._party = ("tenant", tenant)
        self._size = size
        self._place: slots.Place | None = None
        self._timer: asyncio.Handle | None = None

    async def __aenter__(self) -> None:
        if self._line is None:
            return
        try:
            if self._large is not None:
                self._place = self._large.ask(self._party, self._size)
                await self._place.granted.wait()
            await self._line.wait()
            self._keep(ARRIVAL_S)
        except asyncio.CancelledError:
            self._end()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._end()

    def arrived(self) -> None:
        """Say that the whole request is there."""
        self._keep(PATIENCE_S)

    def _keep(self, most_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._place is not None:
            self._timer = asyncio.get_running_loop().call_later(most_s, self._time_is_up)

    def _time_is_up(self) -> None:
        """Leave, unless it is for others that this one waits: the next one would wait with it."""
        assert self._line is not None, "its place was in it"
        if self._line.held_s() > 0:
            self._keep(PATIENCE_S)
        else:
            self._leave()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._leave()

    def _leave(self) -> None:
        if self._large is not None and self._place is not None:
            self._large.leave(self._place)
            self._place = None


_AT_ONCE = Place(None, None, "", 0)
"""The place of all that need not wait: there is nothing to be kept of them."""


class Answering:
    """A request while it is answered."""

    __slots__ = ("_counts", "_courtesy")

    def __init__(self, courtesy: Courtesy, *, counts: bool) -> None:
        self._courtesy = courtesy
        self._counts = counts

    def __enter__(self) -> Self:
        if self._counts:
            self._courtesy.begin(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._counts:
            self._courtesy.end(self)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        """End it once the answer was written, in the turn of the loop that is under way."""
        if self._counts:
            asyncio.get_running_loop().call_soon(self._courtesy.end, self)


class Expected:
    """A request that arrives; it counts as being answered until ``end``, but not for long."""

    __slots__ = ("_courtesy", "_timer")

    def __init__(self, courtesy: Courtesy) -> None:
        self._courtesy = courtesy
        courtesy.begin(self)
        # Its sender may be slow, and then there is nothing to be done for it.
        self._timer: asyncio.Handle | None = asyncio.get_running_loop().call_later(
            ARRIVAL_S, self.end
        )

    def end(self) -> None:
        """Wait for it no longer; safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._courtesy.end(self)


class Pace:
    """
    How fast a piece of work is done on a thread, in a ``with`` block; not waited for after it.

    Args:
        gives_way: whether others go first; if not, nothing here takes any time.

    """

    def __init__(self, courtesy: Courtesy, *, gives_way: bool) -> None:
        self._courtesy = courtesy
        self.gives_way = gives_way
        self._patience_s = TURNS * PATIENCE_S if gives_way else 0.0
        self._yield_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._patience_s = 0.0

    def pause(self) -> None:
        """Let others go first."""
        if self._patience_s > 0:
            self._patience_s -= self._courtesy.wait(self._patience_s)
            if time.perf_counter() > self._yield_at:
                time.sleep(0)  # lets those go on that are at what cannot be seen from here
                self._yield_at = time.perf_counter() + YIELD_EVERY_S

    def step(self) -> "Step":
        """Return a step of the work, to be done in a ``with`` block: one after the other."""
        self.pause()
        return Step(self._courtesy.turn if self._patience_s > 0 else None, self._patience_s)


class Step:
    """A step of work for those who use much; of such steps one is under way at a time."""

    __slots__ = ("_holds", "_patience_s", "_turn")

    def __init__(self, turn: "threading.Lock | None", patience_s: float) -> None:
        self._turn = turn
        self._patience_s = patience_s
        self._holds = False

    def __enter__(self) -> None:
        if self._turn is not None:  # whoever has it may hang
            self._holds = self._turn.acquire(timeout=self._patience_s)

    def __exit__(self, *_: object) -> None:
        if self._turn is not None and self._holds:
            self._turn.release()


def lightly(size: int, spans: int) -> int:
    """Return how many bytes could be processed while so many are put together."""
    return max(size // LIGHT, spans * SPAN_BYTES)


COURTESY = Courtesy()
"""That of this process."""
