"""
Build the gateway from its settings, start it, and stop it in order.

Start: exporters, processors, receivers last. Stop: not ready first, then receivers refuse,
queues drain for at most ``shutdown_timeout``, exporters end last.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from gateway import exporter_guard, guard, lifecycle, scheduling
from gateway.audit import Audit
from gateway.blame import home_of
from gateway.clock import SystemClock
from gateway.component_context import Cells
from gateway.components import Components
from gateway.config.exporting import MIB
from gateway.config.settings import Settings
from gateway.data_dir import DataDir
from gateway.delivery.crashes import Crashes
from gateway.delivery.sender import DRAIN_POLL_S, Sender
from gateway.gathering.gatherer import Gatherer
from gateway.guard import Guard
from gateway.intake import Intake, Outlet, Splitter
from gateway.pipeline import Pipeline
from gateway.plugin import Clock
from gateway.poison import Poison
from gateway.queue.dead_letters import DeadLetters
from gateway.queue.queue import Queue
from gateway.queue.scanner import Waiting
from gateway.queue.store import Store
from gateway.telemetry import logs, metrics
from gateway.telemetry.history import HISTORY, Fact
from gateway.telemetry.once import Once
from gateway.telemetry.pages import Sources
from gateway.telemetry.server import TelemetryServer
from gateway.telemetry.status import Status, stages
from gateway.threads import Threads
from gateway.trace_guard import TraceGuard
from gateway.version import __version__
from gateway.why import Told
from gateway.workers import count
from gateway.workers.duties import Duties
from gateway.workers.lane_locks import LaneLocks
from gateway.workers.load import Load
from gateway.workers.messages import Own
from gateway.workers.relief import Relief

CLOSING_S = 1.0
"""Of ``shutdown_timeout``, kept for closing what is open after the queues have drained."""


class Seat(Protocol):
    """What a worker process gets from its supervisor, which does the rest for all workers."""

    number: int
    sockets: Path
    """Where workers listen for each other."""

    crashes: Crashes
    """What is being sent, for those who look after a crash."""

    poison: Poison
    """What is being processed, for them too."""

    load: Load
    """How busy each worker is."""

    once: Once
    """Which calls of models were counted by any worker."""

    @property
    def cells(self) -> Cells:
        """Numbers that all workers share."""
        ...

    async def take_place(self, lanes: int) -> Own:
        """Say that all is built; return what to serve at first."""
        ...

    async def reserve(self, where: str, host: str, port: int) -> int:
        """Return the port to listen on, shared with the other workers."""
        ...

    def released(self, lanes: list[int]) -> None:
        """Say that lanes are no longer served here."""
        ...

    def emptied(self, log: int) -> None:
        """Say that nothing is left in the log of a worker that is gone."""
        ...

    async def drained(self) -> None:
        """Say that nothing more can be sent now; return once no other worker needs this one."""
        ...


class Service:
    """
    One gateway in this process; it runs once.

    Args:
        settings: what to build.
        clock: for tests.
        seat: its place among the workers of a supervisor; None where it is alone.

    """

    def __init__(
        self, settings: Settings, clock: Clock | None = None, seat: Seat | None = None
    ) -> None:
        self._settings = settings
        self._seat = seat
        self._clock = clock or SystemClock()
        self._logger = logs.get("service")
        self._data_dir = DataDir(Path(settings.service.data_dir))
        self._state = "starting"
        audit_path = settings.service.telemetry.audit.path
        self._audit = Audit(
            logs.get("audit"), self._clock, Path(audit_path) if audit_path else None
        )
        self._components = Components(
            settings,
            self._clock,
            self._data_dir.path,
            self._audit,
            reserve=seat.reserve if seat else None,
            cells=seat.cells if seat else None,
            poison=seat.poison if seat else None,
        )
        tenants = self._components.tenants
        self._threads = Threads(lambda: tenants.several)
        self._store = Store(
            self._data_dir.path / "queue",
            clock=self._clock,
            worker=seat.number if seat else 0,
            shares=count.wanted(settings.service.workers) if seat else 1,
            several_tenants=lambda: tenants.several,
        )
        self._senders: dict[str, Sender] = {}
        self._gatherers: list[Gatherer] = []
        self._sending: list[asyncio.Task[None]] = []
        self._duties: Duties | None = None
        self._relief = (
            Relief(seat.sockets, seat.number, seat.load, logs.get("workers")) if seat else None
        )
        self._handing_over = False
        self._pipelines: list[Pipeline] = []
        self._dead_letters = DeadLetters(
            self._data_dir.path / "dead-letters",
            self._clock,
            logs.get("dead_letters"),
            settings.service.dead_letters.max_size_mib * MIB,
        )
        self._telemetry = TelemetryServer(
            Sources(
                status=self.status,
                refresh=self._refresh,
                metrics=metrics.REGISTRY,
                letters=self._dead_letters.newest,
                settings=lambda: settings,
                told=self._ask,
            ),
            audit=self._audit,
            clock=self._clock,
            logger=logs.get("telemetry"),
        )
        self._started_unix_ns = self._clock.time_ns()
        self.endpoints: dict[str, str] = {}
        """Addresses that are open, by name, once running."""

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None] | None = None) -> None:
        """
        Run until ``stop`` is set, then drain and return.

        Raises:
            StartError: a component cannot work; nothing was accepted.
            OSError: the data directory or a telemetry endpoint cannot be used.

        """
        if self._seat is None:
            self._data_dir.open()
        guard.watch(asyncio.get_running_loop(), self._logger)
        try:
            async with asyncio.TaskGroup() as tasks:
                try:
                    with scheduling.standing_back():  # gRPC's threads above all
                        await self._start(tasks)
                    self._state = "running"
                    if on_ready is not None:
                        on_ready()
                    await stop.wait()
                finally:
                    await self._stop()
        finally:
            self._data_dir.close()

    def status(self) -> Status:
        """Return what the status endpoint shows."""
        exporters = [worker.status() for worker in self._workers()]
        return Status(
            version=__version__,
            state=self._state,
            degraded=[
                *filter(None, [self._store.trouble]),
                *(
                    f"{sender.exporter}{trouble.destination and ' '}{trouble.destination}: "
                    f"{trouble.advice or trouble.reason}"
                    for sender in exporters
                    for trouble in sender.troubles
                ),
            ],
            pipelines={
                name: [*pipeline.receivers, *pipeline.processors, *pipeline.exporters]
                for name, pipeline in self._settings.service.pipelines.items()
            },
            endpoints=self.endpoints,
            exporters=exporters,
            dead_letters=self._dead_letters.total,
            started_unix_ns=self._started_unix_ns,
            stages=stages(self._settings.service.pipelines),
            notices=logs.NOTICES.list(),
        )

    def why(self, trace_id: bytes) -> Told:
        """Return what this process knows of a trace."""
        facts = [self._named(fact) for fact in HISTORY.find(trace_id)]
        queues = [queue for queue in self._store.queues if not queue.durable]
        records = [record for queue in queues for record in queue.waiting(trace_id)]
        waiting = [
            Waiting(
                exporter=record.queue,
                lane=record.lane,
                destination=record.destination,
                records=1,
                spans=record.spans,
                bytes=record.size,
                oldest_unix_ns=record.received_unix_ns,
            )
            for record in records
        ]
        return Told(facts=facts, waiting=waiting)

    def _named(self, fact: Fact) -> Fact:
        """Return a fact with its destination as people know it, and where to see it."""
        exporter = self._components.exporters.get(fact.detail.exporter)
        if exporter is None:
            return fact
        key = fact.detail.destination
        detail = msgspec.structs.replace(
            fact.detail,
            destination=exporter_guard.describe(exporter, key),
            page=exporter_guard.page(exporter, key),
        )
        return Fact(time_unix_ns=fact.time_unix_ns, detail=detail)

    async def _ask(self, trace_id: bytes) -> Told:
        return self.why(trace_id)

    def own(self, own: Own) -> None:
        """Serve these lanes and logs from now on."""
        if self._duties is not None:
            self._duties.change(own)
        if self._relief is not None:
            self._relief.change(own.siblings)

    def leave(self, *, reload: bool) -> None:
        """Say, before :meth:`run` is told to stop, whether another worker goes on instead."""
        self._handing_over = reload

    @property
    def several_tenants(self) -> bool:
        """Whether several may send."""
        return self._components.tenants.several

    @property
    def guards(self) -> list[Guard]:
        """Those of all processors of stage 1."""
        return [guard for pipeline in self._pipelines for guard in pipeline.guards]

    @property
    def judges(self) -> list[TraceGuard]:
        """Those of all processors of stage 2."""
        return [pipeline.judge for pipeline in self._pipelines if pipeline.judge is not None]

    def pages(self) -> dict[str, str]:
        """Return addresses where a person sees what arrived, by name."""
        return {
            name: page
            for exporter in self._components.exporters.values()
            for name, page in exporter_guard.pages(exporter).items()
        }

    async def _start(self, tasks: asyncio.TaskGroup) -> None:
        if self._seat is None:
            for warning in self._settings.warnings:
                self._logger.warning(warning)
        parts = self._components
        self._audit.open()
        await parts.start_receivers()
        await parts.start_exporters()
        for exporter_id, exporter in parts.exporters.items():
            self._senders[exporter_id] = Sender(
                exporter_id,
                exporter,
                store=self._store,
                dead_letters=self._dead_letters,
                clock=self._clock,
                logger=logs.get(exporter_id),
                crashes=self._seat.crashes if self._seat else None,
            )
        once = self._seat.once if self._seat else None
        intake = Intake(await self._wire(), self._store, once, self._relief)
        if self._seat is not None:
            self._sending = [tasks.create_task(await self._take_seat(self._seat))]
            if self._relief is not None:
                self._sending.append(tasks.create_task(self._relief.run()))
        else:
            await self._store.start()
            self._sending = [tasks.create_task(worker.run()) for worker in self._workers()]
            telemetry = self._settings.service.telemetry
            self.endpoints |= await self._telemetry.start(telemetry.metrics, telemetry.status)
        for receiver_id, receiver in parts.receivers.items():
            where = f"receivers.{receiver_id}"
            listening = receiver.listen(intake.deliver(receiver_id))
            await lifecycle.start(where, listening, home_of(type(receiver)))
            prefix = "" if len(parts.receivers) == 1 else f"{receiver_id} "
            self.endpoints |= {prefix + k: v for k, v in receiver.endpoints().items()}

    async def _take_seat(self, seat: Seat) -> Coroutine[None, None, None]:
        """Take up what the supervisor says; return what serves it."""
        workers = self._workers()
        first = await seat.take_place(max(worker.num_lanes for worker in workers))
        logger = logs.get("workers")
        locks = LaneLocks(seat.sockets, logger)
        await locks.take_log(seat.number)
        await locks.take(first.lanes)
        await self._store.start(first.lanes)
        self._duties = Duties(
            seat.number,
            seat.sockets,
            self._store,
            workers,
            supervision=seat,
            locks=locks,
            logger=logger,
        )
        return self._duties.run(first)

    async def _wire(self) -> dict[str, list[tuple[Pipeline, Sequence[Splitter]]]]:
        """Start the pipelines and join them with receivers and senders."""
        fed: dict[str, list[tuple[Pipeline, Sequence[Splitter]]]] = {}
        for name, wanted in self._settings.service.pipelines.items():
            pipeline = await self._components.pipeline(name, self._threads)
            self._pipelines.append(pipeline)
            tenants = self._components.tenants
            outlets = [Outlet(self._senders[exporter], tenants) for exporter in wanted.exporters]
            splitters: Sequence[Splitter] = outlets
            if pipeline.judge is not None:
                if self._seat is not None:
                    pipeline.judge.note_in(self._seat.crashes)
                splitters = [self._gatherer(pipeline.judge, outlets)]
            for receiver_id in wanted.receivers:
                fed.setdefault(receiver_id, []).append((pipeline, splitters))
        return fed

    def _workers(self) -> list[Sender | Gatherer]:
        return [*self._gatherers, *self._senders.values()]

    def _gatherer(self, judge: TraceGuard, outlets: Sequence[Outlet]) -> Gatherer:
        gatherer = Gatherer(
            judge,
            outlets,
            store=self._store,
            threads=self._threads,
            dead_letters=self._dead_letters,
            clock=self._clock,
        )
        self._gatherers.append(gatherer)
        return gatherer

    async def _stop(self) -> None:
        was_running = self._state == "running"
        if was_running and self._seat is None:
            self._logger.info(
                "stopping: what waits is sent first; a second signal ends at once",
                spans=sum(sender.queue.spans for sender in self._senders.values()),
                at_most=str(self._settings.service.shutdown_timeout),
            )
        if not self._handing_over:
            self._state = "stopping"
        deadline = self._clock.monotonic() + float(self._settings.service.shutdown_timeout)
        if self._relief is not None:
            self._relief.guests.decline()
        for receiver_id, receiver in self._components.receivers.items():
            leaving = receiver.hand_over() if self._handing_over else receiver.refuse()
            await lifecycle.stop(receiver_id, leaving, self._logger, self._left_s(deadline))
        if self._relief is not None:
            finishing = self._relief.guests.finish()
            await lifecycle.stop("workers", finishing, self._logger, self._left_s(deadline))
        await self._drain(self._left_s(deadline))
        if self._seat is not None and was_running:
            await self._seat.drained()
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._store.close()
        await self._components.stop(self._logger)
        await self._telemetry.stop()
        self._audit.close()
        self._threads.close()

    def _left_s(self, deadline: float) -> float:
        """Return how long draining may go on; at least a moment, to look whether it is done."""
        return max(0.1, deadline - self._clock.monotonic() - CLOSING_S)

    async def _drain(self, timeout_s: float) -> None:
        """Send what waits; of what is left, that in memory is counted as lost."""
        if not self._sending:
            return  # nothing was accepted
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if self._handing_over:
                    await self._hand_over_memory()
                    return
                await asyncio.gather(*(gatherer.drain() for gatherer in self._gatherers))
                await asyncio.gather(*(sender.drain() for sender in self._senders.values()))
        for worker in self._workers():
            self._report_rest(worker.queue)

    async def _hand_over_memory(self) -> None:
        """Return once other workers have brought to their end what no disk holds."""
        while any(w.queue.spans and not w.queue.durable for w in self._workers()):
            await self._clock.sleep(DRAIN_POLL_S)

    def _report_rest(self, queue: Queue) -> None:
        """Say what a queue still holds."""
        gone = self._data_dir.lost() if queue.durable else None
        if queue.spans and gone is not None:
            metrics.exporter_send_failed_spans.labels(queue.name, "shutdown").inc(queue.spans)
            self._logger.error(
                "stopped before all spans were sent; they are lost with the folder they were in",
                exporter=queue.name,
                spans=queue.spans,
                reason=str(gone),
            )
        elif queue.spans and queue.durable:
            self._logger.info(
                "stopped before all spans were sent; the rest is on disk and goes out after "
                "the next start",
                exporter=queue.name,
                spans=queue.spans,
            )
        elif queue.spans:
            metrics.exporter_send_failed_spans.labels(queue.name, "shutdown").inc(queue.spans)
            self._logger.error(
                "stopped before all spans were sent; they are lost, since the queue is in memory",
                exporter=queue.name,
                spans=queue.spans,
            )

    async def _refresh(self) -> None:
        self.refresh_metrics()

    def refresh_metrics(self) -> None:
        """Set the gauges to what is the case now."""
        for worker in self._workers():
            worker.refresh_metrics()
