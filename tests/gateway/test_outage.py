"""What an outage of a destination may take: time, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.gateway.real import CONFIG, Gateway, Sink, send, serving

BACK_S = 60.0
"""Everything has arrived by then after a destination is back: its back-off and the backlog."""


class Failing(Sink):
    """A sink that fails in some way while ``failure`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Callable[[web.Request], Awaitable[web.Response]] | None = None
        self.failed = 0

    async def take(self, request: web.Request) -> web.Response:
        if self.failure is not None:
            self.failed += 1
            return await self.failure(request)
        return await super().take(request)


async def unavailable(request: web.Request) -> web.Response:
    """Answer 503."""
    await request.read()
    return web.Response(status=503)


async def throttled(request: web.Request) -> web.Response:
    """Answer 429 with a delay."""
    await request.read()
    return web.Response(status=429, headers={"Retry-After": "1"})


async def reset(request: web.Request) -> web.Response:
    """Break the connection off."""
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError


async def black_hole(request: web.Request) -> web.Response:
    """Take the request and answer when nobody waits any more."""
    await request.read()
    await asyncio.sleep(2)
    return web.Response(status=503)


async def locked(request: web.Request) -> web.Response:
    """Answer 503 after a while, as MLflow does when its database is locked."""
    await request.read()
    await asyncio.sleep(0.5)
    return web.Response(status=503)


@pytest.mark.parametrize(
    "failure",
    [
        unavailable,
        black_hole,
        pytest.param(throttled, marks=pytest.mark.nightly),
        pytest.param(reset, marks=pytest.mark.nightly),
        pytest.param(locked, marks=pytest.mark.nightly),
    ],
)
async def test_an_outage_loses_nothing(
    tmp_path: Path, failure: Callable[[web.Request], Awaitable[web.Response]]
) -> None:
    """Spans are accepted all the time, and all of them arrive once the destination is back."""
    sink, gateway, stop = Failing(), Gateway(tmp_path), asyncio.Event()
    acknowledged: set[bytes] = set()
    async with serving(sink) as address:
        config = CONFIG.format(sink=address)
        (tmp_path / "gateway.yaml").write_text(
            config.replace("batch:", "timeout: 500ms\n    batch:")
        )
        await gateway.start()
        senders = [asyncio.create_task(send(gateway, acknowledged, stop)) for _ in range(2)]

        async def more(spans: int) -> None:
            wanted = len(acknowledged) + spans
            async with asyncio.timeout(60):
                while len(acknowledged) < wanted:
                    await asyncio.sleep(0.01)

        await more(100)
        sink.failure = failure
        await more(500)
        async with asyncio.timeout(60):
            while sink.failed < 2:
                await asyncio.sleep(0.01)
        sink.failure = None
        await more(100)
        stop.set()
        await asyncio.gather(*senders)
        async with asyncio.timeout(BACK_S):
            while acknowledged - sink.spans:
                await asyncio.sleep(0.02)
        await gateway.end()
    assert acknowledged <= sink.spans
