"""The gateway's own receiver on ports of the system's choice, with a note of what arrives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.plugin import Batch, Receiver, Span
from gateway.registry import Registry
from gateway.testing import component
from tests.exporters.backends import FakeContext


class Recording:
    """What senders see of a gateway, and what it was sent."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.endpoints: dict[str, str] = {}

    def admit(self) -> None:
        """Let everything in."""

    async def __call__(self, *batches: Batch) -> None:
        """Take batches, as a pipeline does."""
        self.batches += batches

    @property
    def spans(self) -> list[Span]:
        """All spans so far."""
        return [span for batch in self.batches for span in batch]

    def environment(self, protocol: str) -> dict[str, str]:
        """Return the variables that make an SDK send here."""
        address = self.endpoints["grpc" if protocol == "grpc" else "http"]
        return {
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{address}",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


@asynccontextmanager
async def recording_gateway() -> AsyncIterator[Recording]:
    """Run the ``otlp`` receiver for as long as the block lasts."""
    recording = Recording()
    endpoint = {"endpoint": "127.0.0.1:0"}
    kind = Registry().find("receivers", "otlp")
    receiver = component(kind, protocols={"grpc": endpoint, "http": endpoint})
    assert isinstance(receiver, Receiver)
    await receiver.start(FakeContext())
    try:
        await receiver.listen(recording)
        recording.endpoints = receiver.endpoints()
        yield recording
    finally:
        await receiver.refuse()
        await receiver.stop()
