"""What ``otlp_grpc`` promises, shown against a real gRPC server."""

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
import trustme
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration as DurationMessage
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # no stubs
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no stubs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from exporters.grpc_settings import parse_target
from exporters.otlp_grpc import OtlpGrpc
from gateway.plugin import Batch, ClientTlsConfig, Reject, Retry
from gateway.testing import batch, component
from tests.exporters.backends import FakeContext, GrpcSink, counting_relay, grpc_sink, http_sink

Code = grpc.StatusCode
FAKE_TOKEN = "Bearer not-a-" + "token"


@pytest.fixture
async def sink() -> AsyncIterator[GrpcSink]:
    """Run a backend."""
    async with grpc_sink() as running:
        yield running


async def send(exported: Batch, **settings: object) -> FakeContext:
    """Export one batch with an exporter of these settings."""
    exporter, context = component(OtlpGrpc, **settings), FakeContext()
    await exporter.start(context)
    try:
        await exporter.export(exported)
    finally:
        await exporter.stop()
    return context


def retry_info(seconds: float) -> tuple[tuple[str, bytes], ...]:
    """Return trailers that ask to wait."""
    delay = DurationMessage()
    delay.FromNanoseconds(int(seconds * 1e9))
    packed = AnyMessage()
    packed.Pack(RetryInfo(retry_delay=delay))
    return (("grpc-status-details-bin", Status(details=[packed]).SerializeToString()),)


async def test_sends_the_bytes_as_received(sink: GrpcSink) -> None:
    """A batch arrives byte for byte, with the configured headers as metadata."""
    traces = batch({"a": 1}, {"b": "two"})

    await send(
        traces,
        endpoint=f"http://127.0.0.1:{sink.port}",
        headers={"Authorization": FAKE_TOKEN + "\n"},
    )

    assert sink.received == [traces.encode()]
    assert sink.metadata[0]["authorization"] == FAKE_TOKEN
    assert str(sink.metadata[0]["user-agent"]).startswith("Spangate/")


@pytest.mark.parametrize(
    "code",
    [
        Code.CANCELLED,
        Code.DEADLINE_EXCEEDED,
        Code.ABORTED,
        Code.OUT_OF_RANGE,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    ],
)
async def test_comes_back_later(sink: GrpcSink, code: grpc.StatusCode) -> None:
    """The codes that OTLP calls retryable are retried; no delay asked for means back-off."""
    sink.answers.append((code, "not now", ()))

    with pytest.raises(Retry, match=f"{code.name}: not now") as caught:
        await send(batch({}), endpoint=f"127.0.0.1:{sink.port}")

    assert (caught.value.after, caught.value.advice) == (None, None)


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED])
async def test_waits_as_long_as_it_is_asked_to(sink: GrpcSink, code: grpc.StatusCode) -> None:
    """A ``RetryInfo`` sets the delay, and makes RESOURCE_EXHAUSTED worth another try."""
    sink.answers.append((code, "full", retry_info(2.5)))

    with pytest.raises(Retry) as caught:
        await send(batch({}), endpoint=f"127.0.0.1:{sink.port}")

    assert caught.value.after == 2.5


@pytest.mark.parametrize(
    "code", [Code.INVALID_ARGUMENT, Code.INTERNAL, Code.UNKNOWN, Code.RESOURCE_EXHAUSTED]
)
async def test_isolates_what_the_backend_calls_wrong(sink: GrpcSink, code: grpc.StatusCode) -> None:
    """One bad span harms no other; a request too large is made smaller the same way."""
    sink.answers.append((code, "bad span", ()))

    with pytest.raises(Reject, match=f"{code.name}: bad span") as caught:
        await send(batch({}), endpoint=f"127.0.0.1:{sink.port}")

    assert caught.value.isolate


@pytest.mark.parametrize("code", [Code.UNAUTHENTICATED, Code.PERMISSION_DENIED])
async def test_keeps_spans_while_the_settings_are_wrong(
    sink: GrpcSink, code: grpc.StatusCode
) -> None:
    """What only a person can mend loses nothing, and says what to do."""
    sink.answers.append((code, "", ()))

    with pytest.raises(Retry) as caught:
        await send(batch({}), endpoint=f"127.0.0.1:{sink.port}")

    assert "headers" in str(caught.value.advice)
    assert caught.value.scope == "exporter"


async def test_advises_where_the_server_takes_no_traces() -> None:
    """A gRPC server without the trace service parks with the endpoint as the suspect."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    with pytest.raises(Retry) as caught:
        await send(batch({}), endpoint=f"127.0.0.1:{port}")
    await server.stop(grace=0)

    assert "endpoint" in str(caught.value.advice)


async def test_retries_where_nothing_listens() -> None:
    """A refused connection names address and cause."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(Retry, match=rf"127.0.0.1:{port}: UNAVAILABLE.*refused"):
        await send(batch({}), endpoint=f"127.0.0.1:{port}")


async def test_retries_where_the_server_speaks_http_1() -> None:
    """An OTLP/HTTP port does not lose spans."""
    async with http_sink() as other:
        with pytest.raises(Retry):
            await send(batch({}), endpoint=other.url)


async def test_ends_a_silent_call_by_time_out() -> None:
    """A server that never answers costs ``timeout``."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Retry, match="DEADLINE_EXCEEDED"):
            await send(batch({}), endpoint=endpoint, timeout="100ms")


async def test_reports_a_partial_success(sink: GrpcSink) -> None:
    """Spans that the backend refused are logged and counted, and not sent again."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 3
    response.partial_success.error_message = "too long"
    sink.response = response.SerializeToString()

    context = await send(batch({}), endpoint=f"127.0.0.1:{sink.port}")

    [(_, _, fields)] = context.logger.lines
    assert fields["rejected_spans"] == 3
    assert "too long" not in str(fields)  # it may quote a span
    assert context.meter.counts == {"partial_success_rejected_spans": 3}


async def test_counts_a_success_that_cannot_be_read(sink: GrpcSink) -> None:
    """OK is a success whatever its message."""
    sink.response = b"\xff\xff"

    await send(batch({}), endpoint=f"127.0.0.1:{sink.port}")

    assert len(sink.received) == 1


async def test_reconnects_after_the_backend_was_away() -> None:
    """The same exporter delivers to a backend that comes back on its port."""
    async with grpc_sink() as first:
        exporter = component(OtlpGrpc, endpoint=f"127.0.0.1:{first.port}")
        await exporter.start(FakeContext())
        await exporter.export(batch({}))
    async with grpc_sink(port=first.port) as second:
        while not second.received:
            with contextlib.suppress(Retry):
                await exporter.export(batch({}))
    await exporter.stop()

    assert len(second.received) == 1


async def test_compresses_as_configured(sink: GrpcSink) -> None:
    """A large batch arrives whole either way; with gzip far fewer bytes cross the wire."""
    traces = batch(*({"text": "lorem ipsum " * 100} for _ in range(200)))

    sizes = {}
    for compression in ("gzip", "none"):
        async with counting_relay(sink.port) as relay:
            await send(traces, endpoint=f"127.0.0.1:{relay.port}", compression=compression)
        sizes[compression] = relay.bytes_in

    assert sink.received == [traces.encode()] * 2
    assert sizes["none"] > len(traces.encode())
    assert sizes["gzip"] < len(traces.encode()) / 5


class Authority:
    """An authority, what a server of its needs, and the files that a client needs."""

    def __init__(self, name: str) -> None:
        self._own = trustme.CA()
        served = self._own.issue_cert(name)
        pair = (served.private_key_pem.bytes(), served.cert_chain_pems[0].bytes())
        self.credentials = grpc.ssl_server_credentials(
            [pair], self._own.cert_pem.bytes(), require_client_auth=True
        )

    def write(self, folder: Path) -> dict[str, str]:
        """Write a client's files and return the settings that name them."""
        ours = self._own.issue_cert("gateway")
        self._own.cert_pem.write_to_path(folder / "ca_file")
        ours.cert_chain_pems[0].write_to_path(folder / "cert_file")
        ours.private_key_pem.write_to_path(folder / "key_file")
        return {name: str(folder / name) for name in ("ca_file", "cert_file", "key_file")}


async def test_checks_certificates(tmp_path: Path) -> None:
    """An unknown authority parks with advice; with ``ca_file`` and ours, mutual TLS works."""
    authority = Authority("127.0.0.1")

    async with grpc_sink(authority.credentials) as sink:
        endpoint = f"https://127.0.0.1:{sink.port}"
        with pytest.raises(Retry) as caught:
            await send(batch({}), endpoint=endpoint)
        await send(batch({}), endpoint=endpoint, tls=authority.write(tmp_path))

    assert "tls.ca_file" in str(caught.value.advice)
    assert caught.value.scope == "exporter"
    assert len(sink.received) == 1


async def test_asks_for_another_name(tmp_path: Path) -> None:
    """The certificate may name something else than the address, where that is said."""
    authority = Authority("gateways.example")
    tls = authority.write(tmp_path)

    async with grpc_sink(authority.credentials) as sink:
        endpoint = f"127.0.0.1:{sink.port}"
        with pytest.raises(Retry):
            await send(batch({}), endpoint=endpoint, tls=tls)
        await send(
            batch({}), endpoint=endpoint, tls={**tls, "server_name_override": "gateways.example"}
        )

    assert 1 == len(sink.received)


async def test_uses_certificates_that_were_renewed(tmp_path: Path) -> None:
    """New files are read once the old ones fail; broken ones are named."""
    before, now = Authority("127.0.0.1"), Authority("127.0.0.1")
    async with grpc_sink(now.credentials) as sink:
        endpoint = f"127.0.0.1:{sink.port}"
        exporter = component(OtlpGrpc, endpoint=endpoint, tls=before.write(tmp_path))
        await exporter.start(FakeContext())
        said = []
        for change in (lambda: None, (tmp_path / "ca_file").unlink, lambda: now.write(tmp_path)):
            change()
            with pytest.raises(Retry) as caught:
                await exporter.export(batch({}))
            said.append(caught.value.reason)
        await exporter.export(batch({}))
        await exporter.stop()

    assert "handshake failed" in said[0]
    assert f"tls.ca_file: cannot read {tmp_path / 'ca_file'}" in said[1]
    assert 1 == len(sink.received)


async def test_advises_where_the_server_speaks_no_tls(sink: GrpcSink) -> None:
    """TLS towards a plain port parks with the setting to change."""
    with pytest.raises(Retry) as caught:
        await send(batch({}), endpoint=f"https://127.0.0.1:{sink.port}")

    assert "tls.insecure" in str(caught.value.advice)


@pytest.mark.parametrize(
    ("endpoint", "insecure", "address", "tls"),
    [
        ("backend:4317", False, "backend:4317", True),
        ("backend:4317", True, "backend:4317", False),
        ("http://backend:4317", False, "backend:4317", False),
        ("https://backend:4317/", False, "backend:4317", True),
        ("dns:///backend:4317", False, "backend:4317", True),
        ("localhost:4317", False, "localhost:4317", False),
        ("[::1]:4317", False, "[::1]:4317", False),
        ("https://127.0.0.1:4317", False, "127.0.0.1:4317", True),
    ],
)
def test_reads_the_endpoint_as_the_collector(
    endpoint: str, insecure: bool, address: str, tls: bool
) -> None:
    """Without a scheme it is TLS, but for ``insecure`` and this machine's loopback."""
    assert parse_target(endpoint, ClientTlsConfig(insecure=insecure)) == (address, tls)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, 'set endpoint, for example "backend:4317"'),
        ({"endpoint": "backend"}, r"endpoint: expected host:port.*found \"backend\""),
        ({"endpoint": "http://user:secret@b:1"}, 'found "b:1"'),
        ({"endpoint": "http://b:4317/v1/traces"}, "endpoint: expected host:port"),
        ({"endpoint": "ftp://b:1"}, "the scheme must be http or https"),
        ({"endpoint": "https://b:1", "tls": {"insecure": True}}, "contradicts the https"),
        ({"endpoint": "b:1", "tls": {"insecure_skip_verify": True}}, "gRPC cannot skip the check"),
        ({"endpoint": "b:1", "headers": {"a b": "x"}}, r"headers\.a b: .* name"),
        ({"endpoint": "b:1", "headers": {"a": "é"}}, r"headers\.a: .* ASCII"),
    ],
)
def test_refuses_settings_that_cannot_work(settings: dict[str, object], message: str) -> None:
    """The error names the key and what it should be."""
    with pytest.raises(ValueError, match=message):
        component(OtlpGrpc, **settings)


async def test_stops_without_start_and_twice() -> None:
    """Stopping is always safe."""
    exporter = component(OtlpGrpc, endpoint="127.0.0.1:1")
    await exporter.stop()
    await exporter.start(FakeContext())
    await exporter.stop()
    await exporter.stop()

    with pytest.raises(Retry, match="stopped"):
        await exporter.export(batch({}))
