"""What becomes of spans whose worker has died and gets no successor for a while."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.config.loader import read
from gateway.queue.scanner import Scanner
from gateway.supervisor import Supervisor
from gateway.testing import batch
from tests.gateway.real import CONFIG, Sink, serving

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="runs a supervisor")


class Never:
    """A back-off without an end."""

    def next(self, now: float, lived_s: float, *, last: bool = False) -> float:
        del now, lived_s, last
        return 3600.0


async def test_what_a_worker_left_does_not_wait_for_its_successor(tmp_path: Path) -> None:
    """Another worker delivers it while the successor's back-off goes on, and what it had itself."""
    sink = Sink()
    sink.away = True
    async with serving(sink) as address:
        config = tmp_path / "gateway.yaml"
        config.write_text(CONFIG.format(sink=address))
        data_dir = tmp_path / "data"
        loaded = read([config], [f"service.data_dir={data_dir}", "service.workers=2"])
        supervisor, ready = Supervisor(loaded), asyncio.Event()
        supervisor._backoff = Never()  # type: ignore[assignment]  # all that is used of it
        running = asyncio.create_task(supervisor.run(ready.set))
        try:
            await asyncio.wait_for(ready.wait(), 60)
            url = f"http://{supervisor.endpoints['http']}/v1/traces"
            headers = {"Content-Type": "application/x-protobuf"}
            sent: set[bytes] = set()
            for _ in range(12):  # connections of their own, so that both workers keep something
                several = batch(*({} for _ in range(20)), one_trace=False)
                async with aiohttp.ClientSession() as http:
                    answer = await http.post(url, data=several.encode(), headers=headers)
                    assert 200 == answer.status
                sent |= {span.span_id for span in several}
            supervisor._children[1].kill()
            sink.away = False
            async with asyncio.timeout(60):
                while sink.spans != sent:
                    await asyncio.sleep(0.02)
            assert {1} == supervisor._waiting
            assert [0] == list(supervisor._children)
        finally:
            supervisor.stop()
            await asyncio.wait_for(running, 60)
    assert [] == Scanner(data_dir / "queue").overview().waiting
