"""One exporter at work: its queue, its lanes, the state of its destinations."""

import asyncio
from functools import partial
from typing import Any

from gateway import exporter_guard
from gateway.config.exporting import ExporterConfig
from gateway.delivery.crashes import Crashes
from gateway.delivery.lane import Lane
from gateway.delivery.probe import Probe
from gateway.delivery.request import Requests
from gateway.delivery.state import State
from gateway.plugin import Clock, Exporter, Logger
from gateway.queue.base import QueueStats
from gateway.queue.dead_letters import DeadLetters
from gateway.queue.queue import Queue
from gateway.queue.store import Store
from gateway.telemetry import metrics
from gateway.telemetry.status import (
    MOST_DESTINATIONS,
    DestinationStatus,
    SenderStatus,
    Trouble,
)

_QUOTED = "the status page tells it, since it may quote a span"
DRAIN_POLL_S = 0.02
OTHERS_S = 1.0
"""How long a drain waits for other workers while they deliver nothing of what they were given."""
STATES_KEPT = 1000
"""Destinations whose state is kept although nothing waits for them."""


class Sender:
    """
    Deliver what is queued for one exporter.

    Several lanes work side by side; a destination in trouble waits for itself alone, unless the
    exporter says that its server as a whole is to blame.
    """

    def __init__(
        self,
        component_id: str,
        exporter: Exporter[Any],
        *,
        store: Store,
        dead_letters: DeadLetters,
        clock: Clock,
        logger: Logger,
        crashes: Crashes | None = None,
    ) -> None:
        config = exporter.config
        settings = config if isinstance(config, ExporterConfig) else ExporterConfig()
        self.component_id = component_id
        self.exporter = exporter
        self.num_lanes = settings.sending_queue.num_lanes
        self.queue: Queue = store.open(component_id, settings.sending_queue, follow=self.routes)
        self._clock = clock
        self._logger = logger
        self._serving: set[int] = set()
        self._states: dict[str, State] = {}
        self._most_states = STATES_KEPT
        self._new_state = partial(State, retry=settings.retry_on_failure, clock=clock)
        self._whole = self._new_state("", on_change=self._log_change)
        self._probe = Probe(exporter, self._all_states, clock)
        self._parked = metrics.exporter_parked.labels(component_id)
        requests = Requests(
            component_id,
            exporter,
            settings.retry_on_failure,
            whole=self._whole,
            dead_letters=dead_letters,
            clock=clock,
            concurrency=self.num_lanes,
            crashes=crashes,
        )
        self._lanes = [
            Lane(
                number,
                self.queue,
                requests,
                state_of=self._state,
                batch=settings.batch,
            )
            for number in range(self.num_lanes)
        ]

    @property
    def routes(self) -> bool:
        """Whether the exporter has more than one destination."""
        return type(self.exporter).route is not Exporter.route

    async def run(self) -> None:
        """Deliver from all lanes until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(self.num_lanes):
                tasks.create_task(self.serve(number))

    async def serve(self, lane: int) -> None:
        """Deliver from one lane until cancelled."""
        self._serving.add(lane)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._probe.run())
                await self._lanes[lane].run()
        finally:
            self._serving.discard(lane)

    async def leave(self, lane: int, timeout_s: float) -> None:
        """Finish what is under way in a lane; :meth:`serve` is cancelled next."""
        await self._lanes[lane].leave(timeout_s)

    async def drain(self) -> None:
        """
        Return once nothing waits, or all that does is safe on disk and cannot be sent now.

        The caller sets the time limit.
        """
        for state in self._all_states():
            state.nudge()
        for lane in self._lanes:
            lane.flush()
        spans, since = self.queue.spans, self._clock.monotonic()
        while self.queue.spans:
            await self._clock.sleep(DRAIN_POLL_S)
            if spans != self.queue.spans:
                spans, since = self.queue.spans, self._clock.monotonic()
            if not self.queue.durable or self.queue.under_way(self._serving):
                continue
            # Of what other workers deliver it is only seen whether it gets less.
            patient = len(self._serving) < self.num_lanes
            patient = patient and self._clock.monotonic() - since < OTHERS_S
            if self._all_in_trouble() and not patient:
                return

    def _all_in_trouble(self) -> bool:
        """Whether every destination for which something waits here failed when last tried."""
        lanes = (self.queue.lanes[number] for number in self._serving)
        waiting = {line.destination for lane in lanes for line in lane.all_lines()}
        return self._whole.trouble is not None or all(
            self._state(destination).trouble is not None for destination in waiting
        )

    def status(self) -> SenderStatus:
        """Return what waits and what is in trouble."""
        stats = self.queue.stats()
        troubles = [state.trouble for state in self._all_states()]
        return SenderStatus(
            exporter=self.component_id,
            waiting_spans=stats.spans,
            waiting_bytes=stats.size_bytes,
            max_bytes=stats.max_bytes,
            oldest_age_seconds=self._age_s(stats),
            troubles=[trouble for trouble in troubles if trouble is not None],
            destinations=self._destinations(),
        )

    def _destinations(self) -> list[DestinationStatus]:
        """Return those used lately; of many, those with most spans."""
        waiting: dict[str, int] = {}
        for lane in self.queue.lanes:
            for destination, line in lane.lines.items():
                waiting[destination] = waiting.get(destination, 0) + line.spans
        sent = {destination: state.stored_spans for destination, state in self._states.items()}
        busiest = sorted({*sent, *waiting}, key=lambda d: (-waiting.get(d, 0), -sent.get(d, 0), d))
        return [
            DestinationStatus(
                destination=exporter_guard.describe(self.exporter, destination),
                page=exporter_guard.page(self.exporter, destination),
                waiting_spans=waiting.get(destination, 0),
                sent_spans=sent.get(destination, 0),
            )
            for destination in busiest[:MOST_DESTINATIONS]
        ]

    def refresh_metrics(self) -> None:
        """Set the gauges to what waits now."""
        stats = self.queue.stats()
        metrics.queue_size_bytes.labels(self.component_id).set(stats.size_bytes)
        metrics.queue_limit_bytes.labels(self.component_id).set(stats.max_bytes)
        metrics.queue_spans.labels(self.component_id).set(stats.spans)
        metrics.queue_oldest_age.labels(self.component_id).set(self._age_s(stats))

    def _age_s(self, stats: QueueStats) -> float:
        if not stats.oldest_unix_ns:
            return 0.0
        return max(0.0, (self._clock.time_ns() - stats.oldest_unix_ns) / 1e9)

    def _all_states(self) -> list[State]:
        return [self._whole, *self._states.values()]

    def _state(self, destination: str) -> State:
        state = self._states.get(destination)
        if state is None:
            self._trim_states()
            name = exporter_guard.describe(self.exporter, destination)
            state = self._states[destination] = self._new_state(name, on_change=self._log_change)
        return state

    def _trim_states(self) -> None:
        """Forget the states of destinations that are not served, once they are many."""
        if len(self._states) < self._most_states:
            return
        served = {destination for lane in self._lanes for destination in lane.served}
        self._states = {d: state for d, state in self._states.items() if d in served}
        self._most_states = 2 * len(self._states) + STATES_KEPT

    def _log_change(self, state: State, trouble: Trouble | None) -> None:
        """Log trouble when it begins, when its advice changes, and when it ends."""
        self._parked.set(sum(s.parked for s in self._all_states()))
        destination = state.name or "(all)"
        if trouble is None:
            self._logger.info(
                "destination takes spans again",
                exporter=self.component_id,
                destination=destination,
            )
            return
        self._probe.want()
        if trouble.advice is None:
            self._logger.warning(
                "destination refuses all it gets, trying again"
                if state.quotes
                else "destination cannot be reached, trying again",
                exporter=self.component_id,
                destination=destination,
                reason=_QUOTED if state.quotes else trouble.reason,
            )
        else:
            self._logger.error(
                "destination parked; its spans are kept until this is mended",
                exporter=self.component_id,
                destination=destination,
                reason=trouble.reason,
                advice=trouble.advice,
            )
