"""What MLflow's own SDK keeps when it exports by OTLP through the gateway, on a real server."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.demo import ports
from gateway.demo.children import DemoError, LocalGateway
from gateway.otlp import values
from tests.e2e.mlflow_server import MlflowApi, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples" / "mlflow-sdk"
PROTOCOLS = ["grpc", "http/protobuf"]

SEARCH = {"max_results": 1000}

CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:{gRPC}}}
      http: {{endpoint: 127.0.0.1:{HTTP}}}
exporters:
  mlflow: {{endpoint: {url}, experiment: {{default: unexpected}}}}
service:
  data_dir: {folder}/data
  pipelines:
    traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}
  telemetry:
    metrics: {{endpoint: 127.0.0.1:{metrics}}}
    status: {{endpoint: 127.0.0.1:{status}}}
"""


@pytest_asyncio.fixture
async def gateway(tmp_path: Path, mlflow_url: str) -> AsyncIterator[dict[str, int]]:
    """Run the whole gateway as users do and yield its ports."""
    child, chosen = await started(tmp_path, mlflow_url)
    try:
        yield chosen
    finally:
        await child.stop()


async def started(folder: Path, url: str) -> tuple[LocalGateway, dict[str, int]]:
    """Start a gateway on free ports; others where somebody was quicker to take one of them."""
    while True:
        chosen = ports.choose(dict.fromkeys(("gRPC", "HTTP", "metrics", "status"), 0))
        config = folder / "spangate.yaml"
        config.write_text(CONFIG.format(url=url, folder=folder, **chosen))
        child = LocalGateway(config, f"http://127.0.0.1:{chosen['status']}", folder / "gateway.log")
        try:
            await child.start()
        except DemoError as error:
            await child.stop()
            if "already in use" not in str(error):
                raise
        else:
            return child, chosen


async def run(program: str, gateway: dict[str, int], protocol: str, experiment: str) -> None:
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "MLFLOW_"))}
    port = gateway["gRPC" if protocol == "grpc" else "HTTP"]
    path = "" if protocol == "grpc" else "/v1/traces"
    environment = {
        "OTEL_SERVICE_NAME": "physics",
        "OTEL_RESOURCE_ATTRIBUTES": f"mlflow.experiment={experiment}",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{port}{path}",
        "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "true",
        "NO_PROXY": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / program), env=outside | environment
    )
    try:
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def stored(
    mlflow: MlflowApi, experiment: str, span_count: int
) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Return the one trace of an experiment: its info, and its spans' attributes by name."""
    spans: dict[str, list[dict[str, Any]]] = {}
    trace_ids: set[str] = set()

    async def arrived() -> bool:
        found = await mlflow.call("POST", "/api/2.0/mlflow/experiments/search", json=SEARCH)
        ids = {one["name"]: one["experiment_id"] for one in found["experiments"]}
        trace_ids.clear()
        spans.clear()
        if experiment in ids:
            trace_ids.update(await mlflow.trace_ids(ids[experiment]))
        for trace_id in trace_ids:
            for span in await mlflow.spans(bytes.fromhex(trace_id)):
                attributes = {field.key: values.decode(field.value) for field in span.attributes}
                spans.setdefault(span.name, []).append(attributes)
        return sum(map(len, spans.values())) >= span_count

    await eventually(arrived, what=f"the arrival of {span_count} spans")
    (trace_id,) = trace_ids
    info = await mlflow.trace(bytes.fromhex(trace_id))
    assert info is not None
    return info, spans


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_fluent_api_keeps_types_inputs_outputs_and_tags(
    protocol: str, gateway: dict[str, int], mlflow: MlflowApi
) -> None:
    """``@mlflow.trace`` and ``start_span``: all that was recorded is read back."""
    experiment = f"mlflow-sdk-{protocol[:4]}"

    await run("main.py", gateway, protocol, experiment)

    info, spans = await stored(mlflow, experiment, span_count=4)
    question = "Why is the sky blue?"
    types = {name: span["mlflow.spanType"] for name, (span,) in spans.items()}
    inputs = {name: span["mlflow.spanInputs"] for name, (span,) in spans.items()}
    assert {
        "answer": "AGENT", "search": "RETRIEVER", "chat": "CHAT_MODEL", "wavelength": "TOOL"
    } == types  # fmt: skip
    assert {
        "answer": {"question": question},
        "search": {"question": question},
        "chat": {"messages": [{"role": "user", "content": question}]},
        "wavelength": {"colour": "blue"},
    } == inputs
    assert "Rayleigh scattering at 470 nm (1 source)" == spans["answer"][0]["mlflow.spanOutputs"]
    assert "nm" == spans["wavelength"][0]["unit"]
    expected = {"team": "physics", "environment": "demo", "service.name": "physics"}
    assert expected == {name: info["tags"].get(name) for name in expected}
    assert "OK" == info["state"]
    assert question in info["request_preview"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_autolog_keeps_types_inputs_and_tokens(
    protocol: str, gateway: dict[str, int], mlflow: MlflowApi
) -> None:
    """``mlflow.pydantic_ai.autolog()``: agent, model and tool spans, and the trace's tokens."""
    experiment = f"mlflow-autolog-{protocol[:4]}"

    await run("autolog.py", gateway, protocol, experiment)

    info, spans = await stored(mlflow, experiment, span_count=5)
    types = {name: {span["mlflow.spanType"] for span in same} for name, same in spans.items()}
    assert {
        "Agent.run_sync": {"AGENT"},
        "Agent.run": {"AGENT"},
        "TestModel.request": {"LLM"},
        "wavelength": {"TOOL"},
    } == types
    (tool,) = spans["wavelength"]
    assert {"colour": "a"} == tool["mlflow.spanInputs"]
    # The SDK sends a number as JSON text, and MLflow's OTLP endpoint keeps it as a text.
    assert "470" == str(tool["mlflow.spanOutputs"])
    (root,) = spans["Agent.run_sync"]
    assert "Why is the sky blue?" == root["mlflow.spanInputs"]["user_prompt"]
    assert 2 == len(spans["TestModel.request"])
    assert "mlflow.trace.tokenUsage" in info["trace_metadata"]
