"""What `helm test` runs: send a trace to the gateway, and find it in MLflow."""

import base64
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.request

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
TIMEOUT_S = float(os.environ.get("TIMEOUT_S", "60"))
POLL_S = 1.0
web = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def say(what: str) -> None:
    """Write a line at once, so that `helm test --logs` shows it."""
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


def request(trace_id: bytes, span_id: bytes, parent_id: bytes, name: str) -> bytes:
    """Return an encoded request with one span."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    service = resource.resource.attributes.add(key="service.name")
    service.value.string_value = "helm-test"
    now = time.time_ns()
    resource.scope_spans.add().spans.add(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent_id,
        name=name,
        kind=1,
        start_time_unix_nano=now - 1_000_000,
        end_time_unix_nano=now,
    )
    return message.SerializeToString()


def credentials() -> dict[str, str]:
    """Return the headers that show the tenant to the gateway."""
    path = os.environ.get("TENANT_TOKENS_FILE")
    if not path:
        return {}
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {"x-api-key": tokens[0]}


def mlflow_credentials() -> dict[str, str]:
    """Return the headers that MLflow wants."""
    if path := os.environ.get("MLFLOW_TOKEN_FILE"):
        return {"Authorization": f"Bearer {pathlib.Path(path).read_text(encoding='utf-8').strip()}"}
    if user := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        pair = f"{user}:{os.environ['MLFLOW_TRACKING_PASSWORD']}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def send(transport: str, body: bytes) -> None:
    """Send a request over one of the protocols."""
    if transport == "GRPC":
        with grpc.insecure_channel(os.environ["GATEWAY_GRPC"]) as channel:
            export = channel.unary_unary(
                METHOD, request_serializer=None, response_deserializer=None
            )
            export(
                body, timeout=TIMEOUT_S, metadata=tuple(credentials().items()), wait_for_ready=True
            )
        return
    headers = {"Content-Type": "application/x-protobuf"} | credentials()
    url = f"http://{os.environ['GATEWAY_HTTP']}/v1/traces"
    asked = urllib.request.Request(url, body, headers)
    web.open(asked, timeout=TIMEOUT_S).close()


def spans_in_mlflow(trace_id: bytes) -> set[str]:
    """Return the names of the trace's spans that MLflow shows."""
    base = os.environ["MLFLOW_TRACKING_URI"].rstrip("/")
    url = f"{base}/api/3.0/mlflow/traces/get?trace_id=tr-{trace_id.hex()}"
    try:
        headers = mlflow_credentials()
        asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - the chart's address
        with web.open(asked, timeout=10) as answer:
            return {span["name"] for span in json.load(answer)["trace"].get("spans", [])}
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return set()
        raise


def main() -> str:
    """Return what is wrong; empty where all is well."""
    trace_id, parent_id = os.urandom(16), b""
    expected = set()
    for transport in ("GRPC", "HTTP"):
        if f"GATEWAY_{transport}" in os.environ:
            span_id, name = os.urandom(8), f"helm test over {transport}"
            try:
                send(transport, request(trace_id, span_id, parent_id, name))
            except (OSError, grpc.RpcError) as error:
                return f"the gateway did not take the span sent over {transport}: {error}"
            say(f"sent over {transport}, trace {trace_id.hex()}")
            expected.add(name)
            parent_id = parent_id or span_id
    found: set[str] = set()
    problem = "has a sampler dropped it, or does it wait? `spangate why` and /status.json say"
    deadline = time.monotonic() + TIMEOUT_S
    while found != expected:
        if time.monotonic() > deadline:
            return f"found {sorted(found)} of {sorted(expected)} in MLflow: {problem}"
        try:
            found = spans_in_mlflow(trace_id)
        except (OSError, ValueError) as error:
            problem = f"reading it back failed: {error}"
        time.sleep(POLL_S)
    say(f"MLflow shows the trace: {sorted(found)}")
    return ""


if __name__ == "__main__":
    sys.exit(main() or None)
