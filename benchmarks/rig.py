"""A real gateway between a load generator and a sink that can be told to wait, for benchmarks."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from gateway.bench import usage
from gateway.bench.load import Order, Report, token
from gateway.bench.processes import BenchError, Gateway, SinkProcess, gateway, run_load, sink
from gateway.bench.usage import Usage

PROCESSORS = ("memory_limiter", "redaction", "mlflow_mapping", "cost")
_PATIENCE_S = 120.0
_POLL_S = 0.05

_CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:0"}}
      http: {{endpoint: "127.0.0.1:0"}}
    auth: {{tenants: {tenants}}}
processors:
  memory_limiter: {{}}
  redaction: {{}}
  mlflow_mapping: {{}}
  cost: {{}}
  tail_sampling:
    decision_wait: 1h
    num_traces: 1000000
    policies: [{{name: all, type: always_sample}}]
exporters:
  otlp_http:
    endpoint: "http://127.0.0.1:{sink}"
    timeout: 10m
    sending_queue: {{num_lanes: {lanes}}}
service:
  data_dir: "{folder}/data"
  workers: {workers}
  pipelines:
    traces: {{receivers: [otlp], processors: [{processors}], exporters: [otlp_http]}}
  telemetry:
    metrics: {{endpoint: "127.0.0.1:0"}}
    status: {{endpoint: "127.0.0.1:0"}}
    logs: {{level: info, format: json}}
"""


class Setup(msgspec.Struct, kw_only=True, frozen=True):
    """Settings of a gateway that benchmarks differ in; its queue is on disk."""

    workers: int = 1
    lanes: int = 4
    tenants: int = 0
    """How many have a token of their own; 0 for an open gateway."""
    processors: tuple[str, ...] = PROCESSORS

    def config(self, sink: int, folder: str) -> str:
        """Return the gateway's configuration."""
        tenants = [{"name": f"tenant-{n}", "tokens": [token(n)]} for n in range(self.tenants)]
        return _CONFIG.format(
            sink=sink,
            folder=folder,
            lanes=self.lanes,
            workers=self.workers,
            tenants=msgspec.json.encode(tenants).decode(),
            processors=", ".join(self.processors),
        )


class Rig:
    """What runs, and how to use it."""

    def __init__(self, running: Gateway, target: SinkProcess) -> None:
        self._running = running
        self.target = target
        self.accepted = 0
        """Spans, since the start."""

    async def load(self, order: Order) -> Report:
        """
        Send as ordered, to the port of the order's protocol.

        Raises:
            BenchError: requests failed.

        """
        order = msgspec.structs.replace(order, port=self._running.port(order.protocol))
        report = msgspec.json.decode(await run_load(msgspec.json.encode(order), ()), type=Report)
        self.accepted += report.requests * order.spans
        return report

    async def drain(self) -> None:
        """
        Return once the sink has every span that was accepted.

        Raises:
            BenchError: some did not arrive.

        """
        deadline = time.monotonic() + _PATIENCE_S
        while (arrived := await self.target.spans()) < self.accepted:
            if time.monotonic() > deadline:
                raise BenchError(f"{self.accepted} spans were accepted, only {arrived} arrived")
            await asyncio.sleep(_POLL_S)

    def used(self) -> Usage:
        """Return what all processes of the gateway have used."""
        return usage.of_tree(self._running.pid)

    def used_by_worker(self) -> list[float]:
        """Return the seconds of CPU time of each worker, the oldest first."""
        each = usage.by_process(self._running.pid)
        return [each[pid].cpu_s for pid in sorted(each) if pid != self._running.pid]


@asynccontextmanager
async def rig(setup: Setup) -> AsyncIterator[Rig]:
    """
    Run a gateway and a sink; processors are shared as the system sees fit.

    Raises:
        BenchError: a process failed.

    """
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spangate-bench-"))
        target = await stack.enter_async_context(sink(()))
        config = Path(folder) / "bench.yaml"
        config.write_text(setup.config(target.port, folder))
        yield Rig(await stack.enter_async_context(gateway(config, ())), target)


def tell(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)
