"""What ``spangate components`` promises."""

import json

import pytest

from gateway.registry import KINDS, ComponentInfo, Registry
from tests.gateway.cli.support import call


def test_lists_every_kind() -> None:
    """Type, stability, module and summary of each component, by kind."""
    result = call("components")

    assert 0 == result.exit_code
    for kind in KINDS:
        assert kind in result.stdout
    for word in ("otlp_http", "exporters.otlp_http:OtlpHttp", "MLflow's /v1/traces"):
        assert word in result.stdout


def test_prints_json_for_programs() -> None:
    """The same as JSON and nothing else."""
    result = call("components", "--output", "json")

    found = json.loads(result.stdout)
    assert set(KINDS) == set(found)
    assert (
        "exporters.mlflow:Mlflow"
        == {one["type"]: one["module"] for one in found["exporters"]}["mlflow"]
    )
    assert {"type", "kind", "module", "stability", "summary", "error"} == set(found["exporters"][0])


def test_what_cannot_be_imported_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken plugin hides no other component."""
    broken = ComponentInfo(
        type="broken", kind="processors", module="acme:Broken", error="cannot import acme: [nope]"
    )
    monkeypatch.setattr(Registry, "all", lambda self, kind: [broken])

    result = call("components")

    assert 0 == result.exit_code
    assert "unusable: cannot import acme: [nope]" in result.stdout
