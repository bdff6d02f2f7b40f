"""What ``helm test`` promises: it passes where a trace arrives, and says what is wrong else."""

import asyncio
import sys
from pathlib import Path

import pytest

from gateway.local_mlflow import LocalMlflow
from tests.e2e.conftest import free_port, running
from tests.gateway.running import Gateway, gateway
from tests.helm.chart import Values, pods

TOKEN = "not-a-" + "secret"
ENABLED: Values = {
    "tenants": {"enabled": True, "existingSecret": "t", "list": [{"name": "search"}]},
    "tests": {"timeoutSeconds": 30},
}


async def run(environ: dict[str, str]) -> tuple[int | None, str]:
    """Run the test's container as the pod would, with other addresses."""
    container = pods(ENABLED)["demo-spangate-test"]["containers"][0]
    given = {one["name"]: one["value"] for one in container["env"]}
    assert set(environ) <= set(given)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *container["command"][1:],
        env=given | environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def addresses(one: Gateway, mlflow: str, tokens: Path) -> dict[str, str]:
    return {
        "GATEWAY_GRPC": one.service.endpoints["grpc"],
        "GATEWAY_HTTP": one.service.endpoints["http"],
        "MLFLOW_TRACKING_URI": mlflow,
        "TENANT_TOKENS_FILE": str(tokens),
    }


@pytest.mark.e2e
async def test_a_trace_is_sent_and_found(tmp_path: Path) -> None:
    """Both protocols, a tenant's token, and a real MLflow that shows both spans."""
    tokens = tmp_path / "search"
    tokens.write_text(f"{TOKEN}\n")
    async with running(LocalMlflow(tmp_path / "mlflow", free_port())) as mlflow:
        text = f"""
        receivers: {{otlp: {{auth: {{tenants: [{{name: search, tokens_file: {tokens}}}]}}}}}}
        exporters: {{mlflow: {{endpoint: "{mlflow.url}", sending_queue: {{storage: memory}}}}}}
        service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [mlflow]}}}}}}
        """
        async with gateway(tmp_path, text) as one:
            code, output = await run(addresses(one, mlflow.url, tokens))

    assert (0, True) == (code, "helm test over GRPC', 'helm test over HTTP" in output), output


async def test_what_is_not_stored_fails(tmp_path: Path) -> None:
    """A gateway that takes spans and an MLflow that cannot be asked: it says which half failed."""
    tokens = tmp_path / "search"
    tokens.write_text(f"{TOKEN}\n")
    text = """
    exporters: {debug: {}}
    service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
    """
    async with gateway(tmp_path, text) as one:
        nowhere = f"http://127.0.0.1:{free_port()}"
        code, output = await run({**addresses(one, nowhere, tokens), "TIMEOUT_S": "1"})

    assert 1 == code
    assert "sent over HTTP" in output
    assert "reading it back failed" in output


async def test_a_gateway_that_refuses_fails(tmp_path: Path) -> None:
    """A wrong token is named as what it is."""
    tokens = tmp_path / "search"
    tokens.write_text(f"{TOKEN}\n")
    text = f"""
    receivers: {{otlp: {{auth: {{tenants: [{{name: search, tokens: [other-{TOKEN}]}}]}}}}}}
    exporters: {{debug: {{}}}}
    service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}}}
    """
    async with gateway(tmp_path, text) as one:
        code, output = await run(addresses(one, "http://127.0.0.1:1", tokens))

    assert 1 == code
    assert "the gateway did not take the span sent over GRPC" in output
    assert "UNAUTHENTICATED" in output
