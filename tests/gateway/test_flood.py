"""
What one tenant that floods does to the answers that 199 others get.

Time is the worker's CPU time until a client has its answer: what else the machine does takes no
part in it. Rounds with and without the flood take turns, and their medians are compared.
"""

import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.gateway.real import CONFIG, Gateway, Sink, serving

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="asks for the time of another process"),
]

TENANTS = 200
REQUESTS = 200
ROUNDS = 5
PIPELINE = "[memory_limiter, redaction, mlflow_mapping, cost]"
HOME = Path(__file__).parents[2]

Measure = Callable[[], Awaitable[float]]


def config(sink: str, quota: str) -> str:
    tenants = ", ".join(f"{{name: t{n}, tokens: [fake-token-{n}]{quota}}}" for n in range(TENANTS))
    parts = "processors: {memory_limiter: {}, redaction: {}, mlflow_mapping: {}, cost: {}}\n"
    return parts + CONFIG.format(sink=sink).replace(
        "otlp: {protocols:", f"otlp: {{auth: {{tenants: [{tenants}]}}, protocols:"
    ).replace("processors: []", f"processors: {PIPELINE}")


async def start(module: str, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", module, *arguments],
        cwd=HOME,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )


@asynccontextmanager
async def served(folder: Path, quota: str) -> AsyncIterator[tuple[Gateway, Measure]]:
    """Run a gateway for all tenants, warmed up, and measure the 99th of 100 answers."""
    gateway = Gateway(folder)
    async with serving(Sink()) as address:
        (folder / "gateway.yaml").write_text(config(address, quota))
        await gateway.start()
        (worker,) = gateway.workers()
        client = await start(
            "tests.gateway.normal", gateway.endpoints["http"], str(worker), str(TENANTS)
        )

        async def measure() -> float:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(f"{REQUESTS}\n".encode())
            took: list[float] = json.loads(await client.stdout.readline())
            return took[int(REQUESTS * 0.99)]

        try:
            await measure()
            yield gateway, measure
        finally:
            await client.communicate(b"")
            await gateway.abandon()


@asynccontextmanager
async def flood(gateway: Gateway, seen: set[int]) -> AsyncIterator[None]:
    """Let the first tenant flood, and note the statuses that it saw."""
    process = await start(
        "tests.gateway.flooder", FLOOD_URL=gateway.traces, FLOOD_TOKEN="fake-token-0"
    )
    try:
        assert process.stdout is not None
        assert b"flooding\n" == await process.stdout.readline()
        yield
    finally:
        told, _ = await process.communicate(b"")
    seen |= {int(status) for status in told.split()}


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        pytest.param(", quota: {spans_per_second: 300}", {200, 429}, id="beyond a quota"),
        pytest.param("", {200}, id="without a quota"),
    ],
)
async def test_a_flood_delays_no_other_tenant(
    tmp_path: Path, quota: str, expected: set[int]
) -> None:
    """All others are accepted, and 99 of 100 answers take at most twice as long."""
    alone: list[float] = []
    beside: list[float] = []
    statuses = set[int]()
    async with served(tmp_path, quota) as (gateway, measure):
        for _ in range(ROUNDS):
            alone.append(await measure())
            async with flood(gateway, statuses):
                beside.append(await measure())
    assert expected == statuses
    assert statistics.median(beside) < 2 * statistics.median(alone), (alone, beside)
