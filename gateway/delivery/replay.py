"""Send dead letters again, each to where it was meant to go."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from gateway import exporter_guard
from gateway.batch import Batch, BatchContext
from gateway.errors import Moved, Reject, Retry
from gateway.otlp import wire
from gateway.plugin import Clock, Exporter
from gateway.queue.dead_letters import DeadLetter

TOGETHER = 100
TRIES = 3
LONGEST_WAIT_S = 10.0

Settled = Callable[[Sequence[DeadLetter], str | None], None]
"""Told what became of letters: sent, where the reason is None."""


class Replay:
    """
    Sends letters through exporters that were started for it.

    The queue of a running gateway is not asked: a replay works with the gateway up or down.
    """

    def __init__(self, exporters: dict[str, Exporter[Any]], clock: Clock, settled: Settled) -> None:
        self._exporters = exporters
        self._clock = clock
        self._tell = settled
        self._done: set[str] = set()

    def _settled(self, letters: Sequence[DeadLetter], reason: str | None) -> None:
        self._done |= {letter.id for letter in letters}
        self._tell(letters, reason)

    async def run(self, letters: Iterable[DeadLetter]) -> None:
        """Settle every letter; one destination in trouble keeps none from another."""
        ordered = sorted(letters, key=lambda letter: (letter.exporter, letter.key))
        for (name, key), group in groupby(ordered, lambda letter: (letter.exporter, letter.key)):
            exporter = self._exporters.get(name)
            if exporter is None:
                self._settled(list(group), f"exporter {name} is in no pipeline")
                continue
            await self._send_all(exporter, key, list(group))

    async def _send_all(self, exporter: Exporter[Any], key: str, letters: list[DeadLetter]) -> None:
        portions = list(_portions(letters))
        for at, portion in enumerate(portions):
            try:
                await self._send(exporter, key, portion)
            except Retry as failure:  # the destination is in trouble: leave it alone
                rest = [letter for later in portions[at:] for letter in later]
                left = [letter for letter in rest if letter.id not in self._done]
                self._settled(left, failure.advice or failure.reason)
                return

    async def _send(self, exporter: Exporter[Any], key: str, letters: list[DeadLetter]) -> None:
        """
        Settle letters of one destination, halving what is refused.

        Raises:
            Retry: nothing can be sent there now.

        """
        entries = [entry for letter in letters for entry in wire.index(letter.payload)]
        arranged = wire.arrange(entries, unique=exporter.unique_spans)
        batch = Batch(wire.assemble(arranged), BatchContext(destination=key))
        try:
            await self._export(exporter, batch)
        except Moved as moved:
            await self._follow(exporter, key, letters, moved)
        except Reject as refusal:
            if len(letters) == 1:
                self._settled(letters, refusal.reason)
                return
            middle = len(letters) // 2
            await self._send(exporter, key, letters[:middle])
            await self._send(exporter, key, letters[middle:])
        else:
            self._settled(letters, None)

    async def _export(self, exporter: Exporter[Any], batch: Batch) -> None:
        for attempt in range(TRIES):
            try:
                return await exporter_guard.export(exporter, batch)
            except Retry as failure:
                if failure.advice is not None or attempt == TRIES - 1:
                    raise
                await self._clock.sleep(min(failure.after or 1.0, LONGEST_WAIT_S))
        return None

    async def _follow(
        self, exporter: Exporter[Any], key: str, letters: list[DeadLetter], moved: Moved
    ) -> None:
        """Send each trace to where it lives by now."""
        homes = {trace.hex(): home for trace, home in moved.homes.items() if home != key}
        groups: dict[str, list[DeadLetter]] = {}
        for letter in letters:
            groups.setdefault(homes.get(letter.trace_id, key), []).append(letter)
        if list(groups) == [key]:
            self._settled(letters, moved.reason)
            return
        for home, group in groups.items():
            await self._send(exporter, home, group)


def _portions(letters: list[DeadLetter]) -> Iterator[list[DeadLetter]]:
    for at in range(0, len(letters), TOGETHER):
        yield letters[at : at + TOGETHER]
