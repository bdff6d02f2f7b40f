"""What kill -9 of a real gateway may take of undecided traces: nothing."""

import asyncio
import random
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.gathering.bench import until
from tests.gateway.real import CONFIG, SENDERS, Gateway, Sink, send, serving

SAMPLING = """
processors:
  tail_sampling:
    decision_wait: {wait}
    policies: [{{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}]
"""

ALL = """
processors:
  tail_sampling:
    decision_wait: 300ms
    policies: [{name: all, type: always_sample}]
"""


def configure(folder: Path, address: str, wait: str) -> None:
    text = CONFIG.format(sink=address) + SAMPLING.format(wait=wait)
    (folder / "gateway.yaml").write_text(
        text.replace("processors: []", "processors: [tail_sampling]")
    )


@pytest.mark.parametrize("gently", [False, pytest.param(True, marks=pytest.mark.nightly)])
async def test_undecided_traces_are_decided_by_the_next_process(
    tmp_path: Path, gently: bool
) -> None:
    """Acknowledged and undecided when the process ends: kept and dropped as policies say."""
    sink, gateway = Sink(), Gateway(tmp_path)
    headers = {"Content-Type": "application/x-protobuf"}
    kept: set[bytes] = set()
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        configure(tmp_path, address, "1h")
        await gateway.start()
        for number in range(50):
            several = batch(*({} for _ in range(10)), one_trace=False)
            for at, span in enumerate(several):
                if (number + at) % 3 == 0:
                    span.proto.status.code = 2  # type: ignore[assignment] # numbers are the enumeration's
                    kept.add(span.span_id)
            answer = await http.post(gateway.traces, data=several.encode(), headers=headers)
            assert 200 == answer.status
        await gateway.end(gently=gently)
        assert set() == sink.spans
        configure(tmp_path, address, "1ms")
        await gateway.start()
        await until(lambda: len(sink.spans) >= len(kept))
        assert 0 == await gateway.end(gently=True)
    assert kept == sink.spans


async def rounds(folder: Path, kills: int) -> None:
    """Kill the gateway so many times under load while traces are gathered, and compare at last."""
    sink, gateway = Sink(), Gateway(folder)
    acknowledged: set[bytes] = set()
    stop = asyncio.Event()
    async with serving(sink) as address:
        text = CONFIG.format(sink=address) + ALL
        text = text.replace("processors: []", "processors: [tail_sampling]")
        (folder / "gateway.yaml").write_text(text)
        await gateway.start()
        senders = [asyncio.create_task(send(gateway, acknowledged, stop)) for _ in range(SENDERS)]
        for _ in range(kills):
            at_least = len(acknowledged) + random.randint(50, 800)
            async with asyncio.timeout(60):
                while len(acknowledged) < at_least:
                    await asyncio.sleep(random.random() * 0.02)
            await gateway.end()
            await gateway.start()
        stop.set()
        await asyncio.gather(*senders)
        await until(lambda: acknowledged <= sink.spans)
        assert 0 == await gateway.end(gently=True)


@pytest.mark.nightly
@pytest.mark.timeout(600)
async def test_kill_while_traces_are_gathered(tmp_path: Path) -> None:
    """Twenty times killed and started again: every acknowledged span reaches the sink."""
    await rounds(tmp_path, 20)
