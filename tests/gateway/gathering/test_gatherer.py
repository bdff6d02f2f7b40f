"""What stage 2 promises: whole traces, decided once, none lost, and late spans that follow."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.batch import Batch
from gateway.testing import batch
from tests.gateway.gathering.judges import Judge
from tests.gateway.plugins_for_tests import Keep as Sink
from tests.gateway.running import Gateway, gateway

QUICK = "batch: {flush_timeout: 10ms}, retry_on_failure: {initial_interval: 10ms}"
STORAGES = pytest.mark.parametrize("storage", ["disk", "memory"])


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Forget what earlier tests left."""
    Sink.everything.clear()
    Judge.asked.clear()
    yield
    Sink.everything.clear()
    Judge.asked.clear()


def config(
    judge: str = "wait: 50ms", *, storage: str = "disk", kind: str = "Judge", queue: str = ""
) -> str:
    return f"""
processors: {{judge: {{use: "tests.gateway.gathering.judges:{kind}", {judge}}}}}
exporters:
  keep:
    use: "tests.gateway.plugins_for_tests:Keep"
    sending_queue: {{storage: {storage}{queue}}}
    {QUICK.replace(", retry", chr(10) + "    retry")}
service:
  pipelines: {{traces: {{receivers: [otlp], processors: [judge], exporters: [keep]}}}}
"""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the gateway does in the background."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.005)


def arrived() -> list[dict[str, object]]:
    """Return the attributes of the spans that the exporters took."""
    return [
        dict(span.attributes)
        for sink in Sink.everything
        for request in sink.requests
        for span in Batch(request)
    ]


async def send(running: Gateway, *spans: dict[str, object], one_trace: bool = True) -> Batch:
    sent = batch(*spans, one_trace=one_trace)  # type: ignore[arg-type] # the values are plain
    assert 200 == (await running.post(sent.encode()))[0]
    return sent


@STORAGES
async def test_only_wanted_traces_arrive_and_as_a_whole(tmp_path: Path, storage: str) -> None:
    """A trace of several requests is judged once, with all of its spans."""
    async with gateway(tmp_path, config("wait: 300ms", storage=storage)) as running:
        first = batch({"n": 1}, {"n": 2})
        late = batch({"n": 3, "keep": True})
        trace_id = first.spans[0].trace_id
        late.spans[0].proto.trace_id = trace_id
        await running.post(first.encode())
        await running.post(late.encode())
        await send(running, {"n": 4})
        await until(lambda: len(Judge.asked) == 2)
        await until(lambda: len(arrived()) == 3)
        assert {1, 2, 3} == {one["n"] for one in arrived()}
        assert (trace_id, 3, None) in Judge.asked
