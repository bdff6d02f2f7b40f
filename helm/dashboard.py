"""
Write dashboards/spangate.json, the Grafana dashboard, out of dashboard.yaml.

    python helm/dashboard.py           # write it
    python helm/dashboard.py --check   # say whether it is out of step, and exit with 1
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gateway.telemetry.reference import Metric, register

CHART = Path(__file__).parent
PATH = CHART / "dashboards" / "spangate.json"
_WIDTH = 24
_METRIC = re.compile(r"(spangate_\w+)(?:\{(.*?)\})?")
_SUFFIX = re.compile(r"_(bucket|count|sum)$")
_CALLS = "spangate_llm_duration_seconds_count"
_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_GATEWAYS = 'namespace=~"$namespace",pod=~"$pod"'
_CHOSEN = {"model": 'model=~"$model"', "service": 'service=~"$service"'}
_SIZES = {"stat": (4, 4), "timeseries": (8, 7)}
_OPTIONS: dict[str, dict[str, Any]] = {
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "none",
        "graphMode": "area",
    },
}


class Dashboard:
    """The dashboard in the words of Grafana."""

    def __init__(self) -> None:
        self._metrics = {metric.name: metric for metric in register()}
        self._number = 0

    def build(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Return it with these rows."""
        return {
            "uid": "spangate",
            "title": "Spangate",
            "tags": ["spangate", "opentelemetry", "mlflow"],
            "timezone": "browser",
            "schemaVersion": 39,
            "version": 1,
            "editable": True,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "templating": {"list": list(_variables())},
            "annotations": {"list": []},
            "panels": list(self._panels(rows)),
        }

    def _panels(self, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        y = 0
        for row in rows:
            place = {"h": 1, "w": _WIDTH, "x": 0, "y": y}
            yield self._numbered("row", row["row"], place) | {"collapsed": False, "panels": []}
            x, y, below = 0, y + 1, 0
            for panel in row["panels"]:
                width, height = _SIZES[panel.get("kind", "timeseries")]
                width = panel.get("width", width)
                if x + width > _WIDTH:
                    x, y = 0, y + below
                place = {"h": height, "w": width, "x": x, "y": y}
                yield self._panel(panel, place)
                x, below = x + width, height
            y += below

    def _numbered(self, kind: str, title: str, place: dict[str, int]) -> dict[str, Any]:
        self._number += 1
        return {"id": self._number, "type": kind, "title": title, "gridPos": place}

    def _panel(self, panel: dict[str, Any], place: dict[str, int]) -> dict[str, Any]:
        kind = panel.get("kind", "timeseries")
        drawn = {"fillOpacity": 10, "showPoints": "never"} if kind == "timeseries" else {}
        shown = {"unit": panel.get("unit", "short"), "min": 0, "custom": drawn}
        queries = _queries(panel)
        first = self._find(next(iter(queries.values())))
        return self._numbered(kind, panel["title"], place) | {
            "description": panel.get("text", first.text),
            "datasource": _SOURCE,
            "fieldConfig": {"defaults": shown, "overrides": []},
            "options": _OPTIONS[kind],
            "targets": [
                {"refId": chr(65 + at), "datasource": _SOURCE, "expr": self._completed(expr)}
                | ({"legendFormat": legend} if legend else {})
                for at, (legend, expr) in enumerate(queries.items())
            ],
        }

    def _find(self, text: str) -> Metric:
        """Return the first metric that a text names; a KeyError where the register has none."""
        name = _METRIC.findall(text)[0][0]
        if name == "spangate_process_cpu_seconds_total":  # the library's own
            return Metric(name, "counter", (), "")
        return self._metrics.get(name) or self._metrics[_SUFFIX.sub("", name)]

    def _completed(self, expr: str) -> str:
        """Return a query with the labels that every metric gets."""

        def complete(found: re.Match[str]) -> str:
            labels = self._find(found[0]).labels
            series = [_GATEWAYS, *(_CHOSEN[label] for label in _CHOSEN if label in labels)]
            return f"{found[1]}{{{','.join([*series, *filter(None, [found[2]])])}}}"

        return _METRIC.sub(complete, expr).replace("[rate]", "[$__rate_interval]")


def _queries(panel: dict[str, Any]) -> dict[str, str]:
    """Return queries by the legend of their lines."""
    if "queries" in panel:
        return dict(panel["queries"])
    if "quantiles" in panel:
        metric, by = panel["quantiles"], panel["by"]
        buckets = f"sum by (le, {by}) (rate({metric}_bucket[rate]))"
        return {
            f"{{{{{by}}}}} p{round(at * 100)}": f"histogram_quantile({at}, {buckets})"
            for at in (0.5, 0.95, 0.99)
        }
    by = re.search(r" by \((.*?)\)", panel["expr"])
    labels = by[1].split(", ") if by else []
    legend = " ".join(f"{{{{{label}}}}}" for label in labels if label != "le")
    return {legend: panel["expr"]}


def _variables() -> Iterator[dict[str, Any]]:
    yield {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": {},
    }
    yield _variable("namespace", "spangate_queue_spans")
    yield _variable("pod", 'spangate_queue_spans{namespace=~"$namespace"}')
    for label in _CHOSEN:
        yield _variable(label, f"{_CALLS}{{{_GATEWAYS}}}")


def _variable(name: str, series: str) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": f"label_values({series}, {name})", "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def main(arguments: list[str]) -> str:
    """Write the file, or return that it is out of step."""
    rows = yaml.safe_load((CHART / "dashboard.yaml").read_text(encoding="utf-8"))
    text = json.dumps(Dashboard().build(rows), indent=1) + "\n"
    if "--check" not in arguments:
        PATH.write_text(text, encoding="utf-8")
    elif PATH.read_text(encoding="utf-8") != text:
        return f"{PATH.name} is out of step; run python helm/dashboard.py"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) or None)
