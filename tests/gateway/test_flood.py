"""What one tenant that floods does to the answers that 199 others get."""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

TENANTS = 200
REQUESTS = 300
PER_SECOND = 50
ROUNDS = 3
"""The best of them counts: what else runs on the machine only ever adds."""
SLACK_S = 0.05
"""What clients and a busy machine may add to an answer."""
WORK_S = 0.03
"""Work on the flood that may be done until a busy machine lets a client see its answer."""


def token(tenant: int) -> str:
    return f"fake-token-{tenant}"


def config(sink: str, quota: str) -> str:
    tenants = ", ".join(f"{{name: t{n}, tokens: [{token(n)}]{quota}}}" for n in range(TENANTS))
    return CONFIG.format(sink=sink).replace(
        "otlp: {protocols:", f"otlp: {{auth: {{tenants: [{tenants}]}}, protocols:"
    )


async def answers(
    http: aiohttp.ClientSession, url: str, now: Callable[[], float] = time.monotonic
) -> list[float]:
    """Send requests of the normal tenants at an even pace; return how long each took, sorted."""
    small, took = batch({"text": "x" * 2000}).encode(), []

    async def one(number: int) -> None:
        tenant = token(1 + number % (TENANTS - 1))
        headers = {"Content-Type": "application/x-protobuf", "x-api-key": tenant}
        begun = now()
        async with http.post(url, data=small, headers=headers) as answer:
            assert 200 == answer.status
        took.append(now() - begun)

    begun = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(REQUESTS):
            await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
            tasks.create_task(one(number))
    return sorted(took)


@asynccontextmanager
async def served(folder: Path, quota: str) -> AsyncIterator[tuple[Gateway, aiohttp.ClientSession]]:
    """Run a gateway for all tenants and a client of the normal ones, warmed up."""
    gateway = Gateway(folder)
    async with serving(Sink()) as address, aiohttp.ClientSession() as http:
        (folder / "gateway.yaml").write_text(config(address, quota))
        await gateway.start()
        try:
            await answers(http, gateway.traces)
            yield gateway, http
        finally:
            await gateway.abandon()


@asynccontextmanager
async def flood(gateway: Gateway, seen: set[int]) -> AsyncIterator[None]:
    """Let the first tenant flood, and note the statuses that it saw."""
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.gateway.flooder"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "FLOOD_URL": gateway.traces, "FLOOD_TOKEN": token(0)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert b"flooding\n" == await process.stdout.readline()
        yield
    finally:
        told, _ = await process.communicate(b"")
    seen |= {int(status) for status in told.split()}


@pytest.mark.nightly
async def test_a_flood_beyond_a_quota_delays_no_other_tenant(tmp_path: Path) -> None:
    """All others are accepted; 99 of 100 answers take at most twice as long and the slack."""
    at = int(REQUESTS * 0.99)
    alone, beside, statuses = [], [], set[int]()
    async with served(tmp_path, ", quota: {spans_per_second: 300}") as (gateway, http):
        for _ in range(ROUNDS):
            alone.append((await answers(http, gateway.traces))[at])
            async with flood(gateway, statuses):
                beside.append((await answers(http, gateway.traces))[at])
    assert {200, 429} == statuses
    assert min(beside) < 2 * min(alone) + SLACK_S, (alone, beside)


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="asks for the time of another process")
async def test_a_flood_without_a_quota_is_worked_off_beside_the_others(tmp_path: Path) -> None:
    """
    Before half of the others' answers the worker does little more work than otherwise.

    Work is its CPU time, which other programs of the machine do not take part in.
    """
    alone, beside, statuses = [], [], set[int]()
    async with served(tmp_path, "") as (gateway, http):
        (worker,) = gateway.workers()
        now = partial(time.clock_gettime, (~worker << 3) | 2)  # as clock_getcpuclockid(3) does
        for _ in range(ROUNDS):
            alone.append(statistics.median(await answers(http, gateway.traces, now)))
            async with flood(gateway, statuses):
                beside.append(statistics.median(await answers(http, gateway.traces, now)))
    assert {200} == statuses
    assert min(beside) < 2 * min(alone) + WORK_S, (alone, beside)
