"""Use the mlflow exporter as the engine does, without the engine."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from exporters.mlflow import Mlflow
from gateway.plugin import Batch, BatchContext
from gateway.tenants import TenantConfig, Tenants
from gateway.testing import component
from tests.exporters.backends import FakeContext


class ExporterContext(FakeContext):
    """What the engine gives our own exporters: also the tenants."""

    def __init__(self, tenants: Mapping[str, TenantConfig] | None = None) -> None:
        super().__init__()
        self.tenants = Tenants(tenants)


@asynccontextmanager
async def exporting(
    endpoint: str, context: ExporterContext | None = None, **settings: object
) -> AsyncIterator[Mlflow]:
    """Run an exporter for the time of a block."""
    exporter = component(Mlflow, endpoint=endpoint, **settings)
    await exporter.start(context or ExporterContext())
    try:
        yield exporter
    finally:
        await exporter.stop()


def routed(exporter: Mlflow, batch: Batch) -> Batch:
    """Return the batch as the engine hands it to the exporter."""
    destination = exporter.route(batch.context, batch.resources[0])
    return Batch(batch.encode(), BatchContext(destination=destination))


async def send(exporter: Mlflow, batch: Batch) -> None:
    """Route a batch by its first resource and export it."""
    await exporter.export(routed(exporter, batch))
