"""Stage 2 of one pipeline at work: its queue, its lanes, what is undecided."""

import asyncio
from collections.abc import Sequence
from typing import Literal

from gateway.batch import Batch, BatchContext, Resource
from gateway.config.exporting import QueueConfig
from gateway.gathering.handover import Handover
from gateway.gathering.lane import GatheringLane
from gateway.intake import Outlet
from gateway.otlp import wire
from gateway.plugin import Clock
from gateway.queue.base import Record
from gateway.queue.dead_letters import DeadLetters
from gateway.queue.queue import PIPELINE_QUEUE
from gateway.queue.store import Store
from gateway.telemetry import metrics
from gateway.telemetry.status import SenderStatus
from gateway.threads import Threads
from gateway.trace_guard import TraceGuard

HELD_BYTES = 64 * 1024 * 1024
"""Payloads of undecided traces that stay in memory; the others are read from the disk again."""


class Gatherer:
    """
    Gather the spans of a pipeline into traces and let its trace processor decide.

    Its queue stands before the exporters' queues and is like them: on disk where one of them is,
    as large as the largest.
    """

    def __init__(
        self,
        guard: TraceGuard,
        outlets: Sequence[Outlet],
        *,
        store: Store,
        threads: Threads,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> None:
        self.pipeline = guard.pipeline
        settings = queue_settings([outlet.settings for outlet in outlets])
        self.queue = store.open(
            PIPELINE_QUEUE + guard.pipeline, settings, decisions=guard.processor.remembered
        )
        self._outlets = outlets
        self._max_traces = guard.processor.max_traces
        self._open = metrics.sampling_open_traces.labels(guard.pipeline)
        self._clock = clock
        handover = Handover(outlets, store=store, dead_letters=dead_letters, clock=clock)
        self._lanes = [
            GatheringLane(
                number,
                self.queue,
                guard,
                handover=handover,
                threads=threads,
                clock=clock,
                held_bytes=HELD_BYTES // settings.num_lanes,
                room=lambda: self._max_traces - self.open_traces,
            )
            for number in range(settings.num_lanes)
        ]

    @property
    def open_traces(self) -> int:
        """Traces that are undecided."""
        return sum(len(lane.traces) for lane in self._lanes)

    def records(self, context: BatchContext, batch: Batch) -> list[Record]:
        """
        Return a batch as records of the pipeline's queue: one for each lane.

        Raises:
            Forbidden: the tenant may not write where the batch points.

        """
        entries = batch.entries()
        for outlet in self._outlets:
            outlet.check(context, entries)
        groups = wire.by_lane(entries, len(self._lanes), None)
        return [
            Record(
                queue=self.queue.name,
                lane=lane,
                destination="",
                payload=batch.encode() if len(groups) == 1 else wire.assemble(some),
                spans=len(some),
                trace_ids=frozenset(wire.trace_ids(some)),
                tenant=context.tenant,
                received_unix_ns=context.received_unix_ns,
                context=context,
            )
            for (lane, _), some in groups.items()
        ]

    def experiment(self, context: BatchContext, resource: Resource) -> str:
        """Return where a resource's spans would go as people know it."""
        found = (outlet.experiment(context, resource) for outlet in self._outlets)
        return next(filter(None, found), "")

    async def run(self) -> None:
        """Serve until cancelled, or until :meth:`drain` has brought it to an end."""
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(lane.run())

    async def serve(self, lane: int) -> None:
        """Serve one lane until cancelled."""
        await self._lanes[lane].serve()

    async def leave(self, lane: int, timeout_s: float) -> None:
        """Finish what is under way in a lane; :meth:`serve` is cancelled next."""
        await self._lanes[lane].leave(timeout_s)

    @property
    def num_lanes(self) -> int:
        """How many lanes there are."""
        return len(self._lanes)

    async def drain(self) -> None:
        """
        Return once everything is decided, or, where it is on disk, nothing is under way.

        The caller sets the time limit.
        """
        for lane in self._lanes:
            lane.finish()
        await asyncio.gather(*(lane.over.wait() for lane in self._lanes))

    def nudge(self) -> None:
        """Let every lane look at the clock again."""
        for lane in self._lanes:
            lane.nudge()

    def status(self) -> SenderStatus:
        """Return what waits, as for an exporter; the name says that it is a pipeline."""
        stats = self.queue.stats()
        oldest = stats.oldest_unix_ns
        return SenderStatus(
            exporter=self.queue.name,
            waiting_spans=stats.spans,
            waiting_bytes=stats.size_bytes,
            max_bytes=stats.max_bytes,
            oldest_age_seconds=max(0.0, (self._clock.time_ns() - oldest) / 1e9) if oldest else 0.0,
            troubles=[],
        )

    def refresh_metrics(self) -> None:
        """Set the gauges to what waits now."""
        status = self.status()
        self._open.set(self.open_traces)
        metrics.queue_size_bytes.labels(status.exporter).set(status.waiting_bytes)
        metrics.queue_spans.labels(status.exporter).set(status.waiting_spans)
        metrics.queue_oldest_age.labels(status.exporter).set(status.oldest_age_seconds)


_Fsync = Literal["group", "always", "none"]
_FSYNC: tuple[_Fsync, ...] = ("none", "group", "always")


def queue_settings(exporters: Sequence[QueueConfig]) -> QueueConfig:
    """Return the settings of the queue before exporters with these ones."""
    on_disk = [one for one in exporters if one.storage == "disk"]
    strictest = max((_FSYNC.index(one.fsync) for one in on_disk), default=1)
    return QueueConfig(
        storage="disk" if on_disk else "memory",
        max_size_mib=max(one.max_size_mib for one in exporters),
        num_lanes=max(one.num_lanes for one in exporters),
        fsync=_FSYNC[strictest],
    )
