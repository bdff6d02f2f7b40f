"""What is left of the gateway's promises when a plugin takes its process down."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

PLUGIN = """
import ctypes
import os

from gateway.plugin import Batch, Config, Processor


class Crashing(Processor[Config]):
    def process(self, batch: Batch) -> Batch:
        for span in batch:
            if span.name == "segfault":
                ctypes.string_at(0)
            if span.name == "exit":
                os._exit(7)
        return batch
"""
HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
@pytest.mark.parametrize(
    ("fault", "how", "where"),
    [("segfault", "signal 11", "crashing.py:12"), ("exit", "exit code 7", None)],
)
async def test_a_crash_costs_one_request(
    fault: str, how: str, where: str | None, tmp_path: Path
) -> None:
    """What was accepted before arrives, the next request is taken, the log names the line."""
    sink, gateway = Sink(), Gateway(tmp_path)
    sink.away = True
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        (tmp_path / "crashing.py").write_text(PLUGIN)
        plugin = "processors: {crashing: {use: './crashing.py:Crashing'}}\n"
        text = CONFIG.format(sink=address).replace("processors: []", "processors: [crashing]")
        (tmp_path / "gateway.yaml").write_text(plugin + text)
        await gateway.start()

        async def post(name: str) -> bytes:
            sent = batch({}, name=name)
            answer = await http.post(gateway.traces, data=sent.encode(), headers=HEADERS)
            assert 200 == answer.status
            return next(iter(sent)).span_id

        spans = {await post("fine")}
        with pytest.raises(aiohttp.ClientError):
            await post(fault)
        sink.away = False
        async with asyncio.timeout(60):
            while len(spans) < 2:
                try:
                    spans.add(await post("fine"))
                except (aiohttp.ClientError, OSError):  # while another worker starts
                    await asyncio.sleep(0.02)
            while sink.spans != spans:
                await asyncio.sleep(0.02)
        await gateway.end(gently=True)
    [told] = [line for line in await gateway.log() if "unexpectedly" in line["event"]]
    assert how == told["how"]
    assert where == told.get("at"), json.dumps(told)
