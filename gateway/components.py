"""Build and start the components that the settings name, and stop them again."""

from pathlib import Path
from typing import Any, cast

from gateway import lifecycle
from gateway.audit import Audit
from gateway.blame import home_of
from gateway.component_context import Cells, ComponentContext, Reserve
from gateway.config.settings import Settings
from gateway.guard import Guard
from gateway.pipeline import Pipeline
from gateway.plugin import (
    Clock,
    Component,
    Exporter,
    Logger,
    Processor,
    Receiver,
    TraceProcessor,
)
from gateway.poison import Poison
from gateway.telemetry import logs
from gateway.tenants import Tenants
from gateway.threads import Threads
from gateway.trace_guard import TraceGuard


class Components:
    """The running components of one gateway; a processor has an instance in each pipeline."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        data_dir: Path,
        audit: Audit | None = None,
        *,
        reserve: Reserve | None = None,
        cells: Cells | None = None,
        poison: Poison | None = None,
    ) -> None:
        self._poison = poison
        self._settings = settings
        self._clock = clock
        self._data_dir = data_dir
        self._audit = audit
        self._reserve = reserve
        self._cells = cells
        self.tenants = Tenants()
        """Who may send, as the receivers know them."""
        self.receivers: dict[str, Receiver[Any]] = {}
        self.exporters: dict[str, Exporter[Any]] = {}
        self.processors: list[tuple[str, Processor[Any] | TraceProcessor[Any]]] = []
        """Those of the pipelines built so far, in order, with their ids."""

    async def start_receivers(self) -> None:
        """
        Build and start the receivers that a pipeline uses; exporters need the tenants they know.

        Raises:
            StartError: one cannot work.

        """
        pipelines = self._settings.service.pipelines.values()
        for receiver_id in self._settings.receivers:
            if any(receiver_id in pipeline.receivers for pipeline in pipelines):
                receiver = cast("Receiver[Any]", self._build("receivers", receiver_id))
                self.receivers[receiver_id] = receiver
                await self.start("receivers", receiver_id, receiver)

    async def start_exporters(self) -> None:
        """
        Build and start the exporters that a pipeline uses.

        Raises:
            StartError: one cannot work.

        """
        pipelines = self._settings.service.pipelines.values()
        for exporter_id in self._settings.exporters:
            if any(exporter_id in pipeline.exporters for pipeline in pipelines):
                exporter = cast("Exporter[Any]", self._build("exporters", exporter_id))
                self.exporters[exporter_id] = exporter
                await self.start("exporters", exporter_id, exporter)

    async def pipeline(self, name: str, threads: Threads) -> Pipeline:
        """
        Build and start the processors of a pipeline.

        Raises:
            StartError: one cannot work.

        """
        guards: list[Guard] = []
        judge: TraceGuard | None = None
        for processor_id in self._settings.service.pipelines[name].processors:
            processor = cast(
                "Processor[Any] | TraceProcessor[Any]", self._build("processors", processor_id)
            )
            self.processors.append((processor_id, processor))
            await self.start("processors", processor_id, processor)
            policy = self._settings.processors[processor_id].on_error
            logger = logs.get(processor_id)
            if isinstance(processor, TraceProcessor):
                judge = TraceGuard(
                    processor_id, processor, pipeline=name, logger=logger, on_error=policy
                )
            else:
                guards.append(
                    Guard(processor_id, processor, pipeline=name, logger=logger, on_error=policy)
                )
        return Pipeline(name, guards, threads, judge, self._poison)

    async def start(self, kind: str, component_id: str, component: Component[Any]) -> None:
        """
        Start one component.

        Raises:
            StartError: it failed.

        """
        context = ComponentContext(
            kind,
            component_id,
            clock=self._clock,
            data_dir=self._data_dir,
            tenants=self.tenants,
            audit=self._audit,
            reserve=self._reserve,
            cells=self._cells,
            poison=self._poison,
        )
        where, home = f"{kind}.{component_id}", home_of(type(component))
        await lifecycle.start(where, lifecycle.call(component.start, context), home)

    async def stop(self, logger: Logger, timeout_s: float = 1.0) -> None:
        """Stop all: receivers, processors, exporters; each may take so long."""
        everything: list[tuple[str, Component[Any]]] = [
            *self.receivers.items(),
            *self.processors,
            *self.exporters.items(),
        ]
        for component_id, component in everything:
            await lifecycle.stop(component_id, lifecycle.call(component.stop), logger, timeout_s)
            lifecycle.end_tasks(component_id, component, logger)

    def _build(self, kind: str, component_id: str) -> Component[Any]:
        chosen = getattr(self._settings, kind)[component_id]
        return lifecycle.build(f"{kind}.{component_id}", chosen.component, chosen.config)
