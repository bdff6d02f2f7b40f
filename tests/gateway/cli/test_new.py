"""What ``spangate new`` promises: a project that works before its author has touched it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app

HOME = Path(__file__).parents[3]


def new(name: str) -> Result:
    return CliRunner().invoke(app, ["new", "processor", name])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a new project's folder."""
    monkeypatch.chdir(tmp_path)
    result = new("team-label")
    assert 0 == result.exit_code, result.output
    return tmp_path / "team-label"


def run(project: Path, *words: str, path: Path = HOME) -> str:
    """Run Python in the project's folder as its author would; return what it prints."""
    result = subprocess.run(
        [sys.executable, *words],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(path),
            "NO_COLOR": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert 0 == result.returncode, result.stdout + result.stderr
    return result.stdout


def test_its_own_tests_pass(project: Path) -> None:
    """At once, also where warnings are errors and tests run in any order."""
    out = run(project, "-m", "pytest", "-q", "-W", "error")
    assert "3 passed" in out


def test_its_configuration_is_valid_and_does_something(project: Path) -> None:
    """``validate`` has nothing to say, and ``try`` shows the plugin's change."""
    cli = ("-m", "gateway.cli")
    assert "valid" in run(project, *cli, "validate", "--config", "gateway.yaml")
    out = run(project, *cli, "try", "--config", "gateway.yaml", "request.json", "--output", "json")
    [span] = json.loads(out)["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert {"key": "team", "value": {"stringValue": "search"}} in span["attributes"]


def test_once_installed_its_type_is_known(project: Path, tmp_path: Path) -> None:
    """The package announces the component, and a configuration needs no ``use``."""
    site = tmp_path / "site"
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(project, "-m", "pip", "install", "-q", *offline, "--target", str(site), ".")
    both = Path(f"{HOME}{os.pathsep}{site}")
    config = project / "gateway.yaml"
    lines = [line for line in config.read_text().splitlines() if "use:" not in line]
    config.write_text("\n".join(lines))

    found = json.loads(
        run(tmp_path, "-m", "gateway.cli", "components", "--output", "json", path=both)
    )
    [ours] = [one for one in found["processors"] if one["type"] == "team_label"]
    assert "Write an attribute on every span that lacks it." == ours["summary"]
    assert "valid" in run(
        tmp_path, "-m", "gateway.cli", "validate", "--config", str(config), path=both
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("1st", "such as st"),
        ("Team Label", "such as team_label"),
        ("TeamLabel", "such as team_label"),
        ("../team", "such as team"),
        ("", "such as team_tag"),
        ("class", "such as my_class"),
        ("json", "such as my_json"),
        ("processors", "such as my_processors"),
        ("redaction", 'there is a processor of the type "redaction" already'),
    ],
)
def test_a_bad_name_is_refused_with_a_better_one(
    name: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written, and the message says what would do."""
    monkeypatch.chdir(tmp_path)
    result = new(name)
    assert 2 == result.exit_code
    assert says in result.stderr
    assert [] == list(tmp_path.iterdir())


def test_what_is_there_stays(project: Path) -> None:
    """A second project of that name overwrites nothing."""
    (project / "README.md").write_text("mine")
    result = new("team-label")
    assert 2 == result.exit_code
    assert "team-label is there already" in result.stderr
    assert "mine" == (project / "README.md").read_text()


def test_a_folder_that_cannot_be_written_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback where the disk says no."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = new("team_label")
    assert 1 == result.exit_code
    assert "cannot write team_label: No such file" in result.stderr
