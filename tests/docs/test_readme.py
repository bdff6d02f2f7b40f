"""What the README says is true: its commands exist, its configuration is valid, its links lead."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli import COMMANDS, app
from gateway.config.loader import load

HOME = Path(__file__).parents[2]
README = (HOME / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)
LINKS = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
SHELL = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines() if line]


def test_its_configuration_is_valid(tmp_path: Path) -> None:
    """The YAML loads without a complaint, and is as short as promised."""
    (text,) = [text for kind, text in BLOCKS if kind == "yaml"]
    file = tmp_path / "gateway.yaml"
    file.write_text(text)
    assert [] == load([file], environ={}).warnings
    assert len(text.splitlines()) <= 22


@pytest.mark.parametrize("name", sorted(set(re.findall(r"spangate ([a-z-]+)", README))))
def test_its_commands_exist(name: str) -> None:
    """Each command that is named has help with an example."""
    assert name in COMMANDS
    result = CliRunner().invoke(app, [name, "--help"])
    assert 0 == result.exit_code
    assert "xample" in result.stdout


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("make ")])
def test_its_targets_exist(line: str) -> None:
    """Each target of make is in the Makefile; `.ci/run` runs demo and test as written."""
    target = line.split()[1]
    assert re.search(rf"^{target}:", (HOME / "Makefile").read_text(), re.MULTILINE)
    assert f"make {target}" in (HOME / ".ci" / "run").read_text()


@pytest.mark.parametrize("line", [line for line in SHELL if line.startswith("spangate run")])
def test_what_it_runs_is_valid(line: str) -> None:
    """Each configuration file that it runs is there and valid."""
    files = re.findall(r"--config (\S+)", line)
    load([HOME / file for file in files], environ={})


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_its_links_lead_somewhere(link: str) -> None:
    """Each relative link is a file or folder of the repository."""
    assert (HOME / link).exists()
