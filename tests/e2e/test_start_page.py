"""What whoever types the lines of docs/start.md gets: a trace that MLflow's page shows."""

import asyncio
import os
import re
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from gateway.config.loader import DEFAULT
from tests.e2e.mlflow_server import MlflowApi, eventually
from tests.gateway.real import Gateway

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGE = Path(__file__).parents[2] / "docs" / "start.md"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def by_hand(endpoint: str) -> str:
    """Return the lines that send a trace by hand, to another port."""
    (lines,) = re.findall(r"```bash\n(NOW=.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(lines).replace("127.0.0.1:4318", endpoint)


def configure(folder: Path, mlflow: str) -> Gateway:
    """Write the built-in default with ports that the system chooses."""
    config = yaml.safe_load(DEFAULT.read_text("utf-8"))
    config["exporters"]["mlflow"] |= {"endpoint": mlflow, "experiment": {"default": "start-page"}}
    for protocol in config["receivers"]["otlp"]["protocols"].values():
        protocol["endpoint"] = "127.0.0.1:0"
    anywhere = {"endpoint": "127.0.0.1:0"}
    config["service"]["telemetry"] = {"metrics": anywhere, "status": anywhere}
    (folder / "gateway.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return Gateway(folder)


async def typed(lines: str, folder: Path, status: str) -> str:
    """Run lines in a shell, as the reader does, and return what they print."""
    (folder / "spangate").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m gateway.cli "$@" --config gateway.yaml '
        f"--set service.telemetry.status.endpoint={status}\n"
    )
    (folder / "spangate").chmod(0o700)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", lines,
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(PAGE.parents[1])},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert 0 == process.returncode
    return printed.decode()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
async def test_a_trace_by_hand_can_be_seen(tmp_path: Path, mlflow: MlflowApi) -> None:
    """It has question, tokens, cost and no address, and began now: MLflow hides what is old."""
    begun = time.time()
    gateway = configure(tmp_path, mlflow.url)
    await gateway.start()
    try:
        lines = by_hand(gateway.endpoints["http"])
        said = await typed(lines, tmp_path, gateway.endpoints["status"])

        async def arrived() -> bool:
            return await mlflow.trace(bytes.fromhex(TRACE)) is not None

        await eventually(arrived, what="the trace in MLflow")
        assert 0 == await gateway.end(gently=True)
    finally:
        await gateway.abandon()
    info = await mlflow.trace(bytes.fromhex(TRACE))
    assert info is not None

    assert f"trace {TRACE}: " in said
    assert "start-page" in said
    assert begun - 1 <= datetime.fromisoformat(info["request_time"]).timestamp()
    assert "Why is the sky blue?" in info["request_preview"]
    assert "ada@" not in info["request_preview"]
    assert {"mlflow.trace.tokenUsage", "mlflow.trace.cost"} <= set(info["trace_metadata"])
