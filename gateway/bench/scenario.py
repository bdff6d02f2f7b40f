"""Measure one kind of work: start everything, warm up, load, wait until all has arrived."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from gateway.bench import usage
from gateway.bench.load import Order, Protocol
from gateway.bench.load import Report as LoadReport
from gateway.bench.payload import Kind
from gateway.bench.processes import (
    BenchError,
    Gateway,
    SinkProcess,
    gateway,
    peer,
    run_load,
    sink,
)

_CONNECTIONS = 8
_MANY_CONNECTIONS = 64
"""At a constant rate, so that no request waits for a connection."""
_DRAIN_S = 120.0
_POLL_S = 0.05
_WARM_UP_S = 1.0

_PROCESSORS = ("memory_limiter", "redaction", "mlflow_mapping", "cost")
_CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:0"}}
      http: {{endpoint: "127.0.0.1:0"}}
processors: {{{settings}}}
exporters:
  {exporter}:
    endpoint: "http://127.0.0.1:{sink}"
    sending_queue: {{storage: {storage}}}
service:
  data_dir: "{folder}/data"
  pipelines:
    traces: {{receivers: [otlp], processors: [{processors}], exporters: [{exporter}]}}
  telemetry:
    metrics: {{endpoint: "127.0.0.1:0"}}
    status: {{endpoint: "127.0.0.1:0"}}
    logs: {{level: info, format: json}}
"""


class Scenario(msgspec.Struct, kw_only=True, frozen=True):
    """One kind of work."""

    protocol: Protocol
    kind: Kind
    spans: int
    """Spans in a request."""
    exporter: Literal["otlp_http", "mlflow"] = "otlp_http"
    pipeline: Literal["none", "default"] = "none"
    """``default`` has the processors of the default configuration and its queue on disk, ``none``
    has no processors and a queue in memory."""

    def __str__(self) -> str:
        kind = "LLM" if self.kind == "llm" else self.kind
        work = "default pipeline" if self.pipeline == "default" else "no processors"
        return f"{self.protocol} to {self.exporter}, {work}, {kind} spans, {self.spans} a request"

    def config(self, sink: int, folder: str) -> str:
        """Return the gateway's configuration."""
        default = self.pipeline == "default"
        names = _PROCESSORS if default else ()
        return _CONFIG.format(
            exporter=self.exporter,
            sink=sink,
            folder=folder,
            storage="disk" if default else "memory",
            settings=", ".join(f"{name}: {{}}" for name in names),
            processors=", ".join(names),
        )


class Figures(msgspec.Struct, kw_only=True):
    """What was measured; the CPU time is that of the gateway alone, load and drain together."""

    scenario: Scenario
    requests: int
    refused: int
    body_bytes: float
    load_s: float
    drain_s: float
    cpu_s: float
    """0 where the system does not tell."""
    idle_rss_mib: float
    peak_rss_mib: float
    p50_ms: float
    p99_ms: float
    other_cpu: float
    """Processors kept busy by others meanwhile; above 0.2 the row is disturbed."""

    @property
    def spans(self) -> int:
        """Spans that were accepted, and have arrived."""
        return self.requests * self.scenario.spans

    @property
    def spans_per_s(self) -> float:
        """Spans a second of wall clock, from the first sent to the last arrived."""
        return self.spans / (self.load_s + self.drain_s)

    @property
    def spans_per_cpu_s(self) -> float:
        """Spans for each second of CPU time that the gateway used."""
        return self.spans / self.cpu_s if self.cpu_s else 0.0

    @property
    def requests_per_cpu_s(self) -> float:
        """Requests for each second of CPU time that the gateway used."""
        return self.requests / self.cpu_s if self.cpu_s else 0.0


Report = Callable[[str], None]
"""Told each step."""


async def measure(
    scenario: Scenario, seconds: float, report: Report = lambda _step: None
) -> Figures:
    """
    Measure one kind of work once.

    Raises:
        BenchError: a process failed, or accepted spans did not arrive.

    """
    async with stand(scenario, report) as running:
        return await running.measure(seconds)


class Stand:
    """A gateway that is up and warm, a sink behind it, and a load generator to come."""

    def __init__(
        self,
        scenario: Scenario,
        running: Gateway,
        target: SinkProcess,
        generator: Collection[int],
        report: Report,
    ) -> None:
        self._scenario = scenario
        self._running = running
        self._target = target
        self._generator = generator
        self._report = report
        self._idle = usage.of_tree(running.pid)
        self._sent = 0

    async def measure(self, seconds: float) -> Figures:
        """Load for a while and return the figures once all has arrived."""
        before, others = usage.of_tree(self._running.pid), usage.Others()
        self._report("loading")
        loaded = await self.load(seconds)
        load_end = time.perf_counter()
        self._report("draining")
        await self.drain()
        after, drain_s = usage.of_tree(self._running.pid), time.perf_counter() - load_end
        return Figures(
            scenario=self._scenario,
            requests=loaded.requests,
            refused=loaded.refused,
            body_bytes=loaded.body_bytes,
            load_s=seconds,
            drain_s=drain_s,
            cpu_s=after.cpu_s - before.cpu_s,
            idle_rss_mib=self._idle.rss_mib,
            peak_rss_mib=after.peak_rss_mib,
            p50_ms=loaded.p50_ms,
            p99_ms=loaded.p99_ms,
            other_cpu=others.share(),
        )

    async def load(self, seconds: float, rate: float = 0.0) -> LoadReport:
        """Send as fast as the gateway accepts, or so many requests a second."""
        order = Order(
            protocol=self._scenario.protocol,
            port=self._running.port(self._scenario.protocol),
            kind=self._scenario.kind,
            spans=self._scenario.spans,
            seconds=seconds,
            connections=_MANY_CONNECTIONS if rate else _CONNECTIONS,
            rate=rate,
        )
        output = await run_load(msgspec.json.encode(order), self._generator)
        report = msgspec.json.decode(output, type=LoadReport)
        self._sent += report.requests * self._scenario.spans
        return report

    async def drain(self) -> None:
        """Wait until the sink has as many spans as were accepted."""
        deadline = time.monotonic() + _DRAIN_S
        while (arrived := await self._target.spans()) < self._sent:
            if time.monotonic() > deadline:
                raise BenchError(f"{self._sent} spans were accepted, only {arrived} arrived")
            await asyncio.sleep(_POLL_S)


@asynccontextmanager
async def stand(
    scenario: Scenario, report: Report = lambda _step: None, instead: str = ""
) -> AsyncIterator[Stand]:
    """
    Start everything that one kind of work needs, and warm it up.

    Args:
        scenario: the work.
        report: told each step.
        instead: module that runs in the gateway's place, to compare with; empty for the gateway.

    Raises:
        BenchError: a process failed, or accepted spans did not arrive.

    """
    ours, theirs = split_processors()
    async with AsyncExitStack() as stack:
        report("starting")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spangate-bench-"))
        target = await stack.enter_async_context(sink(theirs))
        config = Path(folder) / "bench.yaml"
        config.write_text(scenario.config(target.port, folder))
        run = peer(instead, target.port, ours) if instead else gateway(config, ours)
        running = await stack.enter_async_context(run)
        made = Stand(scenario, running, target, theirs, report)
        report("warming up")
        await made.load(_WARM_UP_S)
        await made.drain()
        yield made


def split_processors() -> tuple[Collection[int], Collection[int]]:
    """Return processors for the gateway and for the rest; none where they cannot be chosen."""
    if sys.platform != "linux":
        return (), ()
    usable = sorted(os.sched_getaffinity(0))
    return (usable[:1], usable[1:]) if len(usable) > 1 else ((), ())
