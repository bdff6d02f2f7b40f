"""What docs/kubernetes.md promises: its values work, each part alone and all of them together."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, Values, find, gateway_pod, manifests
from tests.helm.test_config import loaded

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="the schemas of Kubernetes are not installed"
)

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


def test_the_runbook_saves_what_is_left() -> None:
    """Its pod is one that Kubernetes takes, at the paths and under the user of the chart's pods."""
    page = (CHART.parent / "docs" / "runbook" / "SpangateSpansLeftOnVolume.md").read_text("utf-8")
    block = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert block is not None
    pod = yaml.safe_load(textwrap.dedent("  " + block[1]))
    ours = gateway_pod()["spec"]
    mounts = {one["mountPath"] for one in ours["containers"][0]["volumeMounts"]}

    kubernetes_validate.validate(pod, "1.34", strict=True)
    assert pod["spec"]["securityContext"].items() <= ours["securityContext"].items()
    assert mounts >= {one["mountPath"] for one in pod["spec"]["containers"][0]["volumeMounts"]}


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
