"""
Compare what a real MLflow stores behind the gateway and without: ``python -m benchmarks.mlflow``.

The same traces of an LLM agent (6 spans, 6.5 KB each) go to one MLflow server in turns: straight
from eight senders, and from them through the gateway (default pipeline, queue on disk), each time
until the last span stands in MLflow's database. All ways take turns, so that none gets the
emptier tables or the quieter machine; figures are medians of the turns, and the factors medians
of what they were in each turn. ``--latency`` measures instead how soon a trace can be read from
MLflow when nothing else is under way.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiohttp
import sqlalchemy

from benchmarks import page
from gateway.bench import usage
from gateway.bench.payload import templates
from gateway.bench.processes import gateway
from gateway.local_mlflow import LocalMlflow
from gateway.otlp import wire
from tests.e2e import postgres
from tests.e2e.conftest import free_port, running
from tests.e2e.mlflow_server import MlflowApi

SENDERS = 8
WORK = {6: "one trace", 500: "500 spans"}
"""Spans of a request, and what they are called."""
_DIRECT = "direct"
_PATIENCE_S = 300.0
_POLL_S = 0.1
_FULL_QUEUE_S = 0.2
_READ_AGAIN_S = 0.02

_CONFIG = """\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
processors: {{memory_limiter: {{}}, redaction: {{}}, mlflow_mapping: {mapping}, cost: {{}}}}
exporters:
  mlflow:
    endpoint: "{mlflow}"
    sending_queue: {{num_lanes: {lanes}}}
    batch: {{max_spans: {max_spans}, max_size_mib: {mib}, flush_timeout: {flush}}}
service:
  data_dir: "{folder}"
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, redaction, mlflow_mapping, cost]
      exporters: [mlflow]
  telemetry:
    metrics: {{endpoint: "127.0.0.1:0"}}
    status: {{endpoint: "127.0.0.1:0"}}
    logs: {{level: info, format: json}}
"""


_LEAN = """{
  keep_source_attributes: false, trace_tags: {drop: ["*"]},
  resource_attributes: {drop: ["*"], keep: [service.name, "mlflow.*"]}}"""
"""What docs/exporters/mlflow.md advises for more spans a second."""

TITLE = "Into MLflow"
_HEAD = """\
| store | a request from senders | to MLflow | spans/s | | CPU ms a span | |
| --- | --- | --- | ---: | ---: | ---: | ---: |"""
_LATENCY_HEAD = "| store | to MLflow | p50 ms | p90 ms |\n| --- | --- | ---: | ---: |"
PAGE = """\
Recorded with `python -m benchmarks.mlflow --record` on {machine}: the same traces of an LLM agent
(6 spans, 6.5 KB each) straight from eight senders to a real MLflow, and from them through the
gateway (default pipeline, queue on disk), {turns} turns of {total:,} spans each, medians. Spans a
second are by the clock, from the first request until the last span stands in MLflow's database; the
CPU time is MLflow's own, and the figure to compare where the machine has other work. "Few tags" is
`mlflow_mapping` [for more spans a second](../docs/exporters/mlflow.md#more-spans-a-second). What
bounds MLflow is in [ADR 14](../docs/adr/0014-batches-into-mlflow.md).

{table}
"""


class Knobs(NamedTuple):
    """Settings of the exporter that decide how its requests look."""

    lanes: int = 4
    max_spans: int = 500
    mib: float = 8
    flush: str = "500ms"
    lean: bool = False
    """Whether few tags and no attributes twice reach MLflow."""

    def __str__(self) -> str:
        shape = f"{self.lanes} lanes, {self.max_spans} spans, {self.mib:g} MiB, {self.flush}"
        return f"{shape}, few tags" if self.lean else shape

    def config(self, mlflow: str, folder: Path) -> str:
        """Return the configuration of a gateway with them."""
        mapping = _LEAN if self.lean else "{}"
        return _CONFIG.format(mlflow=mlflow, folder=folder, mapping=mapping, **self._asdict())


class Turn(NamedTuple):
    """What one turn came to."""

    spans_per_s: float
    """By the clock, from the first request until the last span is stored."""
    cpu_ms: float
    """CPU time of MLflow for each span; that of a database server is not known."""


class Bench:
    """One MLflow server, and the ways to it."""

    def __init__(self, server: LocalMlflow, store: str, experiment: str) -> None:
        self._server = server
        self._database = sqlalchemy.create_engine(store)
        self._headers = {
            "Content-Type": "application/x-protobuf",
            "x-mlflow-experiment-id": experiment,
        }
        self.ways = {_DIRECT: f"{server.url}/v1/traces"}

    async def turn(self, way: str, spans: int, total: int) -> Turn:
        """Send that many spans and wait until they are stored."""
        bodies = [template.fresh() for template in templates("llm", spans, total // spans)]
        expected = self._stored() + len(bodies) * spans
        left, before = iter(bodies), usage.of_tree(self._server.pid)
        start = time.perf_counter()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_PATIENCE_S)) as session:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(SENDERS):
                    tasks.create_task(self._send(session, self.ways[way], left))
            await self._arrived(expected)
        took, after = time.perf_counter() - start, usage.of_tree(self._server.pid)
        sent = len(bodies) * spans
        return Turn(sent / took, (after.cpu_s - before.cpu_s) / sent * 1e3)

    async def readable(self, way: str) -> float:
        """Send a trace of six spans and return the seconds until MLflow shows all of it."""
        body = templates("llm", 6, 1)[0].fresh()
        spans = [entry.trace_id for entry in wire.index(body)]
        async with aiohttp.ClientSession() as session, MlflowApi(self._server.url) as api:
            start = time.perf_counter()
            await self._send(session, self.ways[way], iter([body]))
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    if len(await api.spans(spans[0])) == len(spans):
                        return time.perf_counter() - start
                    await asyncio.sleep(_READ_AGAIN_S)

    async def _send(
        self, session: aiohttp.ClientSession, url: str, bodies: Iterator[bytes]
    ) -> None:
        for body in bodies:
            while True:
                async with session.post(url, data=body, headers=self._headers) as answer:
                    if answer.status == 200:
                        break
                    if answer.status not in (429, 503):
                        raise SystemExit(f"{url}: {answer.status} {await answer.text()}")
                await asyncio.sleep(_FULL_QUEUE_S)

    async def _arrived(self, expected: int) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while (stored := await asyncio.to_thread(self._stored)) < expected:
            if time.monotonic() > deadline:
                raise SystemExit(f"MLflow has stored {stored} spans, not {expected}")
            await asyncio.sleep(_POLL_S)

    def _stored(self) -> int:
        with self._database.connect() as connection:
            return int(
                connection.execute(sqlalchemy.text("SELECT count(*) FROM spans")).scalar_one()
            )


@asynccontextmanager
async def bench(kind: str, variants: Sequence[Knobs]) -> AsyncIterator[Bench]:
    """Run MLflow on a kind of database, and a gateway for each variant of the settings."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="spangate-mlflow-")))
        store = f"sqlite:///{folder / 'mlflow.db'}?timeout=60"  # we read it while MLflow writes
        if kind == "postgresql":
            store = stack.enter_context(postgres.running(free_port(), fsync=True))
        local = LocalMlflow(folder / "mlflow", free_port(), store=store)
        server = await stack.enter_async_context(running(local))
        async with MlflowApi(server.url) as api:
            experiment = await api.create_experiment("bench")
        made = Bench(server, store, experiment)
        for number, knobs in enumerate(variants):
            config = folder / f"{number}.yaml"
            config.write_text(knobs.config(server.url, folder / f"data-{number}"))
            process = await stack.enter_async_context(gateway(config, ()))
            made.ways[str(knobs)] = f"http://127.0.0.1:{process.port('http')}/v1/traces"
        yield made


async def compare(
    kind: str, spans: int, variants: Sequence[Knobs], total: int, turns: int
) -> list[str]:
    """Return a row of the table for each way."""
    async with bench(kind, variants) as made:
        results: dict[str, list[Turn]] = {way: [] for way in made.ways}
        for way in made.ways:
            await made.turn(way, spans, spans * 4)  # warms up connections, caches, statements
        for number in range(turns):
            for way, done in results.items():
                done.append(await made.turn(way, spans, total))
                _tell(f"{kind}, {WORK[spans]}, turn {number + 1}/{turns}, {way}: {done[-1]}")
    return [_row(kind, spans, way, done, results[_DIRECT]) for way, done in results.items()]


def _row(kind: str, spans: int, way: str, turns: Sequence[Turn], direct: Sequence[Turn]) -> str:
    rate, cpu_ms = (statistics.median(column) for column in zip(*turns, strict=True))
    pairs = list(zip(turns, direct, strict=True))
    faster = statistics.median(turn.spans_per_s / other.spans_per_s for turn, other in pairs)
    dearer = statistics.median(turn.cpu_ms / other.cpu_ms for turn, other in pairs)
    return (
        f"| {kind} | {WORK[spans]} | {way} "
        f"| {rate:.0f} | x {faster:.2f} | {cpu_ms:.2f} | x {dearer:.2f} |"
    )


async def latency(kind: str, traces: int) -> list[str]:
    """Return how long it takes until a single trace can be read over MLflow's REST API."""
    async with bench(kind, [Knobs()]) as made:
        rows = []
        for way in made.ways:
            await made.readable(way)  # warms up
            times = sorted([await made.readable(way) for _ in range(traces)])
            p50, p90 = (times[int(len(times) * share)] * 1e3 for share in (0.5, 0.9))
            rows.append(f"| {kind} | {way} | {p50:.0f} | {p90:.0f} |")
    return rows


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print a Markdown table."""
    options = _parse()
    stores = options.store or ("sqlite", "postgresql")
    if options.latency:
        rows = [row for kind in stores for row in asyncio.run(latency(kind, options.latency))]
        print(_LATENCY_HEAD, *rows, sep="\n")
        return
    variants, rows = options.variants or [Knobs()], []
    if options.lean or options.record:
        variants.append(Knobs(lean=True))
    for kind in stores:
        for spans in options.spans or WORK:
            rows += asyncio.run(compare(kind, spans, variants, options.total, options.turns))
    table = "\n".join([_HEAD, *rows])
    if options.record:
        page.put(TITLE, PAGE.format(machine=page.machine(), table=table, **vars(options)))
    print(table)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlflow", description=__doc__)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--spans", type=int, choices=WORK, action="append", help="of a request")
    parser.add_argument("--total", type=int, default=3000, help="spans sent in a turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument(
        "--try", dest="variants", type=_knobs, action="append", metavar="LANES,SPANS,MIB,FLUSH",
        help="settings of the exporter to compare, such as 4,500,8,500ms (the defaults)",
    )  # fmt: skip
    parser.add_argument("--lean", action="store_true", help="also with few tags; recorded always")
    parser.add_argument("--latency", type=int, metavar="TRACES", help="one after the other")
    parser.add_argument("--record", action="store_true", help="write RESULTS.md")
    return parser.parse_args()


def _knobs(text: str) -> Knobs:
    lanes, max_spans, mib, flush = text.split(",")
    return Knobs(int(lanes), int(max_spans), float(mib), flush)


if __name__ == "__main__":
    main()
