"""What ``otlp_http`` promises, shown against a real HTTP server."""

from collections.abc import AsyncIterator

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from exporters.otlp_http import OtlpHttp
from gateway.plugin import Batch, Reject, Retry
from gateway.testing import batch, component
from tests.exporters.backends import FakeContext, HttpSink, http_sink

PROTOBUF = "application/x-protobuf"


@pytest.fixture
async def sink() -> AsyncIterator[HttpSink]:
    """Run a backend."""
    async with http_sink() as running:
        yield running


async def send(exported: Batch, **settings: object) -> FakeContext:
    """Export one batch with an exporter of these settings."""
    exporter, context = component(OtlpHttp, **settings), FakeContext()
    await exporter.start(context)
    try:
        await exporter.export(exported)
    finally:
        await exporter.stop()
    return context


async def test_posts_the_bytes_as_received(sink: HttpSink) -> None:
    """A batch arrives under /v1/traces, gzipped, as protobuf, byte for byte."""
    traces = batch({"a": 1}, {"b": "two"})

    await send(traces, endpoint=sink.url)

    received = sink.received[0]
    assert received.path == "/v1/traces"
    assert received.headers["Content-Type"] == PROTOBUF
    assert received.headers["Content-Encoding"] == "gzip"
    assert received.message.SerializeToString() == traces.encode()


async def test_uses_a_traces_endpoint_as_it_stands(sink: HttpSink) -> None:
    """Nothing is added to ``traces_endpoint``, and its parameters are kept."""
    await send(batch({}), traces_endpoint=f"{sink.url}/otlp/?project=7", compression="none")

    assert sink.received[0].path == "/otlp/?project=7"
    assert "Content-Encoding" not in sink.received[0].headers


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_comes_back_later_when_the_backend_is_busy(sink: HttpSink, status: int) -> None:
    """The statuses that OTLP calls retryable are retried, after the delay that is asked for."""
    sink.next_answer(status, Retry_After="17")

    with pytest.raises(Retry, match=f"HTTP {status}") as caught:
        await send(batch({}), endpoint=sink.url)

    assert (caught.value.after, caught.value.advice) == (17.0, None)


@pytest.mark.parametrize("status", [400, 408, 413, 422, 500])
async def test_isolates_what_the_backend_calls_wrong(sink: HttpSink, status: int) -> None:
    """One bad span harms no other: the engine is asked to find it."""
    body = Status(code=3, message="span 7 has\nno name").SerializeToString()
    sink.next_answer(status, body, Content_Type=PROTOBUF)

    with pytest.raises(Reject) as caught:
        await send(batch({}), endpoint=sink.url)

    assert caught.value.isolate
    assert caught.value.reason == f"{sink.url}: HTTP {status}: span 7 has no name"


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 407, 415, 501])
async def test_keeps_spans_while_the_settings_are_wrong(sink: HttpSink, status: int) -> None:
    """What only a person can mend loses nothing, and says what to do."""
    sink.next_answer(status)

    with pytest.raises(Retry) as caught:
        await send(batch({}), endpoint=sink.url)

    assert caught.value.advice
    assert caught.value.scope == "exporter"


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("application/json", b'{"code": 3, "message": "too old"}', ": too old"),
        ("application/json", b'{"detail": "no such thing"}', ": no such thing"),
        ("application/json", b"[1]", ": [1]"),
        ("text/plain; charset=utf-8", b"oh\x1b[31m no", ": oh [31m no"),
        ("text/html", b"<html>", ": an HTML page, not an OTLP answer"),
        (PROTOBUF, b"\xff\xff", ""),
        ("image/png", b"\x89PNG", ""),
    ],
)
async def test_quotes_the_backend(
    sink: HttpSink, content_type: str, body: bytes, expected: str
) -> None:
    """The words of the backend are in the reason, in whatever form they come."""
    sink.next_answer(400, body, Content_Type=content_type)

    with pytest.raises(Reject) as caught:
        await send(batch({}), endpoint=sink.url)

    assert caught.value.reason == f"{sink.url}: HTTP 400{expected}"


@pytest.mark.parametrize("as_json", [False, True])
async def test_reports_a_partial_success(sink: HttpSink, as_json: bool) -> None:
    """Spans that the backend refused are logged and counted, and not sent again."""
    partial = ExportTraceServiceResponse()
    partial.partial_success.rejected_spans = 2
    partial.partial_success.error_message = "too long"
    if as_json:
        body = b'{"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too long"}}'
        sink.next_answer(200, body, Content_Type="application/json")
    else:
        sink.next_answer(200, partial.SerializeToString(), Content_Type=PROTOBUF)

    context = await send(batch({}), endpoint=sink.url)

    [(_, _, fields)] = context.logger.lines
    assert fields["rejected_spans"] == 2
    assert "too long" not in str(fields)  # it may quote a span
    assert context.meter.counts == {"partial_success_rejected_spans": 2}


@pytest.mark.parametrize("body", [b"", b"\xff\xfe not protobuf", b"{}"])
async def test_counts_a_success_that_cannot_be_read(sink: HttpSink, body: bytes) -> None:
    """Status 200 is a success whatever its body: sending again would make duplicates."""
    sink.next_answer(200, body, Content_Type=PROTOBUF)

    context = await send(batch({}), endpoint=sink.url)

    assert context.logger.lines == []
    assert len(sink.received) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, 'set endpoint, for example "http://backend:4318"'),
        ({"endpoint": "backend:4318"}, "endpoint: expected an address such as"),
        ({"traces_endpoint": "grpc://backend"}, "traces_endpoint: expected an address such as"),
        ({"endpoint": "http://b", "headers": {"a": "x\ny"}}, r"headers\.a: .* line breaks"),
        ({"endpoint": "http://b", "tls": {"cert_file": "a"}}, "cert_file and key_file"),
    ],
)
def test_refuses_settings_that_cannot_work(settings: dict[str, object], message: str) -> None:
    """The error names the key and shows an example."""
    with pytest.raises(ValueError, match=message):
        component(OtlpHttp, **settings)


async def test_stops_without_start_and_twice() -> None:
    """Stopping is always safe."""
    exporter = component(OtlpHttp, endpoint="http://127.0.0.1:1")
    await exporter.stop()
    await exporter.start(FakeContext())
    await exporter.stop()
    await exporter.stop()

    with pytest.raises(Retry, match="stopped"):
        await exporter.export(batch({}))
