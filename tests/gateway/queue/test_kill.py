"""What kill -9 of a real gateway under load may take: nothing that was acknowledged."""

import asyncio
import json
import random
import sys
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, SENDERS, Gateway, Sink, send, serving


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


async def _filled(folder: Path) -> None:
    """Have a gigabyte wait in 500,000 records."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.gateway.queue.fill", str(folder), "fill"],
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert 0 == await process.wait()


@pytest.mark.nightly  # as the next one
@pytest.mark.timeout(600)
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_start_with_a_gigabyte_in_the_queue(tmp_path: Path, workers: int) -> None:
    """The whole gateway runs less than 3 s later with 500,000 records than with none."""
    config = CONFIG.format(sink="http://127.0.0.1:9").replace("otlp_http", "mlflow")
    queue = f"service:\n  workers: {workers}\n"
    config = config.replace("  mlflow:\n", "  mlflow:\n    sending_queue: {max_size_mib: 4096}\n")
    (tmp_path / "gateway.yaml").write_text(config.replace("service:\n", queue))
    seconds: dict[str, float] = {}
    waiting = tmp_path / "spangate-data" / "queue"
    for state in ("empty", "full"):
        if state == "full":
            await _filled(waiting)
            assert sum(path.stat().st_size for path in waiting.rglob("seg-*.log")) > 1e9
        for _ in range(3):  # others share the machine
            gateway = Gateway(tmp_path)
            await gateway.start()
            await gateway.end()
            best = seconds.get(state, gateway.seconds_to_start)
            seconds[state] = min(best, gateway.seconds_to_start)
    assert seconds["full"] < seconds["empty"] + 3, seconds


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
