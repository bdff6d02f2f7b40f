"""A gateway as processes of its own, senders that note what was acknowledged, and a sink."""

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
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
        self.endpoints: dict[str, str] = {}
        self.traces = ""
        self.seconds_to_start = 0.0

    async def start(self, *options: str) -> None:
        begun = time.monotonic()
        self._process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "gateway.cli", "run"],
            *(options or ("--config", "gateway.yaml")),
            cwd=self._folder,
            env=environment(),
            stderr=asyncio.subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self.pid = self._process.pid
        async for line in self._process.stderr:
            event = json.loads(line)
            if event["event"] == "gateway started":
                self.endpoints = event["endpoints"]
                self.traces = f"http://{self.endpoints.get('http')}/v1/traces"
                self.seconds_to_start = time.monotonic() - begun
                self._reading = asyncio.create_task(self._process.stderr.read())
                return
        raise AssertionError("the gateway did not start")

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def abandon(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None and self._process.returncode is None:
            await self.end()

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        return children(self.pid)

    async def log(self) -> list[dict[str, Any]]:
        """Return what was logged after the start; call it once the gateway has ended."""
        return [json.loads(line) for line in (await self._reading).splitlines()]

    async def ended(self) -> tuple[int, str]:
        """Wait until it has ended by itself; return its exit code and what it wrote since ready."""
        assert self._process is not None
        return await self._process.wait(), (await self._reading).decode()

    async def end(self, *, gently: bool = False) -> int:
        assert self._process is not None
        if gently:
            self._process.terminate()
        else:
            self._process.kill()
        code = await self._process.wait()
        await self._reading
        return code


def environment() -> dict[str, str]:
    """Return what a gateway started from here needs; compiled sources are kept for the next."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "bytecode"),
    }


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return sorted(found)


async def send(
    gateway: Gateway,
    acknowledged: set[bytes],
    stop: asyncio.Event,
    failures: list[str] | None = None,
) -> None:
    """Send requests until told to stop; note which were acknowledged, and what went wrong."""
    failures = [] if failures is None else failures
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
                else:
                    failures.append(str(answer.status))
            except (aiohttp.ClientError, OSError) as error:
                failures.append(repr(error))
                await asyncio.sleep(0.01)
