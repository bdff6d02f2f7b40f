"""What ``spangate validate`` promises."""

from pathlib import Path

import pytest

from tests.gateway.cli.support import GOOD, call


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return a configuration with nothing wrong."""
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    return path


def test_a_good_configuration_is_one_line(good: Path) -> None:
    """Exit code 0, one line."""
    result = call("validate", "--config", good)

    assert (0, f"{good}: valid (pipelines: traces)\n") == (result.exit_code, result.stdout)


def test_the_default_is_valid() -> None:
    """Without a file the built-in configuration is checked."""
    result = call("validate")

    assert (0, "the built-in default: valid (pipelines: traces)\n") == (
        result.exit_code,
        result.stdout,
    )


def test_warnings_do_not_fail(good: Path) -> None:
    """What is hardly meant is said on stderr."""
    result = call("validate", "--config", good, "--set", "exporters.debug=")

    assert 0 == result.exit_code
    assert "warning: exporters.debug is defined, but no pipeline uses it\n" == result.stderr


def test_overrides_are_checked_too(good: Path) -> None:
    """``--set`` is a part of the configuration."""
    result = call("validate", "--config", good, "--set", "service.workers=none")

    assert 2 == result.exit_code
    assert "--set service.workers: service.workers: expected a whole number" in result.stderr


def test_builds_the_components(tmp_path: Path, good: Path) -> None:
    """What only a constructor finds is found as well, with the place of the component."""
    (tmp_path / "mask.py").write_text(
        "import re\n\nfrom gateway.plugin import Config, Processor\n\n\n"
        "class Mask(Processor[Config]):\n"
        "    def __init__(self, config):\n        re.compile('(')\n\n"
        "    def process(self, batch):\n        return batch\n"
    )
    good.write_text(GOOD + "processors:\n  mask: {use: ./mask.py:Mask}\n")

    result = call("validate", "--config", good)

    assert 2 == result.exit_code
    assert f"{good}:11: processors.mask: " in result.stderr
    assert "missing )" in result.stderr
