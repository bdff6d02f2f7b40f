"""What the figures of calls promise whichever worker a request comes to."""

import re
from pathlib import Path

import aiohttp

from gateway.testing import batch
from tests.gateway.real import CONFIG, Gateway, Sink, serving

TRIES = 12
HEADERS = {"Content-Type": "application/x-protobuf"}


async def test_a_retried_request_counts_once_for_all_workers(tmp_path: Path) -> None:
    """An SDK that connects anew for each try moves tokens and dollars once, spans each time."""
    call = batch(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1200,
            "gen_ai.usage.output_tokens": 300,
        }
    ).encode()
    sink, running = Sink(), Gateway(tmp_path)
    async with serving(sink) as address:
        text = CONFIG.format(sink=address).replace("processors: []", "processors: [cost]")
        (tmp_path / "gateway.yaml").write_text(f"processors: {{cost: {{}}}}\n{text}  workers: 2\n")
        await running.start()
        for _ in range(TRIES):  # the chance that all come to one worker is 1 in 2,000
            async with (
                aiohttp.ClientSession() as http,
                http.post(running.traces, data=call, headers=HEADERS) as answer,
            ):
                assert 200 == answer.status
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"http://{running.endpoints['metrics']}/metrics") as answer,
        ):
            metrics = await answer.text()
        await running.end(gently=True)

    def figure(name: str) -> float:
        return sum(map(float, re.findall(rf"(?m)^{name}{{.*}} ([\d.e+-]+)$", metrics)))

    assert 1500 == figure("spangate_llm_tokens_total")
    assert 0.006 == figure("spangate_llm_cost_usd_total")
    assert 1 == figure("spangate_llm_duration_seconds_count")
    assert TRIES == figure("spangate_receiver_accepted_spans_total")
