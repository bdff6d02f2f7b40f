"""What senders find in a real MLflow behind a whole gateway."""

import asyncio
import gzip
import io
import itertools
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.batch import Batch
from gateway.otlp.json import decode_request, encode_request
from gateway.queue.dead_letters import LetterFile
from gateway.testing import batch
from tests.e2e.compare import differences, spans_of
from tests.e2e.mlflow_server import MlflowApi, eventually
from tests.gateway.cli.support import call
from tests.gateway.running import Gateway, gateway

pytestmark = pytest.mark.e2e

CAPTURES = Path(__file__).parents[1] / "data" / "captures"
INDEX: list[dict[str, Any]] = json.loads((CAPTURES / "index.json").read_text())

_serial = itertools.count(1)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Return a name for an experiment that no other test uses."""
    return f"{request.node.name[:200]}-{next(_serial)}"


@asynccontextmanager
async def to_mlflow(folder: Path, url: str, experiment: str) -> AsyncIterator[Gateway]:
    """Run a gateway whose default experiment is the test's own."""
    text = f"""
exporters:
  mlflow:
    endpoint: {url}
    experiment: {{default: "{experiment}"}}
    sending_queue: {{storage: memory}}
    batch: {{flush_timeout: 100ms}}
    retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}}}}}
"""
    async with gateway(folder, text) as running:
        yield running


async def settled(running: Gateway) -> None:
    """Return once nothing waits."""

    async def empty() -> bool:
        return running.service.status().exporters[0].waiting_spans == 0

    await eventually(empty, timeout_s=90, what="delivery of everything")


def renewed(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Return a request with new trace ids, so that it can be sent once more."""
    new = ExportTraceServiceRequest()
    new.CopyFrom(request)
    ids: dict[bytes, bytes] = {}
    for span in spans_of(new):
        span.trace_id = ids.setdefault(span.trace_id, os.urandom(16))
        for link in span.links:
            link.trace_id = ids.get(link.trace_id, link.trace_id)
    return new


def recorded(capture: dict[str, Any]) -> ExportTraceServiceRequest:
    """Return a capture decoded."""
    body = (CAPTURES / capture["file"]).read_bytes()
    if capture["content_encoding"] == "gzip":
        body = gzip.decompress(body)
    if capture["content_type"] == "application/json":
        return decode_request(body)
    return ExportTraceServiceRequest.FromString(body)


def as_recorded(capture: dict[str, Any], request: ExportTraceServiceRequest) -> bytes:
    """Return a request in the encoding and compression of a capture."""
    if capture["content_type"] == "application/json":
        body = json.dumps(encode_request(request)).encode()
    else:
        body = request.SerializeToString()
    return gzip.compress(body) if capture["content_encoding"] == "gzip" else body


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_captures_arrive_whole(
    tmp_path: Path, mlflow: MlflowApi, name: str, protocol: str
) -> None:
    """What sixteen instrumentations sent is in MLflow span by span, over both protocols."""
    sent: list[ExportTraceServiceRequest] = []
    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        for capture in INDEX:
            request = renewed(recorded(capture))
            sent.append(request)
            if protocol == "grpc":
                assert b"" == await running.call(request.SerializeToString())
                continue
            headers = {
                "Content-Type": capture["content_type"] or "application/x-protobuf",
                **({"Content-Encoding": "gzip"} if capture["content_encoding"] else {}),
            }
            path = capture["path"] if capture["transport"] == "http" else "/v1/traces"
            body = io.BytesIO(as_recorded(capture, request))
            async with running.http.post(running.url(path), data=body, headers=headers) as answer:
                assert 200 == answer.status
        await settled(running)
        assert 0 == running.service.status().dead_letters
    for capture, request in zip(INDEX, sent, strict=True):
        for trace_id in {span.trace_id for span in spans_of(request)}:
            wanted = [span for span in spans_of(request) if span.trace_id == trace_id]
            assert (capture["file"], []) == (
                capture["file"],
                differences(wanted, await mlflow.spans(trace_id)),
            )


async def test_a_trace_from_three_senders_is_one(
    tmp_path: Path, mlflow: MlflowApi, name: str
) -> None:
    """Spans of one trace that come in several requests and protocols, child first, are one."""
    whole = batch(*({"n": n} for n in range(6)))
    root, *children = whole
    pieces = []
    for span in (*children, root):
        piece = Batch(whole.encode())
        for other in list(piece):
            if other.span_id != span.span_id:
                piece.drop(other)
        pieces.append(piece.encode())
    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        await asyncio.gather(
            *(running.post(p) if n % 2 else running.call(p) for n, p in enumerate(pieces))
        )
        await settled(running)
    assert {s.span_id for s in (root, *children)} == {
        s.span_id for s in await mlflow.spans(root.trace_id)
    }
    info = await mlflow.trace(root.trace_id)
    assert info is not None
    assert "IN_PROGRESS" != info["state"]


def _attribute(span: Span, key: str, value: str) -> None:
    span.attributes.add(key=key).value.string_value = value


def _array(span: Span, key: str) -> None:
    span.attributes.add(key=key).value.array_value.values.add().string_value = "LLM"


# The poison of facts about MLflow that reaches it: wrong ids are refused by the receiver.
POISON: dict[str, Callable[[Span], None]] = {
    "kind is an array": lambda span: _array(span, "openinference.span.kind"),
    "operation is an array": lambda span: _array(span, "gen_ai.operation.name"),
    "span.type is a list in text": lambda span: _attribute(span, "span.type", "[1]"),
    "cost is a number": lambda span: _attribute(span, "mlflow.llm.cost", "0.5"),
    "cost is a list": lambda span: _attribute(span, "mlflow.llm.cost", "[1]"),
    "usage holds null": lambda span: _attribute(
        span, "mlflow.chat.tokenUsage", '{"input_tokens": null}'
    ),
    "session is too long": lambda span: _attribute(span, "session.id", "s" * 300),
    "span type is an array": lambda span: _array(span, "mlflow.spanType"),
    "start is beyond 63 bits": lambda span: setattr(span, "start_time_unix_nano", 2**63 + 1),
}


async def test_poison_harms_nobody(tmp_path: Path, mlflow: MlflowApi, name: str) -> None:
    """Each kind of span that MLflow chokes on becomes a dead letter; its neighbours are stored."""
    good: list[tuple[bytes, set[bytes]]] = []
    requests = []
    for label, spoil in POISON.items():
        mixed = batch({"n": 1}, {"n": 2}, {"n": 3})
        victim = list(mixed)[1]
        victim.name = label
        spoil(victim.proto)
        neighbours = {span.span_id for span in mixed if span is not victim}
        good.append((victim.trace_id, neighbours))
        requests.append(mixed.encode())
    requests += [batch({}, {}).encode() for _ in range(20)]
    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        answers = await asyncio.gather(*(running.post(request) for request in requests))
        assert {200} == {status for status, _, _ in answers}
        await settled(running)
    lines = (tmp_path / "data" / "dead-letters" / "letters.jsonl").read_text().splitlines()
    letters = [json.loads(line) for line in lines]
    assert sorted(POISON) == sorted(letter["name"] for letter in letters)
    assert all(letter["reason"] and letter["attempts"] > 0 for letter in letters)
    for trace_id, spans in good:
        assert spans == {span.span_id for span in await mlflow.spans(trace_id)}


@pytest.mark.nightly
async def test_seven_in_a_thousand(tmp_path: Path, mlflow: MlflowApi, name: str) -> None:
    """Of one request 993 spans are stored; the seven letters can be tried again, and stay."""
    traces = [batch(*({"n": n} for n in range(10))) for _ in range(100)]
    labels = list(POISON)[:7]
    for at, label in enumerate(labels):
        victim = list(traces[at * 14])[at]
        victim.name = label
        POISON[label](victim.proto)
    whole = ExportTraceServiceRequest()
    for trace in traces:
        whole.MergeFromString(trace.encode())
    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        assert 200 == (await running.post(whole.SerializeToString()))[0]
        await settled(running)
    stored = [len(await mlflow.spans(list(trace)[0].trace_id)) for trace in traces]
    assert 993 == sum(stored)
    letters = LetterFile(tmp_path / "data" / "dead-letters")
    assert sorted(labels) == sorted(letter.name for letter in letters.read())

    options: list[str | Path] = [
        "--config",
        tmp_path / "base.yaml",
        "--config",
        tmp_path / "gateway.yaml",
    ]
    options += ["--set", f"service.data_dir={tmp_path / 'data'}"]
    again = await asyncio.to_thread(call, "dead-letters", "replay", "--all", *options)
    assert "0 of 7 dead letters sent" in again.stdout
    assert 7 == len(list(letters.read()))


async def test_invalid_ids_are_refused_alone(tmp_path: Path, mlflow: MlflowApi, name: str) -> None:
    """Spans with wrong ids are named in partial success; the others arrive."""
    mixed = batch({}, {}, {}, {})
    first, long, zero, none = mixed
    long.proto.trace_id = bytes(20)
    zero.proto.trace_id = bytes(16)
    none.proto.span_id = b""
    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        status, body, _ = await running.post(mixed.encode())
        await settled(running)
    assert 200 == status
    assert b"3" in body or b"\x08\x03" in body
    assert {first.span_id} == {span.span_id for span in await mlflow.spans(first.trace_id)}


async def test_each_experiment_by_itself(tmp_path: Path, mlflow: MlflowApi, name: str) -> None:
    """Unknown, deleted and non-numeric experiments hold their own spans and nobody else's."""
    deleted = await mlflow.create_experiment(f"{name}-deleted")
    await mlflow.delete_experiment(deleted)
    chosen = await mlflow.create_experiment(f"{name}-chosen")
    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        sent = {key: batch({}) for key in ("", chosen, deleted, "987654321")}
        for experiment, one in sent.items():
            headers = {"x-mlflow-experiment-id": experiment} if experiment else {}
            assert 200 == (await running.post(one.encode(), headers))[0]

        async def both_parked() -> bool:
            troubles = running.service.status().exporters[0].troubles
            return 2 == len([t for t in troubles if t.advice])

        await eventually(both_parked, what="parking the two that cannot take spans")

        async def only_two_wait() -> bool:
            return 2 == running.service.status().exporters[0].waiting_spans

        await eventually(only_two_wait, what="delivery to the two that can")
        await mlflow.restore_experiment(deleted)

        async def only_one_waits() -> bool:
            return 1 == running.service.status().exporters[0].waiting_spans

        await eventually(only_one_waits, what="delivery after the experiment was restored")
    ids = {key: list(one)[0].trace_id.hex() for key, one in sent.items()}
    assert {ids[chosen]} == await mlflow.trace_ids(chosen)
    assert {ids[deleted]} == await mlflow.trace_ids(deleted)
    default = await mlflow.experiment(name)
    assert {ids[""]} == await mlflow.trace_ids(default["experiment_id"])


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_ten_thousand_traces(tmp_path: Path, mlflow: MlflowApi, name: str) -> None:
    """10,000 traces from 16 clients, half by gRPC, are all in MLflow, none twice."""
    clients, requests, traces = 16, 25, 25
    everything: set[str] = set()

    async def client(number: int, running: Gateway) -> None:
        for _ in range(requests):
            sent = batch(*({"n": n} for n in range(traces)), one_trace=False)
            everything.update(span.trace_id.hex() for span in sent)
            if number % 2:
                assert 200 == (await running.post(sent.encode()))[0]
            else:
                await running.call(sent.encode())

    async with to_mlflow(tmp_path, mlflow.url, name) as running:
        await asyncio.gather(*(client(number, running) for number in range(clients)))

        async def empty() -> bool:
            return running.service.status().exporters[0].waiting_spans == 0

        await eventually(empty, timeout_s=300, what="delivery of everything")
        assert 0 == running.service.status().dead_letters
    experiment = await mlflow.experiment(name)
    infos = await mlflow.trace_infos(experiment["experiment_id"])
    assert clients * requests * traces == len(everything) == len(infos)
    assert everything == {info["trace_id"].removeprefix("tr-") for info in infos}
