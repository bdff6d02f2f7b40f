"""What the runbook promises of alerts about calls of models: a service that is mended ends them."""

from pathlib import Path

import pytest
import yaml
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.plugin import Batch, Value
from gateway.testing import batch
from tests.e2e.prometheus import PROMETHEUS, until
from tests.e2e.runbook.stage import Stage, staged

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed"),
    pytest.mark.timeout(300),
]
MODEL = "gpt-4o"


class Service:
    """A service that calls a model, well or badly."""

    def __init__(self) -> None:
        self.seconds = 1
        self.failing = False
        self.tokens = 100_000

    def call(self) -> Batch:
        """Return two calls."""
        said: dict[str, Value] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": MODEL,
            "gen_ai.usage.input_tokens": self.tokens,
            "gen_ai.usage.output_tokens": 100,
        }
        made = batch(said, said, resource={"service.name": "web"}, one_trace=False)
        for span in made:
            message = span.proto
            message.end_time_unix_nano = message.start_time_unix_nano + self.seconds * 10**9
        if self.failing:
            made.spans[0].proto.status.code = Status.STATUS_CODE_ERROR
        return made


async def test_calls_failing(tmp_path: Path) -> None:
    """A service that is rolled back ends it."""
    service = Service()
    service.failing = True
    async with staged(tmp_path, "SpangateCallsFailing") as stage:
        await stage.start()
        async with stage.watched(), stage.sending(service.call):
            await stage.fires()
            service.failing = False
            await stage.ends()


@pytest.mark.parametrize(
    ("alert", "faster"), [("SpangateCallsSlowFast", 100), ("SpangateCallsSlow", 600)]
)
async def test_calls_slow(tmp_path: Path, alert: str, faster: float) -> None:
    """Calls that are short again end it, long before the long window has forgotten."""
    service = Service()
    service.seconds = 30
    async with staged(tmp_path, alert) as stage:
        await stage.start()
        async with stage.watched(faster), stage.sending(service.call):
            await stage.fires()
            service.seconds = 1
            await stage.ends()


async def test_cost_spike_of_an_agent_in_a_loop(tmp_path: Path) -> None:
    """Once the loop is mended, it ends."""
    service = Service()
    async with staged(tmp_path, "SpangateCostSpike") as stage:
        stage.page = stage.page._replace(commands=frozenset())
        await stage.start()
        async with stage.watched(1200), stage.sending(service.call):
            await a_day(stage)
            service.tokens *= 10
            await stage.fires()
            service.tokens //= 10
            await stage.ends()


async def test_cost_spike_of_a_wrong_price(tmp_path: Path) -> None:
    """``prices`` shows the wrong entry, and the price file that is mended ends it."""
    right = [{"match": {"model": MODEL}, "rates_usd_per_mtok": {"input": 2.5, "output": 10}}]
    wrong = [{"match": {"model": MODEL}, "rates_usd_per_mtok": {"input": 25, "output": 10}}]
    prices = tmp_path / "prices.yaml"
    prices.write_text(yaml.safe_dump(right))
    async with staged(tmp_path, "SpangateCostSpike") as stage:
        stage.config["processors"]["cost"] = {"prices_file": "prices.yaml"}
        await stage.start()
        async with stage.watched(1200), stage.sending(Service().call):
            await a_day(stage)
            prices.write_text(yaml.safe_dump(wrong))
            stage.reload()
            await stage.fires()
            told = await stage.run(
                "spangate prices MODEL --config /etc/spangate/config/gateway.yaml", MODEL=MODEL
            )
            prices.write_text(yaml.safe_dump(right))
            stage.reload()
            await stage.ends()

    assert "prices.yaml" in told.out
    assert "25" in told.out


async def a_day(stage: Stage) -> None:
    """Wait until Prometheus has figures of a day ago, as this test's days are."""
    seen = 'spangate_llm_cost_usd_total{model="gpt-4o"} offset 78s'
    await until(lambda: stage.prometheus.value(seen), patience_s=180)
