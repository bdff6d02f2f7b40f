"""What ``spangate schema`` promises."""

import json
from pathlib import Path

from tests.gateway.cli.support import call


def test_writes_json_schema() -> None:
    """Standard output is the schema and nothing else."""
    result = call("schema")

    assert 0 == result.exit_code
    assert "https://json-schema.org/draft/2020-12/schema" == json.loads(result.stdout)["$schema"]


def test_writes_to_a_file(tmp_path: Path) -> None:
    """With --output the schema is in the file, and the screen stays empty."""
    path = tmp_path / "spangate.json"

    result = call("schema", "--output", path)

    assert (0, "") == (result.exit_code, result.stdout)
    assert "mlflow" in json.dumps(json.loads(path.read_text())["properties"]["exporters"])


def test_says_why_a_file_cannot_be_written(tmp_path: Path) -> None:
    """A failure while running is exit code 1."""
    result = call("schema", "--output", tmp_path)

    assert 1 == result.exit_code
    assert "cannot write" in result.stderr
