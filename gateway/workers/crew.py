"""All workers of a gateway, speaking as one: their metrics, their status, what they know."""

import asyncio
from collections.abc import Mapping

from gateway.clock import SystemClock
from gateway.config.settings import ServiceConfig
from gateway.telemetry import logs, metrics
from gateway.telemetry.snapshot import Merged, take
from gateway.telemetry.status import Status, merge, remains, stages
from gateway.version import __version__
from gateway.why import Told
from gateway.workers.child import Child
from gateway.workers.count import wanted
from gateway.workers.messages import Report

_OURS = -1  # the number under which this process's own metrics are added


class Crew:
    """The workers that live now, and what those before them counted."""

    def __init__(self) -> None:
        self.children: dict[int, Child] = {}
        self.metrics = Merged()
        """Those of all workers, added up."""
        self._started_unix_ns = SystemClock().time_ns()
        self._past: list[Status] = []
        """What is left of the workers that have ended, as one."""

    def reported(self, child: Child, report: Report) -> None:
        """Take a worker's report."""
        child.reported(report)
        self.metrics.update(child.number, report.metrics)

    def gone(self, child: Child) -> None:
        """Forget a worker that has ended; what it counted stays."""
        self.children.pop(child.number, None)
        self.metrics.ended(child.number)
        if child.status is not None:
            self._past = [merge([*self._past, remains(child.status)])]

    def siblings(self, child: Child) -> list[int]:
        """Return the workers to which one may pass requests on."""
        return [
            other.number
            for other in self.children.values()
            if other is not child
            and other.started
            and not other.stopping
            and other.loaded is child.loaded
        ]

    def status(
        self, service: ServiceConfig, state: str, endpoints: Mapping[str, str], refusal: str
    ) -> Status:
        """
        Return what the status endpoint shows.

        Args:
            service: settings that run.
            state: of the gateway.
            endpoints: that are open.
            refusal: why the configuration on disk does not run; empty where it does.

        """
        workers = [child.status for child in self.children.values() if child.status]
        known = merge([*workers, *self._past], logs.NOTICES.list())
        known.exporters = [
            one
            for one in known.exporters
            if any(one.exporter == now.exporter for worker in workers for now in worker.exporters)
        ]
        known.version, known.state, known.endpoints = __version__, state, dict(endpoints)
        known.started_unix_ns = self._started_unix_ns
        known.stages = stages(service.pipelines)
        known.pipelines = {
            name: [*pipeline.receivers, *pipeline.processors, *pipeline.exporters]
            for name, pipeline in service.pipelines.items()
        }
        running, should = self._started(), wanted(service.workers)
        if state == "running" and not running:
            known.state = "starting"
        elif state == "running" and running < should:
            known.degraded.append(f"{running} of {should} workers take requests; see the log")
        if refusal:
            known.degraded.append(f"the configuration on disk was not taken up: {refusal}")
        return known

    async def refresh(self) -> None:
        """Bring status and metrics up to date."""
        await asyncio.gather(*(child.tell() for child in self.children.values()))
        metrics.workers.set(self._started())
        self.metrics.update(_OURS, take(metrics.REGISTRY))

    async def ask(self, trace_id: bytes) -> Told:
        """Return what all workers know of a trace."""
        told = await asyncio.gather(*(child.ask(trace_id) for child in self.children.values()))
        return Told(
            facts=[fact for one in told for fact in one.facts],
            waiting=[waiting for one in told for waiting in one.waiting],
        )

    def _started(self) -> int:
        return sum(child.started for child in self.children.values())
