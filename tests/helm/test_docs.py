"""What docs/kubernetes.md promises: its values work, each part alone and all of them together."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, Values, find, manifests
from tests.helm.test_config import loaded

TEXT = (CHART.parent / "docs" / "kubernetes.md").read_text(encoding="utf-8")
BLOCKS: list[Values] = [
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(# values.yaml\n.*?)```", TEXT, re.DOTALL)
]
STEPS = 5


@pytest.mark.parametrize("values", BLOCKS)
def test_a_part_works(values: Values, tmp_path: Path) -> None:
    """Each block is a file of values as it stands, whose configuration the gateway takes."""
    assert loaded(values, tmp_path).service.pipelines


def test_the_steps_work_together(tmp_path: Path) -> None:
    """Five steps make one file, as the page says."""
    values: Values = {}
    for block in BLOCKS[:STEPS]:
        values = merged(values, block)
    kinds = {one["kind"] for one in manifests(values)}

    assert {
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "ServiceMonitor",
        "NetworkPolicy",
    } <= (kinds)
    assert {"mlflow", "otlp_http"} == set(loaded(values, tmp_path).exporters)


def test_the_metric_of_the_adapter_is_that_of_the_autoscaler() -> None:
    """The rule for prometheus-adapter serves the name that the chart asks for."""
    values = {"autoscaling": {"enabled": True, "refusals": {"enabled": True}}}
    metric = find("HorizontalPodAutoscaler", values)["spec"]["metrics"][1]["pods"]["metric"]

    assert f"name: {{as: {metric['name']}}}" in TEXT


def merged(one: Any, other: Any) -> Any:
    """Merge as Helm does: maps merge, the rest replaces."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            key: merged(one[key], other[key]) if key in one and key in other
            else other.get(key, one.get(key))
            for key in {**one, **other}
        }  # fmt: skip
    return other
