"""What ``spangate demo`` promises on the command line; tests/e2e/test_demo.py plays it."""

from importlib.metadata import requires

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.demo import show


def test_missing_packages_end_in_the_command_that_installs_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Exit code 2, the packages by name, and nothing is started."""
    monkeypatch.setattr(show, "PACKAGES", ("rich", "no-such-package"))

    result = CliRunner().invoke(app, ["demo", "--exit"])

    assert 2 == result.exit_code
    assert "needs packages that are not installed: no-such-package\n" in result.stderr
    assert "pip install 'spangate[demo]'" in result.stderr


def test_packages_are_those_of_the_extra() -> None:
    """What the demo looks for is what the extra installs."""
    extra = [line for line in requires("spangate") or () if "extra == 'demo'" in line]
    names = {line.split(";")[0].partition(">")[0].strip() for line in extra}

    assert set(show.PACKAGES) == names


def test_help_has_purpose_and_example() -> None:
    """As every command."""
    text = CliRunner().invoke(app, ["demo", "--help"]).output

    assert "real agents" in text
    assert "Example: spangate demo --exit" in " ".join(text.split())
