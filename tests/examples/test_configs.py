"""What the example configurations promise: they run as they are."""

from pathlib import Path

import pytest

from gateway.config.loader import load

CONFIGS = sorted((Path(__file__).parents[2] / "examples" / "configs").glob("*.yaml"))


def test_there_are_examples() -> None:
    """The folder is where the documentation says."""
    names = {path.name for path in CONFIGS}

    assert {"minimal.yaml", "experiments.yaml", "two-backends.yaml", "debug.yaml"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_an_example_loads_without_any_variable(path: Path) -> None:
    """No problem, no warning, nothing that the environment must provide."""
    settings = load([path], environ={})

    assert settings.service.pipelines
    assert [] == settings.warnings


def test_the_minimal_one_is_short() -> None:
    """Twenty lines at the most."""
    minimal = next(path for path in CONFIGS if path.name == "minimal.yaml")

    assert len(minimal.read_text().splitlines()) <= 20
