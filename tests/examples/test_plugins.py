"""What the example plugins promise: complete projects that work as their pages say."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOME = Path(__file__).parents[2]
PROJECTS = sorted(path.parent for path in (HOME / "examples" / "plugins").glob("*/pyproject.toml"))
WITHOUT_PRESIDIO = "presidio-analyzer is not installed"


def run(project: Path, *words: str, check: bool = True) -> str:
    """Run Python in the project's folder; return what it prints."""
    result = subprocess.run(
        [sys.executable, "-B", *words],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(HOME),
            "NO_COLOR": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert not check or 0 == result.returncode, result.stdout + result.stderr
    return result.stdout + result.stderr


def test_there_are_three() -> None:
    """One for privacy, one for routing, one for quality."""
    assert ["eval_scores", "presidio_names", "team_routing"] == [one.name for one in PROJECTS]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_its_own_tests_pass(project: Path) -> None:
    """In its own folder, as its author runs them."""
    options = ("-q", "-p", "no:cacheprovider", "-W", "error")
    assert " passed" in run(project, "-m", "pytest", *options)


@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("team_routing", {"resource": {"team": "research", "mlflow.experiment": "research-llm"}}),
        ("eval_scores", {"attributes": {"eval.politeness": 1.0, "eval.brevity": 0.58490566}}),
        ("presidio_names", {"attributes": {"input.value": "Please write to [name]."}}),
    ],
)
def test_it_does_what_it_is_for(name: str, does: dict[str, dict[str, object]]) -> None:
    """``try`` on its own saved request shows it."""
    if name == "presidio_names":
        pytest.importorskip("presidio_analyzer", reason=WITHOUT_PRESIDIO)
    line = "try --config gateway.yaml request.json --output json"
    out = run(HOME / "examples" / "plugins" / name, "-m", "gateway.cli", *line.split())
    [group] = json.loads(out)["resourceSpans"]
    [span] = group["scopeSpans"][0]["spans"]
    found = {
        "resource": plain(group["resource"]["attributes"]),
        "attributes": plain(span["attributes"]),
    }
    for where, wanted in does.items():
        for key, value in wanted.items():
            assert (
                value == pytest.approx(found[where][key])
                if isinstance(value, float)
                else (value == found[where][key])
            )


def plain(attributes: list[dict[str, dict[str, object]]]) -> dict[str, object]:
    return {str(one["key"]): next(iter(one["value"].values())) for one in attributes}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_its_packaging_announces_it(project: Path) -> None:
    """The entry point names the class that the configuration uses, and the wheel holds the file."""
    about = tomllib.loads((project / "pyproject.toml").read_text())
    target = about["project"]["entry-points"]["spangate.processors"][project.name]
    module, _, name = target.partition(":")
    assert f"use: ./{module}.py:{name}" in (project / "gateway.yaml").read_text()
    included = about["tool"]["hatch"]["build"]["targets"]["wheel"]["include"]
    assert {f"{module}.py"} <= set(included) == {path.name for path in project.glob("*.py")}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_its_page_names_every_setting(project: Path) -> None:
    """The table of the README is complete, and its commands are those that are tested here."""
    page = (project / "README.md").read_text()
    code = (project / f"{project.name}.py").read_text()
    config = code.partition("Config(Config):\n")[2].partition("\n\n\n")[0]
    settings = re.findall(r"^    (\w+): ", config, re.MULTILINE)
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert settings
    assert settings == listed

    [block] = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    commands = [shlex.split(line) for line in block.splitlines()]
    assert ["spangate", "try", "--config", "gateway.yaml", "request.json"] in commands
