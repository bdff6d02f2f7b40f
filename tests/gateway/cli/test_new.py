"""What ``spangate new`` promises: a project that works before its author has touched it."""

import asyncio
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.cli import app
from tests.gateway.cli.support import call
from tests.gateway.running import gateway

HOME = Path(__file__).parents[3]


def new(name: str, what: str = "processor") -> Result:
    return CliRunner().invoke(app, ["new", what, name])


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


@pytest.mark.parametrize("what", ["trace-processor", "exporter", "receiver"])
def test_every_kind_of_project_works_at_once(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tests pass, its configuration is valid, and its type is announced where it belongs."""
    monkeypatch.chdir(tmp_path)
    assert 0 == new("team-label", what).exit_code
    project = tmp_path / "team-label"

    assert "3 passed" in run(project, "-m", "pytest", "-q", "-W", "error")
    assert "valid" in call("validate", "--config", project / "gateway.yaml").output
    group = f"spangate.{what.removeprefix('trace-')}s"
    packaging = tomllib.loads((project / "pyproject.toml").read_text())
    assert {group: {"team_label": "team_label:TeamLabel"}} == packaging["project"]["entry-points"]
    texts = [f.read_text() for f in project.rglob("*.*") if f.is_file() and f.suffix != ".pyc"]
    assert "{{" not in "".join(texts)


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


CHAIN = """
receivers:
  call_log: {use: ./call_log/call_log.py:CallLog, endpoint: "127.0.0.1:0"}
exporters:
  audit_trail:
    use: ./audit_trail/audit_trail.py:AuditTrail
    path: PATH
    batch: {flush_timeout: 10ms}
service:
  pipelines:
    traces: {receivers: [call_log], processors: [], exporters: [audit_trail]}
"""


async def test_new_ends_of_a_pipeline_fit_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a new receiver takes, a new exporter writes; in between is the gateway."""
    monkeypatch.chdir(tmp_path)
    assert 0 == new("call_log", "receiver").exit_code
    assert 0 == new("audit_trail", "exporter").exit_code
    written = tmp_path / "spans.jsonl"
    async with gateway(tmp_path, CHAIN.replace("PATH", str(written))) as running:
        url = running.url("/")
        said = b'{"model": "gpt-4o-mini", "prompt": "What is a span?"}'
        for body, status in ((said, 200), (b"rubbish", 400)):
            async with running.http.post(url, data=body) as answer:
                assert status == answer.status
        async with asyncio.timeout(60):
            while not running.service.status().exporters[0].destinations:
                await asyncio.sleep(0.02)
    assert '"name": "chat"' in written.read_text()
