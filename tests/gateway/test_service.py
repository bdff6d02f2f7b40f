"""What a whole gateway promises between its endpoints and its exporters."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import Batch
from gateway.lifecycle import StartError
from gateway.testing import batch
from tests.gateway.plugins_for_tests import Keep
from tests.gateway.running import Gateway, gateway

HERE = "tests.gateway.plugins_for_tests"
QUICK = "batch: {flush_timeout: 10ms}, retry_on_failure: {initial_interval: 10ms}"


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Forget the exporters of earlier tests."""
    Keep.everything.clear()
    yield
    Keep.everything.clear()


def config(
    *, processors: str = "{}", order: str = "[]", exporters: str = "keep", extra: str = ""
) -> str:
    """Return a configuration with one pipeline and keeping exporters."""
    keeping = "\n".join(
        f'  {name}: {{use: "{HERE}:Keep", {QUICK}{extra}}}' for name in exporters.split()
    )
    return f"""
processors: {processors}
exporters:
{keeping}
service:
  pipelines:
    traces: {{receivers: [otlp], processors: {order}, exporters: [{exporters.replace(" ", ", ")}]}}
"""


def use(name: str, settings: str = "") -> str:
    return f'{{use: "{HERE}:{name}"{settings}}}'


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the gateway does in the background."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def spans_of(requests: list[bytes]) -> list[Batch]:
    return [Batch(request) for request in requests]


async def arrived(running: Gateway, at_least: int, exporter: int = 0) -> list[dict[str, object]]:
    """Wait until the exporter has so many spans; return their attributes."""
    del running
    kept = Keep.everything[exporter]
    await until(lambda: sum(len(b) for b in spans_of(kept.requests)) >= at_least)
    return [dict(span.attributes) for b in spans_of(kept.requests) for span in b]


async def test_nothing_is_decoded_on_the_way_through(tmp_path: Path) -> None:
    """A pipeline without processors sends each span's bytes as received, unknown fields too."""
    sent = ExportTraceServiceRequest.FromString(batch({"a": 1}).encode())
    span = sent.resource_spans[0].scope_spans[0].spans[0]
    # Field 100 is none of OTLP's; attributes are encoded in an order of their own.
    raw = span.SerializeToString() + b"\xa2\x06\x03new"
    inner = b"\x12" + bytes([len(raw)]) + raw
    middle = b"\x12" + bytes([len(inner)]) + inner
    body = b"\x0a" + bytes([len(middle)]) + middle
    async with gateway(tmp_path, config()) as running:
        assert 200 == (await running.post(body))[0]
        await arrived(running, 1)
        assert [body] == Keep.everything[0].requests


async def test_processors_run_in_order(tmp_path: Path) -> None:
    """Sync and async processors change the batch one after the other."""
    processors = (
        f"{{tag/a: {use('Tag', ', value: a')}, tag/b: {use('AsyncTag', ', value: b')}, "
        f"tag/c: {use('Tag', ', value: c')}}}"
    )
    async with gateway(
        tmp_path, config(processors=processors, order="[tag/c, tag/b, tag/a]")
    ) as running:
        await running.post(batch({"tag": "-"}).encode())
        assert [{"tag": "-cba"}] == await arrived(running, 1)


async def test_several_exporters_each_get_everything(tmp_path: Path) -> None:
    """Two exporters get the same spans; one being down holds the other up in nothing."""
    async with gateway(tmp_path, config(exporters="keep/a keep/b")) as running:
        Keep.everything[0].down = True
        await running.post(batch({"n": 1}, {"n": 2}).encode())
        assert 2 == len(await arrived(running, 2, exporter=1))
        assert [] == Keep.everything[0].requests
        Keep.everything[0].down = False
        assert 2 == len(await arrived(running, 2, exporter=0))


async def test_several_pipelines_do_not_mix(tmp_path: Path) -> None:
    """Each pipeline of a receiver works on its own copy of the request."""
    text = f"""
processors: {{tag: {use("Tag", ", value: a")}}}
exporters: {{keep/a: {use("Keep", ", " + QUICK)}, keep/b: {use("Keep", ", " + QUICK)}}}
service:
  pipelines:
    traces/a: {{receivers: [otlp], processors: [tag], exporters: [keep/a]}}
    traces/b: {{receivers: [otlp], processors: [], exporters: [keep/b]}}
"""
    async with gateway(tmp_path, text) as running:
        await running.post(batch({"n": 1}).encode())
        assert [{"n": 1, "tag": "a"}] == await arrived(running, 1, exporter=0)
        assert [{"n": 1}] == await arrived(running, 1, exporter=1)


async def test_all_spans_dropped_is_accepted(tmp_path: Path) -> None:
    """A request of which a processor drops everything is answered OK and reaches nobody."""
    processors = f"{{drop: {use('DropNamed', ', value: span')}, tag: {use('Tag')}}}"
    async with gateway(tmp_path, config(processors=processors, order="[drop, tag]")) as running:
        assert 200 == (await running.post(batch({}).encode()))[0]
        await running.post(batch({}, name="other").encode())
        assert [{"tag": "x"}] == await arrived(running, 1)


SAID = [
    ("reject", 400, grpc.StatusCode.INVALID_ARGUMENT, None),
    ("busy", 429, grpc.StatusCode.RESOURCE_EXHAUSTED, "7"),
    ("retry", 503, grpc.StatusCode.UNAVAILABLE, "3"),
    ("crash", 400, grpc.StatusCode.INVALID_ARGUMENT, None),
]


@pytest.mark.parametrize(("what", "http", "code", "after"), SAID)
async def test_what_a_processor_says_reaches_the_sender(
    tmp_path: Path, what: str, http: int, code: grpc.StatusCode, after: str | None
) -> None:
    """Reject, Busy, Retry and a crash have their codes on both protocols."""
    processors = f"{{say: {use('Say', f', what: {what}')}}}"
    async with gateway(tmp_path, config(processors=processors, order="[say]")) as running:
        status, _, headers = await running.post(batch({}).encode())
        assert (http, after) == (status, headers.get("Retry-After"))
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await running.call(batch({}).encode())
        assert code == refusal.value.code()


async def test_an_open_breaker_says_when_to_come_back(tmp_path: Path) -> None:
    """A processor that fails again and again is answered with 503 and a delay."""
    processors = f"{{say: {use('Say', ', what: crash')}}}"
    async with gateway(tmp_path, config(processors=processors, order="[say]")) as running:
        for _ in range(5):
            assert 400 == (await running.post(batch({}).encode()))[0]
        status, _, headers = await running.post(batch({}).encode())
        assert 503 == status
        assert int(headers["Retry-After"]) >= 1


async def test_a_full_queue_pushes_back_and_recovers(tmp_path: Path) -> None:
    """A full queue is 429 with a delay; once the destination is back, it is accepted again."""
    small = ", sending_queue: {max_size_mib: 1, storage: memory}"
    wide = batch({"text": "x" * 400_000}).encode()
    async with gateway(tmp_path, config(extra=small)) as running:
        Keep.everything[0].down = True
        assert [200, 200] == [(await running.post(wide))[0] for _ in range(2)]
        status, _, headers = await running.post(wide)
        assert 429 == status
        assert int(headers["Retry-After"]) >= 1
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await running.call(wide)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == refusal.value.code()
        Keep.everything[0].down = False
        await until(lambda: len(Keep.everything[0].requests) >= 1)
        await until(lambda: running.service.status().exporters[0].waiting_spans == 0)
        assert 200 == (await running.post(wide))[0]


async def test_larger_than_the_queue_is_permanent(tmp_path: Path) -> None:
    """A request that can never fit is 413, and RESOURCE_EXHAUSTED without a delay."""
    small = ", sending_queue: {max_size_mib: 1, storage: memory}"
    huge = batch({"text": "x" * 1_100_000}).encode()
    async with gateway(tmp_path, config(extra=small)) as running:
        status, _, headers = await running.post(huge)
        assert (413, None) == (status, headers.get("Retry-After"))
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await running.call(huge)
        assert grpc.StatusCode.RESOURCE_EXHAUSTED == refusal.value.code()
        trailing: Any = refusal.value.trailing_metadata()
        details = [key for key, _ in trailing or ()]
        assert "grpc-status-details-bin" not in details


async def test_stopping_delivers_what_waits(tmp_path: Path) -> None:
    """What was accepted is sent before the gateway ends, without waiting for a full batch."""
    slow = config().replace("flush_timeout: 10ms", "flush_timeout: 1h")
    async with gateway(tmp_path, slow) as running:
        await running.post(batch({}, {}).encode())
        await asyncio.sleep(0)
        assert [] == Keep.everything[0].requests
    assert 2 == sum(len(b) for b in spans_of(Keep.everything[0].requests))


async def test_probes_tell_degraded_from_dead(tmp_path: Path) -> None:
    """While a destination is down /ready is 200 with the reason; /live always is."""
    async with gateway(tmp_path, config()) as running:
        async with running.http.get(running.url("/ready", "status")) as answer:
            assert {"status": "ready"} == await answer.json()
        Keep.everything[0].down = True
        await running.post(batch({}).encode())
        await until(lambda: bool(running.service.status().degraded))
        async with running.http.get(running.url("/ready", "status")) as answer:
            assert 200 == answer.status
            assert "degraded" == (await answer.json())["status"]
        async with running.http.get(running.url("/live", "status")) as answer:
            assert 200 == answer.status
        async with running.http.get(running.url("/status.json", "status")) as answer:
            status = json.loads(await answer.read())
        assert ["down"] == [trouble["reason"] for trouble in status["exporters"][0]["troubles"]]
        Keep.everything[0].down = False


async def test_metrics_count_what_flows(tmp_path: Path) -> None:
    """Accepted, processed and sent spans are counted under the contract's names."""
    processors = f"{{tag/counted: {use('Tag')}}}"
    text = config(processors=processors, order="[tag/counted]", exporters="keep/counted")
    async with gateway(tmp_path, text) as running:
        await running.post(batch({}, {}, {}).encode())
        await arrived(running, 3)
        async with running.http.get(running.url("/metrics", "metrics")) as answer:
            lines = (await answer.text()).splitlines()
    assert (
        'spangate_processor_outgoing_spans_total{pipeline="traces",processor="tag/counted"} 3.0'
        in lines
    )
    assert 'spangate_exporter_sent_spans_total{exporter="keep/counted"} 3.0' in lines
    assert any(
        line.startswith('spangate_receiver_accepted_spans_total{receiver="otlp",transport="http"}')
        for line in lines
    )


async def test_one_data_directory_one_gateway(tmp_path: Path) -> None:
    """A second gateway on the same directory is told so."""
    async with gateway(tmp_path, config()):
        with pytest.raises(OSError, match="used by another gateway"):
            async with gateway(tmp_path, config()):
                pass


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """A port that is taken ends the start with the setting to change, and frees everything."""
    async with gateway(tmp_path, config()) as first:
        taken = first.service.endpoints["http"]
        other = tmp_path / "other"
        other.mkdir()
        text = config() + (
            f'\nreceivers: {{otlp: {{protocols: {{http: {{endpoint: "{taken}"}}}}}}}}\n'
        )
        with pytest.raises(ExceptionGroup) as failure:
            async with gateway(other, text):
                pass
    assert isinstance(failure.value.exceptions[0], StartError)
    assert taken in str(failure.value.exceptions[0])


async def test_figures_are_of_what_was_accepted(tmp_path: Path) -> None:
    """Calls of models count before a sampler, once each, and only if their request is accepted."""
    text = config(
        processors="{cost: {}, probabilistic_sampler: {sampling_percentage: 0}}",
        order="[cost, probabilistic_sampler]",
    )
    name = f"figures-{tmp_path.name}"
    call = {
        "mlflow.spanType": "LLM",
        "mlflow.llm.model": name,
        "mlflow.chat.tokenUsage": '{"input_tokens":7,"output_tokens":1,"total_tokens":8}',
    }
    body = batch(call, call, resource={"service.name": "web"}, one_trace=False).encode()
    async with gateway(tmp_path, text) as running:
        for _ in range(2):
            assert 200 == (await running.post(body))[0]
        async with running.http.get(running.url("/metrics", "metrics")) as answer:
            said = await answer.text()
    labels = f'experiment="",model="{name}",service="web",tenant=""'
    assert f'spangate_llm_tokens_total{{direction="input",{labels}}} 14.0' in said
    assert f"spangate_llm_duration_seconds_count{{{labels}}} 2.0" in said
