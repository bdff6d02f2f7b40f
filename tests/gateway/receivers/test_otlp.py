"""How the receiver starts, what it says of itself, and what it hands over."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import BatchContext
from gateway.config.types import from_yaml
from gateway.errors import Reject
from gateway.receivers.config import OtlpConfig
from gateway.receivers.otlp import OtlpReceiver
from gateway.telemetry import metrics
from gateway.testing import component
from gateway.workers.ports import Ports

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported


def settings(value: dict[str, Any]) -> OtlpConfig:
    """Return settings as YAML would hold them, checked."""
    config = msgspec.convert(value, OtlpConfig, dec_hook=from_yaml)
    config.validate()
    return config


@pytest.fixture
def taken() -> Iterator[str]:
    """Return an address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        yield f"127.0.0.1:{holder.getsockname()[1]}"


def test_protocols_are_on_by_their_keys() -> None:
    """A protocol is on where its key is present, even without a value; without any, both are."""
    only_http = settings({"protocols": {"http": None}})
    both = settings({})

    assert (None, "127.0.0.1:4318") == (only_http.grpc, only_http.http and only_http.http.endpoint)
    assert both.grpc is not None
    assert both.http is not None
    with pytest.raises(ValueError, match="at least one protocol"):
        settings({"protocols": {}}).protocols.validate()


def test_client_certificates_need_an_authority() -> None:
    """A tenant by certificate is a mistake where nobody asks for certificates."""
    with pytest.raises(ValueError, match="client_ca_file"):
        settings({"auth": {"tenants": [{"name": "a", "client_cert": "a*"}]}})


def test_in_flight_must_hold_a_request() -> None:
    """A budget that the largest request does not fit in is a mistake."""
    with pytest.raises(ValueError, match="max_in_flight_mib must be at least 128"):
        settings({"max_in_flight_mib": 100})


@pytest.mark.parametrize(
    ("protocol", "value", "message"),
    [
        ("grpc", {"endpoint": "4317"}, "host:port"),
        ("grpc", {"max_recv_msg_size_mib": 0}, "above 0"),
        ("grpc", {"read_timeout": "0s"}, "above 0s"),
        ("grpc", {"tls": {"cert_file": "c", "key_file": "k", "min_version": "1.3"}}, "only 1.2"),
        ("http", {"traces_url_paths": []}, "at least one path"),
        ("http", {"traces_url_paths": ["v1/traces"]}, "begin with a slash"),
        ("http", {"idle_timeout": "0s"}, "above 0s"),
    ],
)
def test_mistakes_in_a_protocol(protocol: str, value: dict[str, Any], message: str) -> None:
    """Values that cannot work are refused with what would."""
    config = settings({"protocols": {protocol: value}})

    with pytest.raises(ValueError, match=message):
        (config.grpc or config.http or config).validate()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_taken_port(serve: Serve, taken: str, protocol: str) -> None:
    """A taken port is an error that names the setting, the address and a way out."""
    with pytest.raises(OSError, match="Address already in use") as caught:
        await serve(**{protocol: {"endpoint": taken}})

    message = str(caught.value)
    assert message.startswith(f"receivers.otlp.protocols.{protocol}.endpoint: cannot listen on")
    assert taken in message
    assert f"--set receivers.otlp.protocols.{protocol}.endpoint=127.0.0.1:" in message


@pytest.mark.skipif(sys.platform == "win32", reason="Windows shares no ports")
async def test_shared_ports(serve: Serve, make_request: Make) -> None:
    """Worker processes share the addresses that their supervisor keeps for them."""
    ports = Ports()

    async def reserve(where: str, host: str, port: int) -> int:
        return ports.reserve(where, host, port)

    first = await serve(reserve=reserve)
    second = await serve(reserve=reserve)
    await first.receiver.stop()
    await second.send(make_request("a").SerializeToString())
    ports.close()

    assert ["a"] == second.engine.names


@pytest.mark.parametrize("protocol", ["grpc", "http"])
@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_address_of_others(serve: Serve, protocol: str, host: str) -> None:
    """An address that is not this machine's is an error that says so, and names one that is."""
    with pytest.raises(OSError, match=r"name an address of this machine.*=127\.0\.0\.1:1234$"):
        await serve(**{protocol: {"endpoint": f"{host}:1234"}})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", ""])
async def test_endpoints_are_real(serve: Serve, make_request: Make, host: str) -> None:
    """Port 0 is answered with the port that was chosen; every kind of host works."""
    served = await serve(grpc={"endpoint": f"{host}:0"}, http={"endpoint": f"{host}:0"})
    body = make_request("a").SerializeToString()

    await served.send(body)
    await served.call(body)

    assert {"grpc", "http"} == set(served.receiver.endpoints())
    assert ["a", "a"] == served.engine.names


@pytest.mark.parametrize(
    ("host", "auth", "warnings"),
    [
        ("127.0.0.1", {}, 0),
        ("localhost", {}, 0),
        ("0.0.0.0", {}, 1),
        ("0.0.0.0", {"tenants": [{"name": "a", "tokens": ["fake-" + "token"]}]}, 0),
    ],
)
async def test_open_to_the_network(
    serve: Serve, host: str, auth: dict[str, Any], warnings: int
) -> None:
    """Endpoints that anybody can reach without credentials are warned of, once."""
    served = await serve(grpc={"endpoint": f"{host}:0"}, http={"endpoint": f"{host}:0"}, auth=auth)

    assert warnings == len([event for level, event, _ in served.log.events if level == "warning"])


async def test_context_of_a_batch(serve: Serve, make_request: Make) -> None:
    """A batch says where it comes from, with the routing headers and no other ones."""
    served = await serve()
    body = make_request("a").SerializeToString()
    headers = {
        "X-MLflow-Experiment-Id": " 7 ",
        "x-mlflow-run-id": "",
        "X-MLFLOW-WORKSPACE": "ws",
        "x-mlflow-other": "no",
        "Authorization": "Bearer " + "fake",
    }

    await served.send(body, headers)
    await served.call(body, tuple((key.lower(), value) for key, value in headers.items()))

    by_http, by_grpc = (batch.context for batch in served.engine.batches)
    routing = (("x-mlflow-experiment-id", "7"), ("x-mlflow-workspace", "ws"))
    assert abs(by_http.received_unix_ns - time.time_ns()) < 60e9
    assert (
        BatchContext(
            headers=routing,
            receiver="otlp",
            transport="http",
            peer="127.0.0.1",
            received_unix_ns=by_http.received_unix_ns,
        )
        == by_http
    )
    assert (routing, "grpc", "127.0.0.1") == (by_grpc.headers, by_grpc.transport, by_grpc.peer)


async def test_refused_spans_are_counted(serve: Serve, make_request: Make) -> None:
    """Refused spans are counted by reason: all of a request, or one where it is unreadable."""
    served = await serve()
    request = make_request("a", "b", "c")
    request.resource_spans[0].scope_spans[0].spans[0].trace_id = b"short"

    def counted(reason: str) -> float:
        labels = {"receiver": "otlp", "transport": "http", "reason": reason}
        name = "spangate_receiver_refused_spans_total"
        return metrics.REGISTRY.get_sample_value(name, labels) or 0

    before = {reason: counted(reason) for reason in ("malformed", "invalid_span", "rejected")}
    await served.send(b"\xff")
    await served.send(request.SerializeToString())
    served.engine.error = Reject("no")
    await served.send(request.SerializeToString())

    assert {"malformed": 1, "invalid_span": 1, "rejected": 2} == {
        reason: counted(reason) - before[reason] for reason in before
    }


async def test_stopping_is_safe(serve: Serve) -> None:
    """Stopping is safe without a start, twice, and frees the addresses."""
    await component(OtlpReceiver).stop()
    served = await serve()
    endpoints = served.receiver.endpoints()
    await served.receiver.refuse()
    await served.receiver.stop()
    await served.receiver.stop()

    for address in endpoints.values():
        host, _, port = address.rpartition(":")
        with socket.create_server((host, int(port))):
            pass
