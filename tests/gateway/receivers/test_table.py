"""The table of answers: what a sender sees, row by row, over gRPC and over HTTP."""

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import grpc
import pytest
import zstandard
from google.rpc import status_pb2  # type: ignore[import-untyped] # no stubs
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.errors import Busy, Flow, Forbidden, Reject, Retry, TooLarge
from gateway.otlp.json import encode_request

Code = grpc.StatusCode
PROTOBUF = "application/x-protobuf"
JSON = "application/json"
METRICS = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
LOGS = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"


Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """Return a request as OTLP JSON."""
    return json.dumps(encode_request(request)).encode()


def status_of(answer: Any) -> Any:
    """Return the Status in an answer, in whichever encoding it says to have."""
    if answer.headers["Content-Type"] == PROTOBUF:
        return status_pb2.Status.FromString(answer.body)
    assert answer.headers["Content-Type"].startswith(JSON)
    return json.loads(answer.body)


@pytest.mark.parametrize("spans", [0, 3])
async def test_accepted(serve: Serve, make_request: Make, spans: int) -> None:
    """An accepted request, also without spans, is answered with an empty message."""
    served = await serve()
    request = make_request(*"abc"[:spans])
    body = request.SerializeToString()

    in_protobuf = await served.send(body)
    in_json = await served.send(as_json(request), media=JSON)
    by_grpc = await served.call(body)

    assert (200, PROTOBUF, b"") == (
        in_protobuf.status,
        in_protobuf.headers["Content-Type"],
        in_protobuf.body,
    )
    assert (200, b"{}") == (in_json.status, in_json.body)
    assert in_json.headers["Content-Type"].startswith(JSON)
    assert (Code.OK, b"") == (by_grpc.code, by_grpc.body)
    assert ["a", "b", "c"][:spans] * 3 == served.engine.names


async def test_no_delivery_without_spans(serve: Serve, make_request: Make) -> None:
    """A request without spans is not handed to the engine."""
    served = await serve()

    await served.send(make_request().SerializeToString())

    assert [] == served.engine.batches


async def test_partial_success(serve: Serve, make_request: Make) -> None:
    """Single invalid spans are refused with count and reason, the others delivered."""
    served = await serve()
    request = make_request("good", "bad")
    request.resource_spans[0].scope_spans[0].spans[1].trace_id = b"\1" * 20
    reason = 'span "bad": trace_id has 20 bytes, expected 16'

    in_protobuf = await served.send(request.SerializeToString())
    in_json = await served.send(as_json(request), media=JSON)
    by_grpc = await served.call(request.SerializeToString())

    for body in (in_protobuf.body, by_grpc.body):
        partial = ExportTraceServiceResponse.FromString(body).partial_success
        assert (1, reason) == (partial.rejected_spans, partial.error_message)
    assert {"partialSuccess": {"rejectedSpans": "1", "errorMessage": reason}} == json.loads(
        in_json.body
    )
    assert (200, 200, Code.OK) == (in_protobuf.status, in_json.status, by_grpc.code)
    assert ["good"] * 3 == served.engine.names


async def test_all_spans_invalid(serve: Serve, make_request: Make) -> None:
    """A request of which every span is invalid is still a partial success."""
    served = await serve()
    request = make_request("bad")
    request.resource_spans[0].scope_spans[0].spans[0].span_id = bytes(8)

    answer = await served.send(request.SerializeToString())

    partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    assert (200, 1, 'span "bad": span_id is all zero') == (
        answer.status,
        partial.rejected_spans,
        partial.error_message,
    )
    assert [] == served.engine.batches


@pytest.mark.parametrize(
    ("body", "media", "encoding"),
    [
        (b"\xff\xff\xff", PROTOBUF, ""),
        (b"\x0a\x05ab", PROTOBUF, ""),
        (b"{", JSON, ""),
        (b"[]", JSON, ""),
        (b"", JSON, ""),
        (b'{"resourceSpans": {}}', JSON, ""),
        (b"no gzip", PROTOBUF, "gzip"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-3], PROTOBUF, "gzip"),
        (gzip.compress(b"", mtime=0) + b"tail", PROTOBUF, "gzip"),
        (b"no zlib", PROTOBUF, "deflate"),
        (b"no zstd", PROTOBUF, "zstd"),
        (zstandard.compress(b"x" * 1000)[:-3], PROTOBUF, "zstd"),
    ],
)
async def test_malformed_http(serve: Serve, body: bytes, media: str, encoding: str) -> None:
    """A body that cannot be read is answered 400, in the encoding of the request."""
    served = await serve()

    answer = await served.send(body, {"Content-Encoding": encoding}, media=media)

    assert 400 == answer.status
    assert answer.headers["Content-Type"].startswith(media)
    status = status_of(answer)
    assert 3 == (status["code"] if media == JSON else status.code)


@pytest.mark.parametrize(
    "body", [b"\xff\xff\xff", b"\x0a\x05ab", gzip.compress(b"x", mtime=0)[:-3]]
)
async def test_malformed_grpc(serve: Serve, body: bytes) -> None:
    """A message that cannot be read is answered INVALID_ARGUMENT."""
    served = await serve()

    assert Code.INVALID_ARGUMENT == (await served.call(body)).code


async def test_too_large(serve: Serve, make_request: Make) -> None:
    """A body over the cap is 413 / RESOURCE_EXHAUSTED without a delay: it will never fit."""
    served = await serve(
        grpc={"max_recv_msg_size_mib": 0.25}, http={"max_request_body_size_mib": 0.25}
    )
    body = make_request("a", size=300_000).SerializeToString()

    plain = await served.send(body)
    by_grpc = await served.call(body)

    assert (413, 8) == (plain.status, status_of(plain).code)
    assert "Retry-After" not in plain.headers
    assert (Code.RESOURCE_EXHAUSTED, None) == (by_grpc.code, by_grpc.delay_s)


async def test_too_large_chunked(serve: Serve) -> None:
    """A body that does not say its size is measured as it arrives."""
    served = await serve(http={"max_request_body_size_mib": 0.25})

    async def pieces() -> Any:
        for _ in range(40):
            yield b"x" * 10_000

    assert 413 == (await served.send(pieces())).status


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)],
)
async def test_bomb_http(serve: Serve, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """A small body that grows over the cap is 413."""
    served = await serve(http={"max_request_body_size_mib": 0.25})

    answer = await served.send(compress(bytes(10_000_000)), {"Content-Encoding": encoding})

    assert 413 == answer.status


async def test_bomb_grpc(serve: Serve) -> None:
    """A small message that grows over the cap is RESOURCE_EXHAUSTED without a delay."""
    served = await serve(grpc={"max_recv_msg_size_mib": 0.25})

    answer = await served.call(bytes(10_000_000), compression=grpc.Compression.Gzip)

    assert (Code.RESOURCE_EXHAUSTED, None) == (answer.code, answer.delay_s)


@pytest.mark.parametrize("media", [None, "text/plain", "application/protobuf", "application"])
async def test_unknown_content_type(serve: Serve, make_request: Make, media: str | None) -> None:
    """Another content type is 415, with a Status in JSON."""
    served = await serve()

    answer = await served.send(make_request("a").SerializeToString(), media=media)

    assert (415, 3) == (answer.status, status_of(answer)["code"])


@pytest.mark.parametrize("encoding", ["br", "snappy", "gzip, gzip", "x"])
async def test_unknown_content_encoding(serve: Serve, make_request: Make, encoding: str) -> None:
    """An unknown or stacked compression is 415."""
    served = await serve()

    answer = await served.send(
        make_request("a").SerializeToString(), {"Content-Encoding": encoding}
    )

    assert (415, 3) == (answer.status, status_of(answer).code)


@pytest.mark.parametrize("media", ["APPLICATION/X-Protobuf", "application/x-protobuf; a=b"])
async def test_content_type_is_lenient(serve: Serve, make_request: Make, media: str) -> None:
    """Case and parameters of the content type do not matter."""
    served = await serve()

    assert 200 == (await served.send(make_request("a").SerializeToString(), media=media)).status


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("GZip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:9]) + gzip.compress(data[9:])),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("zlib", zlib.compress),
        ("zstd", zstandard.compress),
    ],
)
@pytest.mark.parametrize("size", [10, 400_000])
async def test_compressions_http(
    serve: Serve,
    make_request: Make,
    encoding: str,
    compress: Callable[[bytes], bytes],
    size: int,
) -> None:
    """Every supported compression is read, on the loop and on a thread."""
    served = await serve()
    request = make_request("a", size=size)

    answer = await served.send(
        compress(request.SerializeToString()), {"Content-Encoding": encoding}
    )

    assert (200, request) == (answer.status, served.engine.request)


@pytest.mark.parametrize("compression", list(grpc.Compression))
@pytest.mark.parametrize("size", [10, 400_000])
async def test_compressions_grpc(
    serve: Serve, make_request: Make, compression: grpc.Compression, size: int
) -> None:
    """What grpcio compresses is read."""
    served = await serve()
    request = make_request("a", size=size)

    answer = await served.call(request.SerializeToString(), compression=compression)

    assert (Code.OK, request) == (answer.code, served.engine.request)


async def test_unknown_path(serve: Serve, make_request: Make) -> None:
    """Another path is 404 and another method UNIMPLEMENTED."""
    served = await serve()
    body = make_request("a").SerializeToString()

    answer = await served.send(body, path="/v1/trace")

    assert (404, 12) == (answer.status, status_of(answer).code)
    assert Code.UNIMPLEMENTED == (await served.call(body, method="/some.Service/Export")).code


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS"])
async def test_unknown_method(serve: Serve, method: str) -> None:
    """Another HTTP method is 405 and says which is allowed."""
    served = await serve()

    answer = await served.send(b"", method=method, media=None)

    assert (405, "POST", 12) == (
        answer.status,
        answer.headers["Allow"],
        status_of(answer)["code"],
    )


async def test_own_paths(serve: Serve, make_request: Make) -> None:
    """``traces_url_paths`` replaces the path; a query is ignored."""
    served = await serve(http={"traces_url_paths": ["/api/otel", "/v2/traces"]})
    body = make_request("a").SerializeToString()

    assert 200 == (await served.send(body, path="/api/otel?x=1")).status
    assert 200 == (await served.send(body, path="/v2/traces")).status
    assert 404 == (await served.send(body, path="/v1/traces")).status


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"x-api-key": "no"}])
async def test_wrong_credentials(serve: Serve, make_request: Make, headers: dict[str, str]) -> None:
    """No or wrong credentials are 401 with a challenge, UNAUTHENTICATED over gRPC."""
    served = await serve(auth={"tenants": [{"name": "a", "tokens": ["fake-" + "token"]}]})
    body = make_request("a").SerializeToString()

    answer = await served.send(body, headers)
    by_grpc = await served.call(body, tuple((k.lower(), v) for k, v in headers.items()))

    assert (401, 'Bearer realm="spangate"', 16) == (
        answer.status,
        answer.headers["WWW-Authenticate"],
        status_of(answer).code,
    )
    assert Code.UNAUTHENTICATED == by_grpc.code
    assert [] == served.engine.batches


async def test_wrong_credentials_and_content_type(serve: Serve) -> None:
    """Credentials are checked before the content type, and the answer is JSON then."""
    served = await serve(auth={"tenants": [{"name": "a", "tokens": ["fake-" + "token"]}]})

    answer = await served.send(b"", media="text/plain")

    assert (401, 16) == (answer.status, status_of(answer)["code"])


@pytest.mark.parametrize(
    ("error", "http", "by_grpc"),
    [
        (Forbidden("not yours"), (403, None), (Code.PERMISSION_DENIED, None)),
        (Busy("queue full", 1.5), (429, "2"), (Code.RESOURCE_EXHAUSTED, 1.5)),
        (Busy("soon", 0.01), (429, "1"), (Code.RESOURCE_EXHAUSTED, 0.01)),
        (Busy("at once", 0), (429, "1"), (Code.RESOURCE_EXHAUSTED, 1.0)),
        (Retry("disk failing", 30), (503, "30"), (Code.UNAVAILABLE, 30.0)),
        (Retry("away"), (503, "1"), (Code.UNAVAILABLE, 1.0)),
        (Reject("no"), (400, None), (Code.INVALID_ARGUMENT, None)),
        (TooLarge("never fits"), (413, None), (Code.RESOURCE_EXHAUSTED, None)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Flow) else None,
)
async def test_flow(
    serve: Serve,
    make_request: Make,
    error: Flow,
    http: tuple[int, str | None],
    by_grpc: tuple[grpc.StatusCode, float | None],
) -> None:
    """What engine and processors say reaches the sender, with a delay where it may come back."""
    served = await serve()
    served.engine.error = error
    request = make_request("a")

    in_protobuf = await served.send(request.SerializeToString())
    in_json = await served.send(as_json(request), media=JSON)
    called = await served.call(request.SerializeToString())

    assert http == (in_protobuf.status, in_protobuf.headers.get("Retry-After"))
    assert http == (in_json.status, in_json.headers.get("Retry-After"))
    code, delay_s = by_grpc
    status = status_of(in_protobuf)
    assert (code.value[0], error.reason) == (status.code, status.message)
    assert (code.value[0], error.reason) == (
        status_of(in_json)["code"],
        status_of(in_json)["message"],
    )
    assert (delay_s is not None) == bool(status.details) == ("details" in status_of(in_json))
    assert (code, error.reason, delay_s) == (called.code, called.message, called.delay_s)


@pytest.mark.parametrize(("path", "method"), [("/v1/metrics", METRICS), ("/v1/logs", LOGS)])
async def test_other_signals(serve: Serve, path: str, method: str) -> None:
    """Metrics and logs are refused with advice, or taken and thrown away."""
    refusing = await serve()
    discarding = await serve(other_signals="discard")

    refused = await refusing.send(b"anything", path=path)
    refused_by_grpc = await refusing.call(b"anything", method=method)
    taken = await discarding.send(b"anything", path=path)
    taken_by_grpc = await discarding.call(b"anything", method=method)

    assert (404, Code.UNIMPLEMENTED) == (refused.status, refused_by_grpc.code)
    assert "other_signals" in status_of(refused).message
    assert "other_signals" in refused_by_grpc.message
    assert (200, b"", Code.OK, b"") == (
        taken.status,
        taken.body,
        taken_by_grpc.code,
        taken_by_grpc.body,
    )
    assert [] == discarding.engine.batches


async def test_stopping(serve: Serve, make_request: Make) -> None:
    """While stopping, requests on old and new connections are 503 / UNAVAILABLE with a delay."""
    served = await serve()
    body = make_request("a").SerializeToString()
    await served.send(body)
    channel: Any  # the stubs want serializers
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        await call(body)
        await served.receiver.refuse()

        answers = [await served.send(body), await served.send(body)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(body)

    for answer in answers:
        assert (503, "5", 14) == (
            answer.status,
            answer.headers["Retry-After"],
            status_of(answer).code,
        )
    assert Code.UNAVAILABLE == caught.value.code()
    assert "grpc-status-details-bin" in str(caught.value.trailing_metadata())
