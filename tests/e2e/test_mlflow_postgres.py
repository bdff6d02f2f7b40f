"""What only PostgreSQL shows of MLflow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.local_mlflow import LocalMlflow
from gateway.otlp import wire
from gateway.plugin import Batch, Reject
from gateway.telemetry import metrics
from gateway.testing import batch
from tests.e2e import postgres
from tests.e2e.conftest import free_port, running
from tests.e2e.mlflow_server import MlflowApi, eventually
from tests.e2e.sending import exporting, routed, send
from tests.gateway.running import gateway

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.postgres,
    pytest.mark.skipif(
        postgres.binaries() is None, reason="PostgreSQL's server is not installed (apt: postgresql)"
    ),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run MLflow on PostgreSQL and yield its address."""
    folder = tmp_path_factory.mktemp("mlflow-pg")
    with postgres.running(free_port()) as store:
        async with running(LocalMlflow(folder, free_port(), store=store)) as server:
            yield server.url


def _arranged(sent: Batch, *, unique: bool = True) -> Batch:
    """Return a batch as the engine arranges it for the exporter."""
    entries = wire.arrange(wire.index(sent.encode()), unique=unique)
    return Batch(wire.assemble(entries), sent.context)


async def test_eight_senders_with_the_same_new_traces(url: str) -> None:
    """Sorted by trace id, the same traces from eight sides cause no deadlock and no loss."""
    sent = batch(*({} for _ in range(10)), one_trace=False)
    backwards = wire.assemble(list(reversed(wire.index(sent.encode()))))

    async with exporting(url, experiment={"default": "deadlocks"}) as exporter:
        await send(exporter, batch({}))
        both = [sent, Batch(backwards)]
        batches = [routed(exporter, _arranged(both[n % 2])) for n in range(8)]
        async with asyncio.timeout(10):  # a deadlock takes MLflow 12 s and more
            await asyncio.gather(*(exporter.export(one) for one in batches))

    async with MlflowApi(url) as api:
        experiment = await api.experiment("deadlocks")
        assert 11 == len(await api.trace_ids(experiment["experiment_id"]))


async def test_eight_senders_through_a_gateway(url: str, tmp_path: Path) -> None:
    """Eight senders of the same new traces in opposite order: nothing waits, nothing is retried."""
    sent = batch(*({} for _ in range(10)), one_trace=False)
    backwards = wire.assemble(list(reversed(wire.index(sent.encode()))))
    text = f"""
exporters:
  mlflow: {{endpoint: {url}, experiment: {{default: senders}}, sending_queue: {{storage: memory}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}}}}}
"""
    retries = metrics.exporter_retries.labels("mlflow")._value
    before = retries.get()
    async with gateway(tmp_path, text) as running:
        both = [sent.encode(), backwards]
        await asyncio.gather(*(running.post(both[n % 2]) for n in range(8)))

        async def empty() -> bool:
            return running.service.status().exporters[0].waiting_spans == 0

        await eventually(empty, timeout_s=10, what="delivery without a deadlock")
        assert not running.service.status().dead_letters

    assert before == retries.get()
    async with MlflowApi(url) as api:
        experiment = await api.experiment("senders")
        assert 10 == len(await api.trace_ids(experiment["experiment_id"]))


async def test_span_twice_in_one_request(url: str) -> None:
    """PostgreSQL refuses a span that stands twice in a request; once deduplicated it is taken."""
    sent = batch({})
    sent.request.resource_spans.add().CopyFrom(sent.peek.resource_spans[0])

    async with exporting(url, experiment={"default": "twice"}) as exporter:
        with pytest.raises(Reject, match="400") as caught:
            await send(exporter, Batch(sent.encode()))
        assert exporter.unique_spans
        await send(exporter, _arranged(Batch(sent.encode())))

    assert caught.value.isolate


def _nul(span: Span) -> None:
    span.name = "a\0b"


def _user(span: Span) -> None:
    span.attributes.add(key="user.id").value.string_value = "u" * 9000


def _type(span: Span) -> None:
    span.attributes.add(key="mlflow.spanType").value.string_value = "t" * 900


@pytest.mark.parametrize("spoil", [_nul, _user, _type])
async def test_poison_asks_for_isolation(url: str, spoil: Callable[[Span], None]) -> None:
    """What only PostgreSQL refuses is isolated like the rest."""
    sent = batch({}, {}, one_trace=False)
    spoil(sent.spans[0].proto)

    async with exporting(url, experiment={"default": "poison"}) as exporter:
        with pytest.raises(Reject) as caught:
            await send(exporter, Batch(sent.encode()))
        sent.drop(sent.spans[0])
        await send(exporter, Batch(sent.encode()))

    assert caught.value.isolate
    assert "u" * 100 not in caught.value.reason
