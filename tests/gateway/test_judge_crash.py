"""What is left of the gateway's promises when a trace processor takes its process down."""

import asyncio
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

PLUGIN = """
import os

from gateway.plugin import Config, Keep, Trace, TraceProcessor


class Crashing(TraceProcessor[Config]):
    on_error = "pass"

    def decide(self, trace: Trace) -> Keep:
        if any(span.name == "poison" for span in trace.spans):
            os._exit(7)
        return Keep("fine")
"""
HEADERS = {"Content-Type": "application/x-protobuf"}


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs Linux")
async def test_a_trace_that_crashes_is_not_decided_for_ever(tmp_path: Path) -> None:
    """After three crashes its processor's policy says what becomes of it."""
    sink, gateway = Sink(), Gateway(tmp_path)
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        (tmp_path / "crashing.py").write_text(PLUGIN)
        plugin = "processors: {crashing: {use: './crashing.py:Crashing'}}\n"
        text = CONFIG.format(sink=address).replace("processors: []", "processors: [crashing]")
        (tmp_path / "gateway.yaml").write_text(plugin + text)
        await gateway.start()
        spans = set()
        for name in ("fine", "poison"):
            sent = batch({}, name=name)
            spans.add(next(iter(sent)).span_id)
            answer = await http.post(gateway.traces, data=sent.encode(), headers=HEADERS)
            assert 200 == answer.status
        async with asyncio.timeout(60):
            while sink.spans != spans:
                await asyncio.sleep(0.02)
        await gateway.end(gently=True)
    crashes = [line for line in await gateway.log() if "unexpectedly" in line["event"]]
    assert 3 == len(crashes)
