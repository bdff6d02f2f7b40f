"""What one tenant that floods does to the answers that 199 others get."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

TENANTS = 200
FLOODING = 16
REQUESTS = 500
PER_SECOND = 50
SLACK_S = 0.05
"""What clients and a busy machine may add."""


def token(tenant: int) -> str:
    return f"fake-token-{tenant}"


def config(sink: str) -> str:
    """Return a configuration with quotas that the normal tenants stay far below."""
    tenants = ", ".join(
        f"{{name: t{n}, tokens: [{token(n)}], quota: {{spans_per_second: 300}}}}"
        for n in range(TENANTS)
    )
    return CONFIG.format(sink=sink).replace(
        "otlp: {protocols:", f"otlp: {{auth: {{tenants: [{tenants}]}}, protocols:"
    )


async def post(http: aiohttp.ClientSession, url: str, tenant: int, body: bytes) -> int:
    headers = {"Content-Type": "application/x-protobuf", "x-api-key": token(tenant)}
    async with http.post(url, data=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def p99(http: aiohttp.ClientSession, url: str) -> float:
    """Send requests of the normal tenants at an even pace; return the 99th percentile."""
    small, took = batch({"text": "x" * 2000}).encode(), []

    async def one(number: int) -> None:
        begun = time.monotonic()
        assert 200 == await post(http, url, 1 + number % (TENANTS - 1), small)
        took.append(time.monotonic() - begun)

    begun = time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(REQUESTS):
            await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
            tasks.create_task(one(number))
    return sorted(took)[int(REQUESTS * 0.99)]


@pytest.mark.nightly
async def test_a_flood_delays_no_other_tenant(tmp_path: Path) -> None:
    """All others are accepted, and 99 of 100 answers take at most twice as long."""
    large = batch(*({"text": "y" * 5000} for _ in range(100)), one_trace=False).encode()
    sink, gateway = Sink(), Gateway(tmp_path)
    statuses: set[int] = set()
    async with serving(sink) as address, aiohttp.ClientSession() as http:
        (tmp_path / "gateway.yaml").write_text(config(address))
        await gateway.start()

        async def flood() -> None:
            while True:
                statuses.add(await post(http, gateway.traces, 0, large))

        await p99(http, gateway.traces)  # warms up
        alone = await p99(http, gateway.traces)
        flooding = [asyncio.create_task(flood()) for _ in range(FLOODING)]
        beside = await p99(http, gateway.traces)
        for task in flooding:
            task.cancel()
        await asyncio.gather(*flooding, return_exceptions=True)
        await gateway.end()
    assert {200, 429} == statuses
    assert beside < 2 * alone + SLACK_S, (alone, beside)
