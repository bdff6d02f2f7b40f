"""Whatever is sent, the receiver answers, keeps running, and keeps nothing."""

import gzip
import http.client
import json
import resource
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp.json import encode_request

Background = Any  # the fixture's types live in conftest, which cannot be imported
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
EXPECTED = {200, 400, 404, 405, 413, 415}
EXPECTED_CODES = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
FEW = settings(
    max_examples=500,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
MANY = settings(FEW, max_examples=10_000)
GROWTH_KIB = 64 * 1024

_SQUEEZE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
    "br": bytes,
    "": bytes,
}


def _valid() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "s"
    scope = group.scope_spans.add()
    for number in range(3):
        span = scope.spans.add(trace_id=b"\1" * 16, span_id=number.to_bytes(8), name="n")
        span.attributes.add(key="k").value.array_value.values.add().int_value = 5
        span.events.add(name="e")
    return request


VALID = _valid().SerializeToString()
VALID_JSON = encode_request(_valid())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid request with some bytes changed, cut or doubled."""
    data = bytearray(VALID)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data) - 1))
        data[at] = draw(st.integers(0, 255))
    cut = draw(st.integers(0, len(data)))
    return bytes(data[:cut] + data[: draw(st.integers(0, 30))])


@st.composite
def mutated_json(draw: st.DrawFn) -> bytes:
    """Return a valid request in JSON with one value replaced by any other."""
    root: Any = json.loads(json.dumps(VALID_JSON))
    at: Any = root
    while True:
        key = draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or draw(st.integers(0, 5)) == 0:
            break
        at = at[key]
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    at[key] = draw(st.recursive(plain, lambda v: st.lists(v, max_size=2), max_leaves=3))
    return json.dumps(root).encode()


bodies = st.one_of(st.binary(max_size=300), mutated(), mutated_json())
encodings = st.sampled_from(list(_SQUEEZE))
media = st.sampled_from(["application/x-protobuf", "application/json", "text/plain", ""])


@pytest.fixture(scope="module")
def send(background: Background) -> Iterator[Callable[[str, str, bytes, dict[str, str]], int]]:
    """Return how to send by HTTP on a connection that is kept."""
    host, _, port = background.endpoints["http"].rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)

    def request(method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    yield request
    connection.close()


@pytest.fixture(scope="module")
def grpc_call(background: Background) -> Iterator[Callable[[bytes], grpc.StatusCode]]:
    """Return how to send by gRPC on a connection that is kept."""
    channel: Any = grpc.insecure_channel(background.endpoints["grpc"])
    unary = channel.unary_unary(TRACES)

    def call(body: bytes) -> grpc.StatusCode:
        try:
            _, answer = unary.with_call(body, timeout=20)
        except grpc.RpcError as error:
            failed: Any = error  # also a call, which the stubs do not say
            code: grpc.StatusCode = failed.code()
            return code
        done: grpc.StatusCode = answer.code()
        return done

    yield call
    channel.close()


def check_http(send: Any, body: bytes, encoding: str, squeezed: bool, kind: str) -> None:
    """Send a body, compressed as it says or not, and check the answer."""
    data = _SQUEEZE[encoding](body) if squeezed else body
    headers = {"Content-Encoding": encoding, "Content-Type": kind}

    assert send("POST", "/v1/traces", data, headers) in EXPECTED


@FEW
@given(body=bodies, encoding=encodings, squeezed=st.booleans(), kind=media)
def test_http(send: Any, body: bytes, encoding: str, squeezed: bool, kind: str) -> None:
    """Any body in any encoding is taken or refused by the rules."""
    check_http(send, body, encoding, squeezed, kind)


@FEW
@given(
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    method=st.sampled_from(["GET", "POST", "PUT", "OPTIONS", "X"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30),
    name=st.sampled_from(
        ["Authorization", "Content-Type", "Expect2", "Origin", "Content-Encoding"]
    ),
)
def test_requests(send: Any, path: str, method: str, value: str, name: str) -> None:
    """Any path, method and header is answered."""
    assert send(method, "/" + path, b"", {name: value}) in EXPECTED


@FEW
@given(body=bodies, squeezed=st.sampled_from(["", "gzip", "deflate"]))
def test_grpc(grpc_call: Any, body: bytes, squeezed: str) -> None:
    """Any message is taken or refused by the rules."""
    assert grpc_call(_SQUEEZE[squeezed](body)) in EXPECTED_CODES


def test_nothing_is_left(background: Background, send: Any, grpc_call: Any) -> None:
    """After thousands of refused requests no room is taken, and nothing failed."""
    for _ in range(300):
        send("POST", "/v1/traces", b"\xff", {"Content-Type": "application/x-protobuf"})
        grpc_call(b"\xff")

    assert 0 == background.receiver._admission.bytes_in_flight
    assert {"request refused"} == {event for _, event, _ in background.log.events}


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_many(background: Background, send: Any, grpc_call: Any) -> None:
    """Ten thousand requests of each kind leave the memory as it was."""

    @MANY
    @given(body=bodies, encoding=encodings, squeezed=st.booleans(), kind=media)
    def by_http(body: bytes, encoding: str, squeezed: bool, kind: str) -> None:
        check_http(send, body, encoding, squeezed, kind)

    @MANY
    @given(body=bodies, squeezed=st.sampled_from(["", "gzip", "deflate"]))
    def by_grpc(body: bytes, squeezed: str) -> None:
        assert grpc_call(_SQUEEZE[squeezed](body)) in EXPECTED_CODES

    by_http()
    by_grpc()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    by_http()
    by_grpc()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert grown < (GROWTH_KIB if sys.platform == "linux" else GROWTH_KIB * 1024)
    assert {"request refused"} == {event for _, event, _ in background.log.events}
