"""What a second signal does while the gateway drains: it ends, and loses nothing."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from aiohttp import web

from tests.gateway.real import SENDERS, Gateway, Sink, send, serving
from tests.gateway.test_supervisor import alive, configure

pytestmark = [
    pytest.mark.nightly,  # that one worker ends at once is tested in test_run
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for workers in /proc"),
]


class Silent(Sink):
    """A backend that does not answer for a while, so that there is something to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.asked.set()
        if not self.answers.is_set():
            await self.answers.wait()
            return web.Response(status=503)
        return await super().take(request)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
async def test_a_second_signal_ends_at_once_and_loses_nothing(tmp_path: Path, name: str) -> None:
    """Supervisor and workers are gone; what was acknowledged is sent after the next start."""
    sink, gateway, stop = Silent(), Gateway(tmp_path), asyncio.Event()
    acknowledged: set[bytes] = set()
    failures: list[str] = []
    number = getattr(signal, name)
    async with serving(sink) as address:
        configure(tmp_path, address, 2)
        text = (tmp_path / "gateway.yaml").read_text()
        slow = text.replace("shutdown_timeout: 10s", "shutdown_timeout: 300s")
        (tmp_path / "gateway.yaml").write_text(slow)
        await gateway.start()
        workers = gateway.workers()
        senders = [
            asyncio.create_task(send(gateway, acknowledged, stop, failures)) for _ in range(SENDERS)
        ]
        try:
            async with asyncio.timeout(60):
                await sink.asked.wait()
                while len(acknowledged) < 200:
                    await asyncio.sleep(0.01)
            os.kill(gateway.pid, number)
            async with asyncio.timeout(60):
                while "503" not in failures:
                    await asyncio.sleep(0.01)
            assert workers == gateway.workers()
            os.kill(gateway.pid, number)
            async with asyncio.timeout(60):
                while gateway.is_running or any(map(alive, workers)):
                    await asyncio.sleep(0.01)
        finally:
            stop.set()
            await asyncio.gather(*senders)
            await gateway.abandon()
        assert set() == sink.spans

        sink.answers.set()
        await gateway.start()
        async with asyncio.timeout(60):
            while acknowledged - sink.spans:
                await asyncio.sleep(0.02)
        assert 0 == await gateway.end(gently=True)
