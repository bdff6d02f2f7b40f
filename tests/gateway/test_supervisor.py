"""What a gateway of several processes promises when some of them die, hang or are replaced."""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from gateway.config.loader import read
from gateway.fake_mlflow import FakeMlflow
from gateway.queue.scanner import Scanner, Waiting
from gateway.supervisor import Supervisor
from gateway.telemetry import logs
from gateway.testing import batch
from tests.gateway.real import CONFIG, SENDERS, Gateway, Sink, send, serving
from tests.gateway.running import EXPORT

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for workers in /proc")
HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """Return a gateway to be started; none is left behind."""
    made = Gateway(tmp_path)
    yield made
    await made.abandon()


async def post(http: aiohttp.ClientSession, gateway: Gateway, spans: int) -> set[bytes]:
    """Send spans in one request until it is taken; return their ids."""
    several = batch(*({} for _ in range(spans)), one_trace=False)
    async with asyncio.timeout(30):
        while True:
            try:
                answer = await http.post(gateway.traces, data=several.encode(), headers=HEADERS)
                if answer.status == 200:
                    return {span.span_id for span in several}
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Tell whether a process is there."""
    return Path(f"/proc/{pid}").exists()


async def metric(http: aiohttp.ClientSession, gateway: Gateway, name: str) -> float:
    """Return a metric, added up over its labels."""
    answer = await http.get(f"http://{gateway.endpoints['metrics']}/metrics")
    lines = (await answer.text()).splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


async def status(http: aiohttp.ClientSession, gateway: Gateway) -> dict[str, Any]:
    """Return what the status endpoint says."""
    answer = await http.get(f"http://{gateway.endpoints['status']}/status.json")
    said: dict[str, Any] = await answer.json()
    return said


async def test_a_killed_worker_is_replaced(tmp_path: Path, gateway: Gateway) -> None:
    """Another process goes on with what it had; what it counted stays counted."""
    sink = Sink()
    sink.away = True
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        (tmp_path / "gateway.yaml").write_text(CONFIG.format(sink=address))
        await gateway.start()
        sent = await post(http, gateway, 3)
        assert 3 == await metric(http, gateway, "spangate_receiver_accepted_spans_total")
        (worker,) = gateway.workers()

        os.kill(worker, signal.SIGKILL)
        sink.away = False
        sent |= await post(http, gateway, 2)

        async with asyncio.timeout(30):
            while sink.spans != sent:
                await asyncio.sleep(0.02)
        assert 5 == await metric(http, gateway, "spangate_receiver_accepted_spans_total")
        assert 1 == await metric(http, gateway, "spangate_worker_restarts_total")
        assert [worker] != gateway.workers()
        assert 0 == await gateway.end(gently=True)
    (ended,) = [line for line in await gateway.log() if "unexpectedly" in line["event"]]
    assert "signal 9" == ended["how"]


@pytest.mark.nightly  # the ports and the directory are taken again by test_kill_under_load too
async def test_workers_end_with_their_supervisor(tmp_path: Path, gateway: Gateway) -> None:
    """Nobody keeps port or data directory when the supervisor is killed."""
    sink = Sink()
    async with serving(sink) as address:
        (tmp_path / "gateway.yaml").write_text(CONFIG.format(sink=address))
        await gateway.start()
        (worker,) = gateway.workers()

        await gateway.end()

        async with asyncio.timeout(30):
            while alive(worker):
                await asyncio.sleep(0.02)


def configure(folder: Path, sink: str, workers: int) -> None:
    """Write the configuration of a gateway with so many workers."""
    text = CONFIG.format(sink=sink)
    (folder / "gateway.yaml").write_text(
        text.replace("  shutdown_timeout", f"  workers: {workers}\n  shutdown_timeout")
    )


@pytest.mark.parametrize("workers", [2, pytest.param(3, marks=pytest.mark.nightly)])
async def test_whoever_receives_a_span_it_is_delivered(
    tmp_path: Path, gateway: Gateway, workers: int
) -> None:
    """Each connection reaches some worker, each lane belongs to one: all spans arrive, once."""
    sink = Sink()
    async with serving(sink) as address:
        configure(tmp_path, address, workers)
        await gateway.start()
        assert workers == len(gateway.workers())
        sent: set[bytes] = set()
        for _ in range(12):  # connections of their own
            async with aiohttp.ClientSession() as http:
                sent |= await post(http, gateway, 20)

        async with asyncio.timeout(30):
            while sink.spans != sent:
                await asyncio.sleep(0.02)
        async with aiohttp.ClientSession() as http:
            assert len(sent) == await metric(http, gateway, "spangate_exporter_sent_spans_total")
            assert workers == await metric(http, gateway, "spangate_workers")
        assert 0 == await gateway.end(gently=True)


async def killing_workers(folder: Path, gateway: Gateway, workers: int, kills: int) -> None:
    """Kill workers, the supervisor or all of them under load, and compare at last."""
    sink = Sink()
    acknowledged: set[bytes] = set()
    stop = asyncio.Event()
    async with serving(sink) as address:
        configure(folder, address, workers)
        await gateway.start()
        senders = [asyncio.create_task(send(gateway, acknowledged, stop)) for _ in range(SENDERS)]
        for kill in range(kills):
            sink.away = kill % 3 == 1  # sometimes with a backlog
            at_least = len(acknowledged) + random.randint(50, 800)
            async with asyncio.timeout(60):
                while len(acknowledged) < at_least:
                    await asyncio.sleep(random.random() * 0.02)
            if kill % 4 == 3:
                await gateway.end()
                await gateway.start()
            else:
                for worker in gateway.workers()[:1]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
        stop.set()
        await asyncio.gather(*senders)
        sink.away = False
        async with asyncio.timeout(90):
            while acknowledged - sink.spans:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)
    assert acknowledged <= sink.spans


async def test_kill_under_load(tmp_path: Path, gateway: Gateway) -> None:
    """Workers and their supervisor die now and then: every acknowledged span arrives."""
    await killing_workers(tmp_path, gateway, workers=2, kills=4)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("workers", [1, 2, 3])
async def test_kill_under_load_fifty_times(tmp_path: Path, gateway: Gateway, workers: int) -> None:
    """The same fifty times."""
    await killing_workers(tmp_path, gateway, workers, kills=50)


def told(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of the audit file."""
    path = folder / "audit.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def reloaded(folder: Path, gateway: Gateway) -> dict[str, Any]:
    """Send SIGHUP and return what the audit log says of it."""
    before = len(told(folder))
    os.kill(gateway.pid, signal.SIGHUP)
    async with asyncio.timeout(60):
        while len(told(folder)) == before:
            await asyncio.sleep(0.02)
    return told(folder)[-1]


def passing_on(folder: Path) -> list[Path]:
    """Return the sockets on which workers take requests over from each other."""
    return list(folder.glob("**/*.orders"))


def audited(folder: Path, sink: str, workers: int, extra: str = "") -> None:
    """Write a configuration with an audit file."""
    configure(folder, sink, workers)
    path = folder / "gateway.yaml"
    text = path.read_text().replace("  telemetry: {", "  telemetry: {audit: {path: audit.jsonl}, ")
    path.write_text(text.replace("endpoint: http", f"{extra}endpoint: http"))


CALLERS = 3


async def call(
    gateway: Gateway, acknowledged: set[bytes], stop: asyncio.Event, failures: list[str]
) -> None:
    """Send as ``send`` does, over gRPC, several calls at a time over one connection."""
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),  # or one lost connection fails a call twice
    ]
    async with grpc.aio.insecure_channel(gateway.endpoints["grpc"], options=options) as channel:
        export = channel.unary_unary(EXPORT, request_serializer=None, response_deserializer=None)

        async def one() -> None:
            while not stop.is_set():
                several = batch({}, {}, one_trace=False)
                try:
                    await export(several.encode(), timeout=60)
                    acknowledged.update(span.span_id for span in several)
                except grpc.aio.AioRpcError as error:
                    failures.append(f"{error.code()} {error.details()}")
                    await asyncio.sleep(1)  # as clients do

        await asyncio.gather(*(one() for _ in range(CALLERS)))


@pytest.mark.parametrize(
    ("workers", "reloads"), [(1, 1), pytest.param(2, 4, marks=pytest.mark.nightly)]
)
async def test_a_reload_under_load_fails_no_request(
    tmp_path: Path, gateway: Gateway, workers: int, reloads: int
) -> None:
    """
    Every request has success while workers are replaced; all arrives.

    gRPC cannot promise that on a busy machine: what one connection has under way may fail.
    """
    sink = Sink()
    acknowledged: set[bytes] = set()
    failures: list[str] = []
    failed_calls: list[str] = []
    stop = asyncio.Event()
    async with serving(sink) as address:
        audited(tmp_path, address, workers)
        await gateway.start()
        senders = [
            asyncio.create_task(sending(gateway, acknowledged, stop, noted))
            for sending, noted in [(send, failures), (call, failed_calls)] * (SENDERS // 2)
        ]
        for reload in range(reloads):
            before = set(gateway.workers())
            audited(tmp_path, address, workers, f"headers: {{x-new: a{reload}}}\n    ")
            verdict = await reloaded(tmp_path, gateway)
            assert "configuration reloaded" == verdict["event"]
            assert any("headers" in path for path in verdict["changed"])
            assert not before & set(gateway.workers())
            assert workers == len(gateway.workers())
            assert (workers > 1) == bool(passing_on(tmp_path))
        stop.set()
        await asyncio.gather(*senders)
        async with asyncio.timeout(60):
            while acknowledged - sink.spans:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)
    assert [] == failures
    assert CALLERS >= len(failed_calls), failed_calls
    assert acknowledged
    assert [] == waiting(tmp_path)


async def test_a_worker_that_still_starts_holds_up_no_end(tmp_path: Path, gateway: Gateway) -> None:
    """Between a worker's crash and its successor's start the gateway ends as quickly as ever."""
    async with serving(Sink()) as address:
        audited(tmp_path, address, 1)
        await gateway.start()
        before = gateway.workers()
        os.kill(before[0], signal.SIGKILL)
        async with asyncio.timeout(30):
            while not set(gateway.workers()) - set(before):
                await asyncio.sleep(0.005)
        assert 0 == await gateway.end(gently=True)
    assert "a worker did not end in time" not in {line["event"] for line in await gateway.log()}


def bad_ones(good: str, taken: str) -> list[tuple[str, str]]:
    """Return configurations that cannot run, and what has to be said of each."""
    metrics = 'metrics: {endpoint: "'
    plugin = "processors: {mine: {use: './mine.py:Mine'}}\n"
    return [
        (good.replace("otlp_http:", "otlp_htp:"), "otlp_htp"),
        (good.replace('"127.0.0.1:0"}}}', f'"{taken}"}}}}}}'), "Address already in use"),
        (good.replace("batch:", "sending_queue: {num_lanes: 7}\n    batch:"), "num_lanes"),
        (good.replace(metrics + "127.0.0.1:0", metrics + taken), "telemetry.metrics.endpoint"),
        (good + "\n  data_dir: elsewhere\n", "data_dir"),
        (good + "\n  [broken", "gateway.yaml:"),
        (plugin + good.replace("[]", "[mine]"), "mine.py"),
    ]


@pytest.mark.parametrize("several", [3, pytest.param(7, marks=pytest.mark.nightly)])
async def test_a_bad_configuration_is_not_reloaded(
    tmp_path: Path, gateway: Gateway, several: int
) -> None:
    """The old one goes on, and log, status and metrics say so, whatever is wrong."""
    sink = Sink()
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        audited(tmp_path, address, 1)
        good = (tmp_path / "gateway.yaml").read_text()
        await gateway.start()
        workers = gateway.workers()
        for bad, why in bad_ones(good, address.removeprefix("http://"))[:several]:
            (tmp_path / "gateway.yaml").write_text(bad)
            verdict = await reloaded(tmp_path, gateway)
            assert "configuration not reloaded; the old one runs" == verdict["event"]
            assert why in verdict["reason"]
            (told,) = (await status(http, gateway))["degraded"]
            assert why in told
        assert 0 == await metric(http, gateway, "spangate_config_last_reload_successful")
        assert several == await metric(http, gateway, "spangate_config_reloads_total")
        assert workers == gateway.workers()
        sent = await post(http, gateway, 1)
        async with asyncio.timeout(30):
            while sink.spans != sent:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)


HANGING = """
import time
from gateway.plugin import Config, Processor

class Hang(Processor[Config]):
    def process(self, batch):
        if any("hang" in span.attributes for span in batch):
            time.sleep(1000)
        return batch

class Block(Processor[Config]):
    async def process(self, batch):
        if any("hang" in span.attributes for span in batch):
            time.sleep(1000)
        return batch
"""


async def answered(http: aiohttp.ClientSession, url: str, body: bytes) -> tuple[int, bytes, str]:
    """Send a request; return status, body and delay, 0 where the connection broke."""
    try:
        async with http.post(url, data=body, headers=HEADERS) as answer:
            return answer.status, await answer.read(), answer.headers.get("Retry-After", "")
    except (aiohttp.ClientError, TimeoutError):
        return 0, b"", ""


@pytest.mark.parametrize(
    ("plugin", "at"),
    [
        ("Hang", "hanging.py:8"),
        pytest.param("Block", "hanging.py:14", marks=pytest.mark.nightly),
    ],
)
async def test_a_worker_that_hangs_is_replaced(
    tmp_path: Path, plugin: str, at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a thread or on the event loop: another worker goes on, without that processor."""
    logs.configure("info", "json")
    (tmp_path / "hanging.py").write_text(HANGING)
    config = tmp_path / "gateway.yaml"
    text = CONFIG.format(sink="http://127.0.0.1:9").replace("processors: []", "processors: [hang]")
    text = text.replace("shutdown_timeout: 10s", "shutdown_timeout: 2s")
    config.write_text(f'processors: {{hang: {{use: "./hanging.py:{plugin}"}}}}\n{text}')
    loaded = read([config], [f"service.data_dir={tmp_path / 'data'}"])
    supervisor, ready = Supervisor(loaded, hang_limit_s=3), asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready.set))
    await asyncio.wait_for(ready.wait(), 60)
    url = f"http://{supervisor.endpoints['http']}/v1/traces"
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
            hung = asyncio.create_task(answered(http, url, batch({"hang": True}).encode()))
            async with asyncio.timeout(60):
                while True:  # the next worker leaves it alone for a while
                    status, body, after = await answered(http, url, batch({}).encode())
                    if status == 503 and b"hang" in body:
                        break
                    await asyncio.sleep(0.05)
            assert after
            await hung
    finally:
        supervisor.stop()
        await asyncio.wait_for(running, 60)
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = next(line for line in logged if "a processor hangs" in line["event"])
    assert [at] == told["at"]
    assert "mend the plugin" in told["advice"]


WHOLE = """
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  mlflow:
    endpoint: {server}
    batch: {{flush_timeout: 20ms}}
service:
  workers: {workers}
  pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}}}
  telemetry: {{metrics: {{endpoint: "127.0.0.1:0"}}, status: {{endpoint: "127.0.0.1:0"}}}}
"""


def spans_of(traces: range, first: bool) -> bytes:
    """Return the first or the second span of some traces."""
    made = batch(*({} for _ in traces), one_trace=False)
    for trace, span in zip(traces, made, strict=True):
        span.proto.trace_id = (trace + 1).to_bytes(16)
        span.proto.span_id = (2 * trace + first + 1).to_bytes(8)
    return made.encode()


async def test_a_trace_is_whole_whichever_workers_its_spans_came_through(
    tmp_path: Path, gateway: Gateway
) -> None:
    """Spans that ask for different experiments by different workers end in the first one's."""
    async with FakeMlflow() as server:
        homes = [server.add_experiment("one"), server.add_experiment("two")]
        (tmp_path / "gateway.yaml").write_text(WHOLE.format(server=server.url, workers=2))
        await gateway.start()
        for first in (True, False):
            for at in range(0, 80, 10):
                async with aiohttp.ClientSession() as http:  # a connection, to some worker
                    headers = HEADERS | {"x-mlflow-experiment-id": homes[first]}
                    body = spans_of(range(at, at + 10), first)
                    async with http.post(gateway.traces, data=body, headers=headers) as answer:
                        assert 200 == answer.status
            async with asyncio.timeout(30):
                while sum(len(each.spans) for each in server.experiments.values()) < 80 * (
                    2 - first
                ):
                    await asyncio.sleep(0.02)
        assert 80 == len(server.experiments[homes[True]].traces)
        assert 160 == len(server.experiments[homes[True]].spans)
        asked = server.calls("/v1/traces")
        assert {homes[True]} == {each.headers["x-mlflow-experiment-id"] for each in asked}
        assert 0 == await gateway.end(gently=True)


async def test_two_workers_end_at_once_while_the_destination_is_away(
    tmp_path: Path, gateway: Gateway
) -> None:
    """What waits stays on disk, also what one has for the other; a single worker sends it next."""
    sink = Sink()
    sink.away = True
    async with serving(sink) as address:
        configure(tmp_path, address, 2)
        path = tmp_path / "gateway.yaml"
        path.write_text(path.read_text().replace("shutdown_timeout: 10s", "shutdown_timeout: 60s"))
        await gateway.start()
        sent: set[bytes] = set()
        for _ in range(6):
            async with aiohttp.ClientSession() as http:
                sent |= await post(http, gateway, 20)
        begun = asyncio.get_running_loop().time()
        assert 0 == await gateway.end(gently=True)
        assert asyncio.get_running_loop().time() - begun < 30
        assert len(sent) == sum(one.spans for one in waiting(tmp_path))

        sink.away = False
        configure(tmp_path, address, 1)
        await gateway.start()
        async with asyncio.timeout(30):
            while sink.spans != sent:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)
    assert [] == waiting(tmp_path)


def waiting(folder: Path) -> list[Waiting]:
    """Return what waits on disk."""
    return Scanner(folder / "spangate-data" / "queue").overview().waiting


@pytest.mark.nightly  # a machine that is busy needs a long wait for the second halves
async def test_a_trace_is_decided_as_a_whole_by_several_workers(
    tmp_path: Path, gateway: Gateway
) -> None:
    """Each half comes through some worker; the policy keeps whole traces alone, so all is kept."""
    sink = Sink()
    async with serving(sink) as address:
        configure(tmp_path, address, 2)
        path = tmp_path / "gateway.yaml"
        policies = "[{name: whole, type: span_count, span_count: {min_spans: 2}}]"
        path.write_text(
            f"processors: {{tail_sampling: {{decision_wait: 15s, policies: {policies}}}}}\n"
            + path.read_text().replace("processors: []", "processors: [tail_sampling]")
        )
        await gateway.start()
        for first in (True, False):
            for at in range(0, 60, 10):
                async with aiohttp.ClientSession() as http:  # a connection, to some worker
                    body = spans_of(range(at, at + 10), first)
                    async with http.post(gateway.traces, data=body, headers=HEADERS) as answer:
                        assert 200 == answer.status
        async with asyncio.timeout(60):
            while len(sink.spans) < 120:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)
    assert [] == waiting(tmp_path)


async def test_a_missing_worker_is_told(tmp_path: Path) -> None:
    """While fewer workers run than wanted, the status says so; it is no reason to be restarted."""
    configure(tmp_path, "http://127.0.0.1:9", 2)
    loaded = read([tmp_path / "gateway.yaml"], [f"service.data_dir={tmp_path / 'data'}"])
    supervisor, ready = Supervisor(loaded), asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready.set))
    try:
        await asyncio.wait_for(ready.wait(), 60)
        supervisor._children[0].kill()
        async with asyncio.timeout(60):
            while "1 of 2 workers take requests; see the log" not in supervisor.status().degraded:
                await asyncio.sleep(0.01)
            assert "running" == supervisor.status().state
            while supervisor.status().degraded:
                await asyncio.sleep(0.01)
    finally:
        supervisor.stop()
        await asyncio.wait_for(running, 60)


class _Slow:
    """A back-off that is longer than a reload's beginning."""

    def next(self, now: float, lived_s: float, *, last: bool = False) -> float:
        del now, lived_s, last
        return 1.0


@pytest.mark.nightly
async def test_a_reload_while_a_successor_waits_brings_as_many_as_wanted(tmp_path: Path) -> None:
    """The one that waited comes no more, and nobody has its number twice."""
    config = tmp_path / "gateway.yaml"
    configure(tmp_path, "http://127.0.0.1:9", 2)
    overrides = [f"service.data_dir={tmp_path / 'data'}"]
    supervisor, ready = Supervisor(read([config], overrides)), asyncio.Event()
    supervisor._backoff = _Slow()  # type: ignore[assignment]  # all that is used of it
    running = asyncio.create_task(supervisor.run(ready.set))
    try:
        await asyncio.wait_for(ready.wait(), 60)
        before = set(supervisor._children.values())
        supervisor._children[0].kill()
        async with asyncio.timeout(60):
            while not supervisor._waiting:
                await asyncio.sleep(0.01)
            supervisor.reload(lambda: read([config], overrides))
            while supervisor._waiting or before & set(supervisor._children.values()):
                await asyncio.sleep(0.01)
            while not supervisor._changing.locked() and len(supervisor._children) != 2:
                await asyncio.sleep(0.01)
        async with supervisor._changing:
            assert 2 == len(supervisor._children)
            assert all(child.started for child in supervisor._children.values())
    finally:
        supervisor.stop()
        await asyncio.wait_for(running, 60)


@pytest.mark.nightly
async def test_a_stopped_worker_loses_its_lanes_for_good(tmp_path: Path) -> None:
    """It is killed before others get them: nothing is sent twice at a time when it would go on."""
    sink = Sink()
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        configure(tmp_path, address, 2)
        loaded = read([tmp_path / "gateway.yaml"], [f"service.data_dir={tmp_path / 'data'}"])
        supervisor, ready = Supervisor(loaded, hang_limit_s=3), asyncio.Event()
        running = asyncio.create_task(supervisor.run(ready.set))
        try:
            await asyncio.wait_for(ready.wait(), 60)
            stopped = supervisor._children[0]
            sink.away = True
            sent: set[bytes] = set()
            url = f"http://{supervisor.endpoints['http']}/v1/traces"
            for _ in range(8):
                several = batch(*({} for _ in range(20)), one_trace=False)
                async with http.post(url, data=several.encode(), headers=HEADERS) as answer:
                    assert 200 == answer.status
                sent |= {span.span_id for span in several}
            os.kill(stopped.pid, signal.SIGSTOP)
            sink.away = False
            async with asyncio.timeout(90):
                while sink.spans != sent:
                    await asyncio.sleep(0.05)
            assert stopped.gone.is_set()
            with pytest.raises(ProcessLookupError):
                os.kill(stopped.pid, signal.SIGCONT)
        finally:
            supervisor.stop()
            await asyncio.wait_for(running, 60)
