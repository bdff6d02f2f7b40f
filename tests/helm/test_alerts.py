"""What alerts, scaling and the dashboard promise: they ask for metrics that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.telemetry import metrics
from gateway.telemetry.metrics import REGISTRY
from tests.helm.chart import CHART, Values, find

RUNBOOK = CHART.parent / "docs" / "runbook"
ON: Values = {"prometheusRule": {"enabled": True}}
KNOWN = {
    f"{metric.name}{suffix}"
    for metric in REGISTRY.collect()
    for suffix in (
        {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(metric.type, [""])
    )
}


def rules(values: Values = ON) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = find("PrometheusRule", values)["spec"]["groups"][0]["rules"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Yield every query, with where it stands."""
    yield from ((rule["alert"], rule["expr"]) for rule in rules())
    scaled = find("ScaledObject", {"keda": {"enabled": True}})
    for trigger in scaled["spec"]["triggers"]:
        if "query" in trigger["metadata"]:
            yield trigger["name"], trigger["metadata"]["query"]
    dashboard = json.loads((CHART / "dashboards" / "spangate.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_metrics_exist(where: str, query: str) -> None:
    """Each name of ours in a query stands in the register."""
    names = set(re.findall(r"\bspangate_\w+", query))

    assert set() == names - KNOWN, where
    assert names or query.startswith(("up{", "kubelet_"))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_an_alert_has_a_page(rule: dict[str, Any]) -> None:
    """The runbook says what it means, what it harms, where to look and what to do."""
    page = RUNBOOK / rule["annotations"]["runbook_url"].rpartition("/")[2]
    text = page.read_text(encoding="utf-8")

    assert text.startswith(f"# {rule['alert']}\n")
    assert ["Means", "Harm", "Look", "Do"] == re.findall(r"(?m)^\*\*(\w+)\.\*\*", text)
    assert rule["labels"]["severity"] in {"warning", "critical"}


def test_a_page_has_an_alert() -> None:
    """No page is left over."""
    names = {rule["alert"] for rule in rules()}

    assert names == {path.stem for path in RUNBOOK.glob("Spangate*.md")}


def test_an_alert_that_is_not_there_cannot_be_left_out() -> None:
    """The schema knows the names of all of them."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    disabled = schema["properties"]["prometheusRule"]["properties"]["disabled"]

    assert sorted(rule["alert"] for rule in rules()) == disabled["items"]["enum"]


def test_every_page_is_followed() -> None:
    """For each alert there is a test that makes it fire and ends it as its page says."""
    folder = CHART.parent / "tests" / "e2e" / "runbook"
    tests = "".join(path.read_text(encoding="utf-8") for path in folder.glob("test_*.py"))

    assert set() == {rule["alert"] for rule in rules() if f'"{rule["alert"]}"' not in tests}


def test_alerts_can_be_left_out() -> None:
    """By name, and those on volumes where there are none."""
    values = {"prometheusRule": {"enabled": True, "disabled": ["SpangateDeadLetters"]}}

    assert {"SpangateDeadLetters"} == {r["alert"] for r in rules()} - {
        r["alert"] for r in rules(values)
    }
    assert {"SpangateSpansLeftOnVolume", "SpangateVolumeFilling"} == {
        r["alert"] for r in rules()
    } - {r["alert"] for r in rules({**ON, "persistence": {"enabled": False}})}


def test_thresholds_are_values() -> None:
    """What is a spike, an error rate and slow is said in values."""
    llm = {"costSpikeFactor": 5, "latencySeconds": 2.5, "latencyObjective": 0.99}
    expr = {r["alert"]: r["expr"] for r in rules({"prometheusRule": {"enabled": True, "llm": llm}})}

    assert "> 5 * sum" in expr["SpangateCostSpike"]
    assert 'le="2.5"' in expr["SpangateCallsSlow"]
    assert "> 0.06)" in expr["SpangateCallsSlow"]
    assert "> 0.144)" in expr["SpangateCallsSlowFast"]


def test_bounds_of_latency_are_those_of_the_metric() -> None:
    """A limit between two buckets could not be asked for."""
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    llm = schema["properties"]["prometheusRule"]["properties"]["llm"]["properties"]

    assert list(metrics.llm_duration.buckets) == llm["latencySeconds"]["enum"]


PROMTOOL = shutil.which("promtool")
CASES = Path(__file__).with_name("alerts.test.yaml")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (of Prometheus) is not installed")
def test_prometheus_agrees(tmp_path: Path) -> None:
    """Prometheus' own tool takes every rule, and fires them on the series of alerts.test.yaml."""
    groups = find("PrometheusRule", ON)["spec"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(groups), encoding="utf-8")
    shutil.copy(CASES, tmp_path)
    done = subprocess.run(
        [str(PROMTOOL), "test", "rules", CASES.name],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )

    assert 0 == done.returncode, done.stdout + done.stderr


SERIES = 'namespace="llm",pod="demo-spangate-0"'
AGE = {"series": f"spangate_queue_oldest_age_seconds{{{SERIES}}}", "values": "90x20"}
SENT = f"spangate_exporter_sent_spans_total{{{SERIES}}}"
RETRIES = f"spangate_exporter_retries_total{{{SERIES}}}"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool (of Prometheus) is not installed")
@pytest.mark.parametrize(
    ("sent", "retries", "age"),
    [("0+5x20", "7x20", 90), ("0+5x20", "0+1x20", 0), ("5x20", "7x20", 0)],
    ids=["succeeding", "retrying", "away"],
)
def test_queue_age_counts_only_while_sends_succeed(
    tmp_path: Path, sent: str, retries: str, age: int
) -> None:
    """KEDA sees the age of the queue where more gateways help, and nothing where they do not."""
    triggers = find("ScaledObject", {"keda": {"enabled": True}})["spec"]["triggers"]
    query = next(one for one in triggers if one.get("name") == "queue-age")["metadata"]["query"]
    series = [AGE, {"series": SENT, "values": sent}, {"series": RETRIES, "values": retries}]
    expected = {"expr": query, "eval_time": "15m", "exp_samples": [{"labels": "{}", "value": age}]}
    case = {"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": [expected]}]}
    (tmp_path / "case.yaml").write_text(yaml.safe_dump(case), encoding="utf-8")
    command = [str(PROMTOOL), "test", "rules", str(tmp_path / "case.yaml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert 0 == done.returncode, done.stdout + done.stderr
