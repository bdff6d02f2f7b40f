"""Measure one kind of work: start everything, warm up, load, wait until all has arrived."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

import msgspec

from gateway.bench import usage
from gateway.bench.load import Order, Protocol, Report
from gateway.bench.payload import Kind
from gateway.bench.processes import BenchError, SinkProcess, gateway, run_load, sink

_CONNECTIONS = 8
_DRAIN_S = 120.0
_POLL_S = 0.05
_WARM_UP_S = 1.0

_CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:0"}}
      http: {{endpoint: "127.0.0.1:0"}}
exporters:
  {exporter}:
    endpoint: "http://127.0.0.1:{sink}"
    sending_queue: {{storage: memory}}
service:
  data_dir: "{folder}/data"
  pipelines:
    traces: {{receivers: [otlp], processors: [], exporters: [{exporter}]}}
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

    def __str__(self) -> str:
        kind = "LLM" if self.kind == "llm" else self.kind
        return f"{self.protocol} to {self.exporter}, {kind} spans, {self.spans} a request"


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


async def measure(
    scenario: Scenario, seconds: float, report: Callable[[str], None] = lambda _step: None
) -> Figures:
    """
    Measure one kind of work; ``report`` is told each step.

    Raises:
        BenchError: a process failed, or accepted spans did not arrive.

    """
    ours, theirs = split_processors()
    async with AsyncExitStack() as stack:
        report("starting")
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="spangate-bench-"))
        target = await stack.enter_async_context(sink(theirs))
        config = Path(folder) / "bench.yaml"
        config.write_text(
            _CONFIG.format(exporter=scenario.exporter, sink=target.port, folder=folder)
        )
        running = await stack.enter_async_context(gateway(config, ours))
        idle = usage.of_tree(running.pid)
        order = Order(
            protocol=scenario.protocol,
            port=running.port(scenario.protocol),
            kind=scenario.kind,
            spans=scenario.spans,
            seconds=_WARM_UP_S,
            connections=_CONNECTIONS,
        )
        report("warming up")
        warm = await _load(order, theirs)
        await _arrived(target, warm.requests * scenario.spans)
        report("loading")
        before, others = usage.of_tree(running.pid), usage.Others()
        order.seconds = seconds
        loaded = await _load(order, theirs)
        load_end = time.perf_counter()
        report("draining")
        await _arrived(target, (warm.requests + loaded.requests) * scenario.spans)
        after, drain_s = usage.of_tree(running.pid), time.perf_counter() - load_end
        disturbed = others.share()
    return Figures(
        scenario=scenario,
        requests=loaded.requests,
        refused=loaded.refused,
        body_bytes=loaded.body_bytes,
        load_s=seconds,
        drain_s=drain_s,
        cpu_s=after.cpu_s - before.cpu_s,
        idle_rss_mib=idle.rss_mib,
        peak_rss_mib=after.peak_rss_mib,
        p50_ms=loaded.p50_ms,
        p99_ms=loaded.p99_ms,
        other_cpu=disturbed,
    )


def split_processors() -> tuple[Collection[int], Collection[int]]:
    """Return processors for the gateway and for the rest; none where they cannot be chosen."""
    if sys.platform != "linux":
        return (), ()
    usable = sorted(os.sched_getaffinity(0))
    return (usable[:1], usable[1:]) if len(usable) > 1 else ((), ())


async def _load(order: Order, cpus: Collection[int]) -> Report:
    return msgspec.json.decode(await run_load(msgspec.json.encode(order), cpus), type=Report)


async def _arrived(target: SinkProcess, expected: int) -> None:
    """Wait until the sink has as many spans as were accepted."""
    deadline = time.monotonic() + _DRAIN_S
    while (arrived := await target.spans()) < expected:
        if time.monotonic() > deadline:
            raise BenchError(f"{expected} spans were accepted, only {arrived} arrived")
        await asyncio.sleep(_POLL_S)
