"""What ``python -m benchmarks`` does."""

import subprocess
import sys

import pytest

from benchmarks.__main__ import SCENARIOS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_measures_every_kind_of_work() -> None:
    """1, 100 and 500 spans a request, LLM and plain, over HTTP and gRPC."""
    assert len({(s.protocol, s.kind, s.spans) for s in SCENARIOS}) == 12
    assert {s.exporter for s in SCENARIOS} == {"otlp_http", "mlflow"}


def test_lists_the_rows_when_none_is_meant() -> None:
    """A choice that matches nothing shows what there is."""
    ended = run("--only", "no such row")

    assert ended.returncode == 2
    assert "grpc to otlp_http, LLM spans, 500 a request" in ended.stderr


@pytest.mark.slow
def test_prints_a_table() -> None:
    """The chosen row is measured and printed as Markdown."""
    ended = run(
        "--only", "http to otlp_http, plain spans, 1 a request", "--seconds", "0.5", "--rounds", "1"
    )

    assert ended.returncode == 0
    assert ended.stdout.splitlines()[2].startswith("| http | otlp_http | plain | 1 |")
