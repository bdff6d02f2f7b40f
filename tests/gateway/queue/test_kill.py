"""What kill -9 of a real gateway under load may take: nothing that was acknowledged."""

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from isal import igzip

from gateway.batch import Batch
from gateway.testing import batch

CONFIG = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  otlp_http:
    endpoint: {sink}
    batch: {{flush_timeout: 20ms}}
    retry_on_failure: {{initial_interval: 50ms, max_interval: 200ms}}
service:
  shutdown_timeout: 10s
  pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [otlp_http]}}}}
  telemetry: {{metrics: {{endpoint: "127.0.0.1:0"}}, status: {{endpoint: "127.0.0.1:0"}}}}
"""
SENDERS = 6


class Sink:
    """A backend that remembers every span, and refuses while ``away``."""

    def __init__(self) -> None:
        self.spans: set[bytes] = set()
        self.away = False

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.away:
            return web.Response(status=503)
        raw = igzip.decompress(body) if body[:2] == b"\x1f\x8b" else body  # type: ignore[no-untyped-call]  # isal has no types there
        self.spans |= {span.span_id for span in Batch(raw)}
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def serving(sink: Sink) -> AsyncIterator[str]:
    """Serve a sink and yield its address."""
    app = web.Application()
    app.add_routes([web.post("/v1/traces", sink.take)])
    runner = web.AppRunner(app, handler_cancellation=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class Gateway:
    """The gateway as a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.pid = 0
        self.traces = ""
        self.seconds_to_start = 0.0

    async def start(self) -> None:
        begun = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "gateway.cli", "run", "--config", "gateway.yaml"],
            cwd=self._folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self.pid = self._process.pid
        async for line in self._process.stderr:
            event = json.loads(line)
            if event["event"] == "gateway started":
                self.traces = f"http://{event['endpoints']['http']}/v1/traces"
                self.seconds_to_start = time.monotonic() - begun
                self._reading = asyncio.create_task(self._process.stderr.read())
                return
        raise AssertionError("the gateway did not start")

    async def end(self, *, gently: bool = False) -> int:
        assert self._process is not None
        if gently:
            self._process.terminate()
        else:
            self._process.kill()
        code = await self._process.wait()
        await self._reading
        return code


async def send(gateway: Gateway, acknowledged: set[bytes], stop: asyncio.Event) -> None:
    """Send requests until told to stop; note the spans of those that were acknowledged."""
    async with aiohttp.ClientSession() as http:
        while not stop.is_set():
            several = batch(
                *({"text": "x" * random.randrange(3000)} for _ in range(random.randint(1, 20))),
                one_trace=False,
            )
            headers = {"Content-Type": "application/x-protobuf"}
            try:
                answer = await http.post(gateway.traces, data=several.encode(), headers=headers)
                if answer.status == 200:
                    acknowledged |= {span.span_id for span in several}
            except (aiohttp.ClientError, OSError):
                await asyncio.sleep(0.01)


async def rounds(folder: Path, kills: int) -> None:
    """Kill the gateway so many times under load, and compare at last."""
    sink, gateway = Sink(), Gateway(folder)
    acknowledged: set[bytes] = set()
    stop = asyncio.Event()
    async with serving(sink) as address:
        (folder / "gateway.yaml").write_text(CONFIG.format(sink=address))
        await gateway.start()
        senders = [asyncio.create_task(send(gateway, acknowledged, stop)) for _ in range(SENDERS)]
        for kill in range(kills):
            sink.away = kill % 3 == 1  # sometimes with a backlog
            at_least = len(acknowledged) + random.randint(50, 800)
            async with asyncio.timeout(60):
                while len(acknowledged) < at_least:
                    await asyncio.sleep(random.random() * 0.02)
            await gateway.end()
            await gateway.start()
            assert gateway.seconds_to_start < 20
        stop.set()
        await asyncio.gather(*senders)
        sink.away = False
        async with asyncio.timeout(60):
            while acknowledged - sink.spans:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)
    assert acknowledged <= sink.spans


async def test_kill_under_load(tmp_path: Path) -> None:
    """Three times killed and started again: every acknowledged span reaches the sink."""
    await rounds(tmp_path, 3)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
async def test_kill_under_load_fifty_times(tmp_path: Path) -> None:
    """The same fifty times."""
    await rounds(tmp_path, 50)


async def test_what_could_not_be_sent_goes_out_after_the_next_start(tmp_path: Path) -> None:
    """SIGTERM while the sink is away ends at once with 0; the next process sends the spans."""
    sink, gateway = Sink(), Gateway(tmp_path)
    sink.away = True
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        (tmp_path / "gateway.yaml").write_text(CONFIG.format(sink=address))
        await gateway.start()
        sent = batch({}, {}, {})
        headers = {"Content-Type": "application/x-protobuf"}
        answer = await http.post(gateway.traces, data=sent.encode(), headers=headers)
        assert 200 == answer.status
        assert 0 == await gateway.end(gently=True)
        sink.away = False
        await gateway.start()
        async with asyncio.timeout(20):
            while len(sink.spans) < 3:
                await asyncio.sleep(0.02)
        await gateway.end(gently=True)


@pytest.mark.nightly  # three seconds by the clock need a quiet machine
@pytest.mark.timeout(300)
async def test_a_gigabyte_in_the_queue(tmp_path: Path) -> None:
    """500,000 records cost the process less than 100 MB, and less than 3 s to take up again."""
    script = [sys.executable, "-m", "tests.gateway.queue.fill", str(tmp_path / "queue")]
    home = Path(__file__).parents[3]
    figures = []
    for step in ("fill", "open", "open", "open"):
        process = await asyncio.create_subprocess_exec(
            *script, step, cwd=home, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert 0 == process.returncode
        figures.append(json.loads(out))
    filled, *opens = figures
    opened = min(opens, key=lambda one: one["seconds"])  # others share the machine
    assert 500_000 == opened["records"]
    assert filled["grown_mib"] < 100, figures
    assert opened["grown_mib"] < 100, figures
    assert opened["seconds"] < 3, figures
