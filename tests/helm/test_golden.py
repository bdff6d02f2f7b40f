"""What the chart renders, for all to review."""

import pytest

from tests.helm.chart import CHART, Values, helm_python, typical
from tests.helm.golden import FOLDER, golden

TYPICAL = typical()


def test_there_is_a_golden_file_for_each() -> None:
    """Thirteen typical uses, each with its rendering and no rendering left over."""
    assert 13 == len(TYPICAL)
    assert set(TYPICAL) == {path.stem for path in FOLDER.iterdir()}


@pytest.mark.parametrize(("name", "values"), TYPICAL.items(), ids=TYPICAL)
def test_renders_as_reviewed(name: str, values: Values) -> None:
    """A change of what is rendered shows: write it anew with python -m tests.helm.golden."""
    assert (FOLDER / f"{name}.yaml").read_text(encoding="utf-8") == golden(values)


@pytest.mark.parametrize("values", TYPICAL.values(), ids=TYPICAL)
def test_lint_finds_nothing(values: Values) -> None:
    """Neither error nor warning, in strict mode."""
    report = helm_python.lint(CHART, values, strict=True, kube_version="v1.34.0")

    assert [] == report["messages"] + report["errors"]
