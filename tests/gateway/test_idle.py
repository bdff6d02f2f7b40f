"""What a gateway that has nothing to do costs."""

import re
import sys
from pathlib import Path

import pytest

from tests.gateway.real import Gateway

MIB = 1024
"""In the system's unit, KiB."""
MARGIN = 1.05
"""Versions of Python and of libraries differ."""

DEFAULT = """
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}
service:
  telemetry: {metrics: {endpoint: "127.0.0.1:0"}, status: {endpoint: "127.0.0.1:0"}}
"""


def resident(pid: int) -> int:
    """Return the resident memory of a process, shared pages too."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1])


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
async def test_a_worker_is_small(tmp_path: Path) -> None:
    """With the default pipeline a worker takes less than 90 MiB until it is sent something."""
    built_in = Path(__file__).parents[2] / "gateway/config/default.yaml"
    (tmp_path / "gateway.yaml").write_text(DEFAULT)
    gateway = Gateway(tmp_path)
    try:
        await gateway.start("--config", str(built_in), "--config", "gateway.yaml")
        (worker,) = gateway.workers()
        assert resident(worker) < 90 * MIB * MARGIN
    finally:
        await gateway.abandon()
