"""Bring one request to its destination: try, wait, isolate what the destination refuses."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Self

from gateway import exporter_guard
from gateway.batch import Batch, BatchContext
from gateway.config.exporting import RetryConfig
from gateway.courtesy import COURTESY, lightly
from gateway.delivery.crashes import REASON, Crashes
from gateway.delivery.parts import by_trace
from gateway.delivery.state import State
from gateway.errors import Moved, Reject, Retry
from gateway.otlp import wire
from gateway.plugin import Clock, Exporter
from gateway.queue.dead_letters import DeadLetters
from gateway.slots import Party, Place, Slots
from gateway.telemetry import metrics
from gateway.telemetry.history import HISTORY, Detail

PROBES = 8


class OutageError(Exception):
    """Nothing of a request could be stored, so the destination may be to blame, not the spans."""


class PostponedError(Exception):
    """The destination takes nothing now; nothing of the request is settled."""


class Attempts:
    """How long and how often a request has been tried."""

    def __init__(self) -> None:
        self.since: float | None = None
        """Monotonic seconds of the first try."""
        self.count = 0


class Requests:
    """
    What all requests of an exporter share.

    Args:
        whole: state of the exporter as a whole; a failure that concerns the server holds
            every destination.
        concurrency: requests under way at the same time, over all destinations.

    """

    def __init__(
        self,
        component_id: str,
        exporter: Exporter[Any],
        retry: RetryConfig,
        *,
        whole: State,
        dead_letters: DeadLetters,
        clock: Clock,
        concurrency: int,
        crashes: Crashes | None = None,
    ) -> None:
        self.component_id = component_id
        self.exporter = exporter
        self.retry = retry
        self.whole = whole
        self.dead_letters = dead_letters
        self.clock = clock
        self.crashes = crashes
        self.slots = Slots(concurrency)
        self.sent = metrics.exporter_sent_spans.labels(component_id)
        self.retries = metrics.exporter_retries.labels(component_id)


class Turn:
    """
    The right to send one request; taken before spans are loaded, so that few are in memory.

    It is given back after each try, so that nobody waits for a destination in trouble.
    """

    def __init__(self, requests: Requests, state: State, party: Party) -> None:
        self._slots = requests.slots
        self._states = (requests.whole, state)
        self._party = party
        self._place: Place | None = None

    async def __aenter__(self) -> Self:
        await self.take()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.give()

    @property
    def good(self) -> bool:
        """Whether the destination may be tried now."""
        return self._place is not None and not any(state.wait_s() > 0 for state in self._states)

    async def take(self) -> None:
        """Wait until the destination may be tried and there is a slot."""
        while not self.good:
            self.give()
            for state in self._states:
                await state.ready()
            self._place = place = self._slots.ask(self._party)
            try:
                await place.granted.wait()
            except asyncio.CancelledError:
                self.give()
                raise

    def give(self) -> None:
        """Give the slot back, if it is held."""
        if self._place is not None:
            place, self._place = self._place, None
            self._slots.leave(place)

    @property
    def waiting(self) -> bool:
        """Whether others go first."""
        return self._place is not None and not self._place.granted.is_set()

    def count_for(self, party: Party) -> None:
        """Let the turn count for another party from now on."""
        self._party = party
        if self._place is not None:
            self._slots.move(self._place, party)


class Request:
    """
    One request's way to one destination.

    Each of its spans ends in exactly one of three ways: taken by the destination, a dead letter,
    or in :attr:`moved`.

    Args:
        stored_before: ``state.stored`` when these spans were first tried. A destination that has
            taken a request since then works, so that what it refuses is to blame itself.

    """

    def __init__(
        self, requests: Requests, destination: str, state: State, stored_before: int, turn: Turn
    ) -> None:
        self._shared = requests
        self._destination = destination
        self._sent = Detail(kind="sent", exporter=requests.component_id, destination=destination)
        self._state = state
        self._stored_before = stored_before
        self._turn = turn
        self._attempts = Attempts()
        self._untouched = False
        self._refused: list[tuple[Sequence[wire.Entry], str]] = []
        self.moved: dict[str, set[bytes]] = {}
        """Trace ids that belong to another destination, by destination."""

    async def deliver(
        self, entries: Sequence[wire.Entry], attempts: Attempts | None = None
    ) -> None:
        """
        Return once every span is settled; may be called again with other spans.

        Args:
            entries: the spans, arranged.
            attempts: of these spans until now; with them the request may be postponed.

        Raises:
            OutageError: no part of the request that was tried could be stored, and nothing else
                since; nothing is settled, try again later.
            PostponedError: the destination has to wait before a first answer about the spans.

        """
        self._untouched = attempts is not None
        self._attempts = attempts or Attempts()
        self._refused = []
        if self._attempts.since is None:
            self._attempts.since = self._shared.clock.monotonic()
        if self._shared.crashes is not None and self._shared.crashes.condemned(entries):
            await self._bury(entries, "crashed", REASON)
            return
        try:
            await self._send(entries)
        except Reject:
            try:  # the second try, before looking for the culprit
                await self._send(entries)
            except Reject as refusal:
                await self._isolate(entries, refusal)
        for spans, reason in self._refused:
            await self._bury(spans, "refused", reason)

    async def _export(self, entries: Sequence[wire.Entry]) -> None:
        cost = lightly(wire.size_of(entries), len(entries))
        batch = await COURTESY.aside(cost, self._batch, entries)
        await COURTESY.after_others()
        crashes = self._shared.crashes
        if crashes is None:
            await exporter_guard.export(self._shared.exporter, batch)
            return
        async with crashes.under_way(entries):
            await exporter_guard.export(self._shared.exporter, batch)

    async def _isolate(self, entries: Sequence[wire.Entry], refusal: Reject) -> None:
        rest = entries
        if self._state.stored == self._stored_before:
            stored = await self._probe(entries)
            if not stored:
                raise OutageError(refusal.reason)
            rest = [entry for entry in entries if entry not in stored]
        try:  # a verdict needs a refusal from after the proof that the destination works
            await self._send(rest)
        except Reject as again:
            await self._halve(rest, again)

    async def _probe(self, entries: Sequence[wire.Entry]) -> Sequence[wire.Entry]:
        """Try a few traces, or spans of a single trace; return the first that could be stored."""
        units = _units(entries)
        if len(units) < 2:
            return ()
        for unit in random.sample(units, min(PROBES, len(units))):
            try:
                await self._send(unit)
            except Reject:
                continue
            return unit
        return ()

    async def _halve(self, entries: Sequence[wire.Entry], refusal: Reject) -> None:
        """Halve by trace, then by span, until what is refused stands alone."""
        units = _units(entries)
        if len(units) < 2:
            if units:
                self._refused.append((entries, refusal.reason))
            return
        middle = len(units) // 2
        for half in (units[:middle], units[middle:]):
            piece = [entry for unit in half for entry in unit]
            try:
                await self._send(piece)
            except Reject as again:
                await self._halve(piece, again)

    async def _send(self, entries: Sequence[wire.Entry]) -> None:
        """
        Return once the destination has taken the spans, or all of them are settled otherwise.

        Raises:
            Reject: the destination refuses them and cannot say which.

        """
        remaining = list(entries)
        while remaining:
            if self._untouched and not self._turn.good:
                raise PostponedError  # it failed elsewhere while these were loaded
            await self._turn.take()
            self._attempts.count += 1
            try:
                try:
                    await self._export(remaining)
                finally:
                    self._turn.give()
            except Retry as failure:
                if not await self._retry(remaining, failure):
                    return
                if self._untouched:
                    raise PostponedError from failure
            except Moved as moved:
                self._untouched = False
                remaining = self._set_aside(remaining, moved)
            except Reject as refusal:
                self._untouched = False
                if refusal.isolate:
                    raise
                remaining = await self._drop_named(remaining, refusal)
            else:
                self._taken(remaining)
                return

    def _batch(self, entries: Sequence[wire.Entry]) -> Batch:
        return Batch(wire.assemble(entries), BatchContext(destination=self._destination))

    def _taken(self, entries: Sequence[wire.Entry]) -> None:
        spans = len(entries)
        HISTORY.note(self._sent, wire.trace_ids(entries))
        self._shared.sent.inc(spans)
        self._shared.whole.succeeded(spans)
        self._state.succeeded(spans)

    async def _retry(self, entries: Sequence[wire.Entry], failure: Retry) -> bool:
        """Note a failure; return whether to try again."""
        retry = self._shared.retry
        since = self._attempts.since or 0.0
        elapsed = self._shared.clock.monotonic() - since
        if not retry.enabled or 0 < retry.max_elapsed_time <= elapsed:
            await self._bury(entries, "retries_exhausted", failure.reason)
            return False
        self._shared.retries.inc()
        state = self._shared.whole if failure.scope == "exporter" else self._state
        state.failed(failure)
        return True

    def _set_aside(self, entries: Sequence[wire.Entry], moved: Moved) -> list[wire.Entry]:
        """Take the moved traces out; one that would stay where it is counts as refused."""
        traces = {entry.trace_id for entry in entries}
        homes = {trace: home for trace, home in moved.homes.items() if trace in traces}
        if not homes or self._destination in homes.values():
            raise Reject(moved.reason, isolate=True)
        for trace, home in homes.items():
            self.moved.setdefault(home, set()).add(trace)
        return [entry for entry in entries if entry.trace_id not in homes]

    async def _drop_named(self, entries: Sequence[wire.Entry], refusal: Reject) -> list[wire.Entry]:
        """Bury the spans that the exporter named, all where it named none."""
        if refusal.spans is None:
            await self._bury(entries, "refused", refusal.reason)
            return []
        named = {(span.trace_id, span.span_id) for span in refusal.spans}
        bad = [entry for entry in entries if (entry.trace_id, entry.span_id) in named]
        await self._bury(bad or entries, "refused", refusal.reason)
        return [entry for entry in entries if entry not in bad] if bad else []

    async def _bury(self, entries: Sequence[wire.Entry], kind: str, reason: str) -> None:
        await self._shared.dead_letters.add(
            entries,
            exporter=self._shared.component_id,
            destination=exporter_guard.describe(self._shared.exporter, self._destination),
            key=self._destination,
            kind=kind,
            reason=reason,
            attempts=self._attempts.count,
        )


def _units(entries: Sequence[wire.Entry]) -> list[list[wire.Entry]]:
    """Return the traces, or the spans where there is only one trace."""
    traces = by_trace(entries)
    return traces if len(traces) > 1 else [[entry] for entry in entries]
