"""What a gateway of several processes promises when some of them die, hang or are replaced."""

import asyncio
import os
import signal
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for workers in /proc")
HEADERS = {"Content-Type": "application/x-protobuf"}


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


async def test_a_killed_worker_is_replaced(tmp_path: Path) -> None:
    """Another process goes on with what it had; what it counted stays counted."""
    sink, gateway = Sink(), Gateway(tmp_path)
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


async def test_workers_end_with_their_supervisor(tmp_path: Path) -> None:
    """Nobody keeps port or data directory when the supervisor is killed."""
    sink, gateway = Sink(), Gateway(tmp_path)
    async with serving(sink) as address:
        (tmp_path / "gateway.yaml").write_text(CONFIG.format(sink=address))
        await gateway.start()
        (worker,) = gateway.workers()

        await gateway.end()

        async with asyncio.timeout(30):
            while alive(worker):
                await asyncio.sleep(0.02)
