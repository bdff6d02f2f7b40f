"""The chart, rendered by the real Helm engine."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

helm_python = pytest.importorskip("helm_python", reason="no wheel of the Helm engine fits here")

CHART = Path(__file__).parents[2] / "helm"
RELEASE, NAMESPACE = "demo", "llm"

Values = dict[str, Any]
Manifest = dict[str, Any]


def render(values: Values | None = None) -> dict[str, str]:
    """Return what each template yields, by its path below ``templates``."""
    return dict(_rendered(json.dumps(values or {})))


@cache
def _rendered(values: str) -> dict[str, str]:
    """Render values once, written as JSON: most tests look at the same few."""
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(json.loads(values), name=RELEASE, namespace=NAMESPACE)
    return {
        path.removeprefix("spangate/templates/"): text.strip() + "\n"
        for path, text in rendered.items()
        if text.strip()
    }


def manifests(values: Values | None = None) -> list[Manifest]:
    """Return every object that the chart would create."""
    rendered = render(values)
    del rendered["NOTES.txt"]
    return [one for text in rendered.values() for one in yaml.safe_load_all(text) if one]


def find(kind: str, values: Values | None = None, name: str = "demo-spangate") -> Manifest:
    """Return one object."""
    found = {one["metadata"]["name"]: one for one in manifests(values) if one["kind"] == kind}
    return found[name]


def gateway_pod(values: Values | None = None, tier: str = "gateway") -> Manifest:
    """Return the template of a tier's pods."""
    for one in manifests(values):
        labels = one["metadata"].get("labels", {})
        if (
            one["kind"] in {"StatefulSet", "Deployment"}
            and labels["app.kubernetes.io/component"] == tier
        ):
            template: Manifest = one["spec"]["template"]
            return template
    raise LookupError("no gateway")


def pods(values: Values | None = None) -> dict[str, Manifest]:
    """Return the specification of every pod, by the name of what makes it."""
    found = {}
    for one in manifests(values):
        if one["kind"] == "Pod":
            found[one["metadata"]["name"]] = one["spec"]
        elif "template" in one.get("spec", {}):
            found[one["metadata"]["name"]] = one["spec"]["template"]["spec"]
    return found


def typical() -> dict[str, Values]:
    """Return the typical values of ``helm/ci``, by name."""
    return {
        path.name.removesuffix("-values.yaml"): yaml.safe_load(path.read_text("utf-8")) or {}
        for path in sorted((CHART / "ci").glob("*-values.yaml"))
    }
