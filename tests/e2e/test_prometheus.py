"""What a real Prometheus sees of a real gateway: figures that move, and alerts that fire."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.otlp.values import Value
from gateway.telemetry import metrics
from gateway.testing import FakeMlflow, batch
from tests.e2e.prometheus import PROMETHEUS, Server, prometheus, rules, until
from tests.gateway.plugins_for_tests import Keep
from tests.gateway.running import Gateway, gateway

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed"),
]
ROOT = Path(__file__).parents[2]
HERE = "tests.gateway.plugins_for_tests"
QUIET = {"SpangateDown", "SpangateQueueAgeing", "SpangateSpansLeftOnVolume"}
"""Alerts that need ten minutes, or a gateway that is gone; promtool lets them fire."""
SLOW = {"SpangateCostSpike", "SpangateCallsSlow", "SpangateCallsSlowFast"}
"""Alerts that need hours of figures."""
NOT_OURS = {"SpangateVolumeFilling"}
OF_THE_SUPERVISOR = {"spangate_config_last_reload_successful", "SpangateReloadFailed"}
"""A gauge and its alert; no supervisor is here, ``tests/e2e/runbook`` has both."""


def config(mlflow: str, folder: Path) -> str:
    """Return a gateway with a good pipeline, and others for each kind of trouble."""
    quick = "batch: {flush_timeout: 10ms}, retry_on_failure: {initial_interval: 100ms}"
    return f"""
receivers:
  otlp/broken: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
  otlp/busy: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
  otlp/tail: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
  otlp/lossy: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}
  otlp/tls:
    protocols:
      http:
        endpoint: 127.0.0.1:0
        tls: {{cert_file: {folder}/cert.pem, key_file: {folder}/key.pem}}
processors:
  memory_limiter: {{}}
  redaction: {{}}
  mlflow_mapping: {{}}
  cost: {{reported: compare}}
  broken: {{use: "{HERE}:Say", what: crash}}
  tail_sampling:
    decision_wait: 5s
    num_traces: 1
    policies: [{{name: errors, type: status_code, status_code: {{status_codes: [ERROR]}}}}]
  busy: {{use: "{HERE}:Say", what: busy}}
exporters:
  mlflow:
    endpoint: {mlflow}
    experiment: {{default: shop, rules: [{{match: {{team: gone}}, experiment: gone}}]}}
    {quick.replace(", retry", chr(10) + "    retry")}
  debug/lossy: {{}}
  lossy:
    use: "{HERE}:Keep"
    sending_queue: {{storage: memory, max_size_mib: 1, on_full: drop_oldest, num_lanes: 1}}
    {quick.replace("10ms}, retry", "10ms, max_spans: 1}" + chr(10) + "    retry")}
service:
  dead_letters: {{max_size_mib: 1}}
  pipelines:
    traces:
      receivers: [otlp, otlp/tls]
      processors: [memory_limiter, redaction, mlflow_mapping, cost]
      exporters: [mlflow]
    traces/broken: {{receivers: [otlp/broken], processors: [broken], exporters: [debug/lossy]}}
    traces/busy: {{receivers: [otlp/busy], processors: [busy], exporters: [debug/lossy]}}
    traces/tail: {{receivers: [otlp/tail], processors: [tail_sampling], exporters: [debug/lossy]}}
    traces/lossy: {{receivers: [otlp/lossy], processors: [], exporters: [lossy]}}
"""


def dashboard() -> Iterator[tuple[str, str]]:
    """Yield every query of the dashboard as Grafana would send it, with its panel's title."""
    panels = json.loads((ROOT / "helm/dashboards/spangate.json").read_text())["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], re.sub(r'"\$\w+"', '".*"', query)


def call(model: str, **more: Value) -> dict[str, Value]:
    """Return a call of a model as OpenTelemetry's conventions tell it."""
    said = {"type": "text", "content": "I am jo@example.com"}
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.usage.input_tokens": 1200,
        "gen_ai.usage.output_tokens": 300,
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": [said]}]),
        **more,
    }


async def traffic(running: Gateway, mlflow: FakeMlflow) -> None:
    """Send what moves every figure."""

    def tries() -> int:
        return sum(b"poison" in asked.body for asked in mlflow.calls("/v1/traces"))

    async def poison_was_tried() -> bool:
        return tries() > before

    before = tries()

    calls = batch(
        call("gpt-4o", **{"gen_ai.usage.cost": 5.0}),
        call("gpt-4o", **{"gen_ai.response.finish_reasons": ["length"]}),
        call("never-heard-of-9000"),
        resource={"service.name": "web"},
        one_trace=False,
    )
    next(iter(calls)).proto.status.code = Status.STATUS_CODE_ERROR
    await post(running, "otlp", 200, calls.encode())
    large = {"text": "x" * 150_000}
    poison = batch(*[large] * 4, name="poison", one_trace=False)
    await post(running, "otlp", 200, poison.encode())
    await until(poison_was_tried)
    await post(running, "otlp", 200, batch({}).encode())  # proves that it is the span's fault
    await post(running, "otlp", 200, batch({}, resource={"team": "gone"}).encode())
    await post(running, "otlp", 400, b"rubbish")
    await post(running, "otlp/broken", 400, batch({}).encode())
    await post(running, "otlp/busy", 429, batch({}).encode())
    traces = batch(*({} for _ in range(20)), one_trace=False).encode()

    async def some_were_late() -> bool:
        await post(running, "otlp/tail", 200, traces)
        [late] = metrics.sampling_late_spans.collect()
        return any(sample.value for sample in late.samples)

    await until(some_were_late)
    for _ in range(8):
        await post(running, "otlp/lossy", 200, batch({"text": "x" * 300_000}).encode())


async def post(running: Gateway, receiver: str, status: int, body: bytes) -> None:
    """Send to a receiver and expect an answer."""
    sent = {"Content-Type": "application/x-protobuf"}
    url = running.url(endpoint=f"{receiver} http")
    async with running.http.post(url, data=body, headers=sent) as answer:
        assert status == answer.status, await answer.text()


async def leave_damage(folder: Path) -> None:
    """Leave a queue behind in which a byte of a record is another one."""
    async with gateway(folder, config("http://127.0.0.1:1", folder)) as running:
        await post(running, "otlp", 200, batch({"text": "x" * 20_000}).encode())
    [segment] = [
        path
        for path in (folder / "data" / "queue").rglob("seg-*.log")
        if b"xxx" in path.read_bytes()
    ]
    data = bytearray(segment.read_bytes())
    data[data.index(b"xxx") + 1000] ^= 1
    segment.write_bytes(data)


def write_certificate(folder: Path) -> None:
    """Write one that ends in a week."""
    end = datetime.now(UTC) + timedelta(days=7)
    cert = trustme.CA().issue_cert("127.0.0.1", not_after=end)
    cert.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    cert.private_key_pem.write_to_path(str(folder / "key.pem"))


@pytest.mark.timeout(240)
async def test_figures_move_and_alerts_fire(tmp_path: Path) -> None:
    """Every query of the dashboard has data, every alert fires that can, and mending ends it."""
    write_certificate(tmp_path)
    await leave_damage(tmp_path)
    async with FakeMlflow() as mlflow:
        gone = mlflow.add_experiment("gone", deleted=True)
        mlflow.poison = lambda span: span.name == "poison"
        async with gateway(tmp_path, config(mlflow.url, tmp_path)) as running:
            Keep.everything[-1].down = True
            target = running.service.endpoints["metrics"]
            async with prometheus(tmp_path, [target], running.http, rules()) as server:
                await until(lambda: server.value("up == 1"))
                await traffic(running, mlflow)
                await every_query_has_data(server)
                await scraped(server)
                await traffic(running, mlflow)  # counters that are new have no rate yet
                await every_alert_fires(server)
                await every_metric_moves(server)
                mlflow.experiments[gone].deleted = False
                Keep.everything[-1].down = False
                await mended(server, {"SpangateDestinationParked", "SpangateQueueFilling"})


async def scraped(server: Server) -> None:
    """Wait for a scrape that began after all that was done so far."""
    now = time.time()
    await until(lambda: server.value(f"timestamp(up) > {now:.3f}"))


async def every_query_has_data(server: Server) -> None:
    empty: list[str] = []

    async def all_have_data() -> bool:
        empty[:] = [title for title, query in dashboard() if not await server.value(query)]
        return not empty

    try:
        await until(all_have_data)
    except TimeoutError:
        pytest.fail(f"no data in: {empty}")


def names() -> set[str]:
    """Return every metric of a worker that dashboard and alerts ask for."""
    queries = [*(query for _, query in dashboard()), *(rule["expr"] for rule in rules())]
    asked = {name for query in queries for name in re.findall(r"\bspangate_\w+", query)}
    return asked - OF_THE_SUPERVISOR


async def every_metric_moves(server: Server) -> None:
    """Each metric of dashboard and alerts has been above zero; what is only there says nothing."""
    still: set[str] = set()

    async def all_move() -> bool:
        still.clear()
        for name in names():
            if not await server.value(f"max_over_time({name}[15m]) > 0"):
                still.add(name)
        return not still

    try:
        await until(all_move)
    except TimeoutError:
        pytest.fail(f"never above zero: {sorted(still)}")


async def every_alert_fires(server: Server) -> None:
    wanted = {rule["alert"] for rule in rules()} - QUIET - NOT_OURS - SLOW - OF_THE_SUPERVISOR
    missing: set[str] = set()

    async def all_fire() -> bool:
        missing.clear()
        missing.update(wanted - await server.firing())
        return not missing

    try:
        await until(all_fire)
    except TimeoutError:
        pytest.fail(f"silent: {missing}")


async def mended(server: Server, names: set[str]) -> None:
    """Wait until alerts have ended."""

    async def quiet() -> bool:
        return not names & await server.firing()

    await until(quiet)
