"""From kept traces to committed records of the exporters."""

import asyncio
from collections.abc import Callable, Sequence

from gateway.errors import Busy, Flow, Forbidden, Retry, TooLarge
from gateway.gathering.round import Chunk
from gateway.intake import Outlet
from gateway.otlp import wire
from gateway.plugin import Clock
from gateway.queue.base import Record
from gateway.queue.dead_letters import DeadLetters
from gateway.queue.store import Store

LONGEST_WAIT_S = 0.5


class PostponedError(Exception):
    """The gateway stops while an exporter's queue is full; what is left stays on disk."""


class Handover:
    """Hand chunks of kept traces to all exporters of a pipeline, however long that takes."""

    def __init__(
        self, outlets: Sequence[Outlet], *, store: Store, dead_letters: DeadLetters, clock: Clock
    ) -> None:
        self._outlets = outlets
        self._store = store
        self._dead_letters = dead_letters
        self._clock = clock

    async def give(self, chunks: Sequence[Chunk], give_up: Callable[[], bool]) -> None:
        """
        Return once all spans are queued for every exporter, or are dead letters.

        Raises:
            PostponedError: some are not, and ``give_up`` says to leave it at that.

        """
        # Together, so that they share a flush.
        results = await asyncio.gather(
            *(self._give(chunk, give_up) for chunk in chunks), return_exceptions=True
        )
        for result in results:
            if result is not None:
                raise result

    async def replace(self, record: Record, payload: bytes) -> bool:
        """Queue a part of a record's spans in its place; return whether there was room."""
        entries = wire.index(payload)
        part = Record(
            queue=record.queue,
            lane=record.lane,
            destination=record.destination,
            payload=payload,
            spans=len(entries),
            trace_ids=frozenset(entry.trace_id for entry in entries),
            tenant=record.tenant,
            received_unix_ns=record.received_unix_ns,
            context=record.context,
        )
        try:
            await self._store.commit([part])
        except Flow:
            return False
        return True

    async def _give(self, chunk: Chunk, give_up: Callable[[], bool]) -> None:
        batch = chunk.batch
        records: list[Record] = []
        for outlet in self._outlets:
            try:
                mine = outlet.records(batch.context, batch)
            except Forbidden as refusal:  # since it was received, the rules have changed
                await self._bury(outlet, "", batch.entries(), "forbidden", refusal.reason)
                continue
            if chunk.unfit is None:
                records += mine
            for record in () if chunk.unfit is None else mine:
                entries = wire.index(record.payload)
                await self._bury(
                    outlet, record.destination, entries, "processor_failed", chunk.unfit or ""
                )
        if records:
            await self._commit(records, give_up)

    async def _commit(self, records: Sequence[Record], give_up: Callable[[], bool]) -> None:
        while True:
            try:
                await self._store.commit(records)
            except TooLarge as refusal:
                await self._commit_each(records, refusal, give_up)
                return
            except (Busy, Retry) as later:
                if give_up():
                    raise PostponedError(str(later)) from later
                await self._clock.sleep(min(later.after or LONGEST_WAIT_S, LONGEST_WAIT_S))
            else:
                return

    async def _commit_each(
        self, records: Sequence[Record], refusal: Flow, give_up: Callable[[], bool]
    ) -> None:
        """Find what is larger than a whole queue by itself."""
        if len(records) > 1:
            for record in records:
                await self._commit([record], give_up)
            return
        [record] = records
        outlet = next(outlet for outlet in self._outlets if outlet.queue == record.queue)
        entries = wire.index(record.payload)
        await self._bury(outlet, record.destination, entries, "too_large", refusal.reason)

    async def _bury(
        self,
        outlet: Outlet,
        destination: str,
        entries: Sequence[wire.Entry],
        kind: str,
        reason: str,
    ) -> None:
        await self._dead_letters.add(
            entries,
            exporter=outlet.queue,
            destination=outlet.describe(destination),
            key=destination,
            kind=kind,
            reason=reason,
            attempts=0,
        )
