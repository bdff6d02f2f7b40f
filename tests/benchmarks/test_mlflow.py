"""What ``python -m benchmarks.mlflow`` measures."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.nightly]


def run(*arguments: str) -> list[list[str]]:
    """Run the command and return the cells of its table."""
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.mlflow", "--store", "sqlite", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_compares_both_ways_into_a_real_server() -> None:
    """What senders write straight to MLflow is 1, and both ways have stored something."""
    direct, through = run("--spans", "6", "--total", "60", "--turns", "1")

    assert ["sqlite", "one trace", "direct"] == direct[:3]
    assert "x 1.00" == direct[4]
    assert "4 lanes, 500 spans, 8 MiB, 500ms" == through[2]
    assert float(through[3]) > 0


def test_tells_how_soon_a_trace_can_be_read() -> None:
    """Both ways lead to a trace that MLflow's API shows."""
    direct, through = run("--latency", "2")

    assert 0 < int(direct[2]) <= int(direct[3])
    assert 0 < int(through[2]) <= int(through[3])
