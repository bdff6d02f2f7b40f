"""What a tenant's quota is worth where several workers take its requests."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

RATE, BURST, SPANS = 400, 400, 10
TOKEN = "not-" + "a-secret"
FOR_S = 8.0


async def flood(gateway: Gateway, accepted: list[int], until: float) -> None:
    """Send as fast as answers come, each time by a new connection, to some worker."""
    headers = {
        "Content-Type": "application/x-protobuf",
        "Authorization": f"Bearer {TOKEN}",
        "Connection": "close",
    }
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < until:
            body = batch(*({} for _ in range(SPANS))).encode()
            async with http.post(gateway.traces, data=body, headers=headers) as answer:
                assert answer.status in {200, 429}
                if answer.status == 200:
                    accepted.append(SPANS)
                else:
                    assert "Retry-After" in answer.headers


@pytest.mark.nightly
async def test_a_quota_holds_over_three_workers(tmp_path: Path) -> None:
    """A tenant gets what its quota says, not three times as much, nor a third."""
    accepted: list[int] = []
    gateway = Gateway(tmp_path)
    async with serving(Sink()) as address:
        quota = f"quota: {{spans_per_second: {RATE}, burst: {BURST}}}"
        tenants = f"auth: {{tenants: [{{name: one, tokens: [{TOKEN}], {quota}}}]}}"
        text = CONFIG.format(sink=address).replace(
            "otlp: {protocols", f"otlp: {{{tenants}, protocols"
        )
        (tmp_path / "gateway.yaml").write_text(text.replace("service:", "service:\n  workers: 3"))
        await gateway.start()
        try:
            begun = time.monotonic()
            await asyncio.gather(*(flood(gateway, accepted, begun + FOR_S) for _ in range(12)))
            allowed = BURST + RATE * (time.monotonic() - begun)
        finally:
            await gateway.end(gently=True)
    assert 0.8 * allowed <= sum(accepted) <= 1.2 * allowed
