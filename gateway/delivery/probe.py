"""See when a server is back, so that nobody waits out a back-off that has outlived its cause."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from gateway import exporter_guard
from gateway.delivery.state import State
from gateway.plugin import Clock, Exporter

PROBE_S = 1.0


class Probe:
    """
    Ask an exporter's server whether it answers, for as long as something is in trouble.

    Only a server that was seen not to answer can be seen to come back: one that answers all the
    time and refuses spans is left to the back-off.

    Args:
        states: of the exporter and of its destinations.

    """

    def __init__(
        self, exporter: Exporter[Any], states: Callable[[], Iterable[State]], clock: Clock
    ) -> None:
        self._exporter = exporter
        self._states = states
        self._clock = clock
        self._wanted = asyncio.Event()
        self._asking = asyncio.Lock()
        self._able = type(exporter).answers is not Exporter.answers

    def want(self) -> None:
        """Begin to ask: something is in trouble."""
        if self._able:
            self._wanted.set()

    async def run(self) -> None:
        """Ask when it is wanted, until cancelled; of several that run, one asks."""
        async with self._asking:
            while True:
                await self._wanted.wait()
                await self._ask()
                self._wanted.clear()

    async def _ask(self) -> None:
        away = False
        while any(state.trouble is not None for state in self._states()):
            await self._clock.sleep(PROBE_S)
            if not await exporter_guard.answers(self._exporter):
                away = True
            elif away:
                away = False
                for state in self._states():
                    state.hurry()
