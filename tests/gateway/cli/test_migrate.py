"""What ``spangate migrate`` prints, and where."""

from pathlib import Path

import pytest

from tests.gateway.cli.support import call

COLLECTORS = Path(__file__).parents[2] / "data" / "collectors"


def migrate(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    """Call the command; return exit code, stdout and stderr."""
    done = call("migrate", *arguments, stdin=stdin)
    return done.exit_code, done.stdout, done.stderr


def test_notes_do_not_mix_with_the_configuration() -> None:
    """The configuration goes to stdout, what has no counterpart to stderr, with file and line."""
    code, out, err = migrate(str(COLLECTORS / "quickstart.yaml"))
    assert 0 == code
    assert out.startswith("# Written by spangate migrate from quickstart.yaml.\nreceivers:")
    assert "quickstart.yaml:19: service.pipelines.metrics: no counterpart" in err


def test_stdin_and_output_file(tmp_path: Path) -> None:
    """``-`` reads stdin; ``--output`` writes a file and says what to do next."""
    text = (COLLECTORS / "mlflow_docs.yaml").read_text("utf-8")
    path = tmp_path / "gateway.yaml"
    code, out, err = migrate("-", "--output", str(path), stdin=text)
    assert (0, "") == (code, out)
    assert "mlflow:" in path.read_text("utf-8")
    assert f"spangate validate --config {path}" in err


@pytest.mark.parametrize("text", ["a: [", "service: {}", "just text"])
def test_what_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    """Exit code 2, with the file and the reason, and nothing written."""
    path = tmp_path / "collector.yaml"
    path.write_text(text)
    code, out, err = migrate(str(path))
    assert (2, "") == (code, out)
    assert str(path) in err


def test_a_file_that_is_not_there() -> None:
    """The message names it."""
    code, _, err = migrate("nowhere.yaml")
    assert 2 == code
    assert "nowhere.yaml" in err
