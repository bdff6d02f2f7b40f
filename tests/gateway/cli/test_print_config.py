"""What ``spangate print-config`` promises."""

from pathlib import Path

import yaml

from tests.gateway.cli.support import GOOD, call


def test_prints_what_would_be_run(tmp_path: Path) -> None:
    """Files merged, overrides on top, defaults filled in, secrets masked; it validates."""
    first, second, printed = (tmp_path / name for name in ("a.yaml", "b.yaml", "c.yaml"))
    first.write_text(GOOD)
    second.write_text("exporters: {otlp_http: {timeout: 5s}}\n")

    override = "service.shutdown_timeout=7s"
    result = call("print-config", "--config", first, "--config", second, "--set", override)

    assert 0 == result.exit_code
    assert "hunter2" not in result.stdout
    whole = yaml.safe_load(result.stdout)
    assert "5s" == whole["exporters"]["otlp_http"]["timeout"]
    assert "gzip" == whole["exporters"]["otlp_http"]["compression"]
    assert {"authorization": "****"} == whole["exporters"]["otlp_http"]["headers"]
    assert ["http"] == list(whole["receivers"]["otlp"]["protocols"])
    assert "7s" == whole["service"]["shutdown_timeout"]
    printed.write_text(result.stdout)
    assert 0 == call("validate", "--config", printed).exit_code


def test_prints_the_built_in_default(tmp_path: Path) -> None:
    """Without a file it prints what `spangate run` runs."""
    result = call("print-config")

    assert 0 == result.exit_code
    whole = yaml.safe_load(result.stdout)
    assert "127.0.0.1:4317" == whole["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    assert "llm-traces" == whole["exporters"]["mlflow"]["experiment"]["default"]
    (tmp_path / "own.yaml").write_text(result.stdout)
    assert 0 == call("validate", "--config", tmp_path / "own.yaml").exit_code
