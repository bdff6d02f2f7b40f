"""Write the page of metrics out of the register: ``python -m gateway.telemetry.reference FILE``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from prometheus_client import Counter, Gauge, Histogram

from gateway.telemetry import metrics
from gateway.telemetry.histogram import BatchHistogram

_INTRO = """# Metrics

<!-- Written by `make docs` out of the register in gateway/telemetry/metrics.py. -->

Served in Prometheus' format at `service.telemetry.metrics.endpoint` (127.0.0.1:8888 unless told
otherwise), path `/metrics`. A plugin's own are called `spangate_plugin_` and what it named them,
with the label `component`.
"""
_TITLES = {
    "receiver": "Receivers",
    "processor": "Processors",
    "redactions": "Redaction",
    "tail": "Tail sampling",
    "llm": "Calls of models",
    "exporter": "Exporters",
    "queue": "Queues",
    "dead": "Dead letters",
    "workers": "Workers",
    "worker": "Workers",
    "config": "Configuration",
    "process": "The process",
}
_PROCESS = """| `spangate_process_cpu_seconds_total`, `spangate_process_resident_memory_bytes`, \
`spangate_process_virtual_memory_bytes`, `spangate_process_open_fds`, `spangate_process_max_fds`, \
`spangate_process_start_time_seconds` | as other programs' | | What the system says of the \
process (Linux). |"""


class Metric(NamedTuple):
    """One line of the page."""

    name: str
    kind: str
    labels: tuple[str, ...]
    text: str


def register() -> Iterator[Metric]:
    """Yield every metric that is declared, in order."""
    for found in vars(metrics).values():
        if isinstance(found, BatchHistogram):
            yield Metric(found.name, "histogram", found.labels, found.documentation)
        elif isinstance(found, Counter | Gauge | Histogram):
            family = next(iter(found.describe()))
            ending = "_total" if isinstance(found, Counter) else ""
            labels = tuple(found._labelnames)  # noqa: SLF001 - the library does not tell otherwise
            yield Metric(family.name + ending, family.type, labels, family.documentation)


def render() -> str:
    """Return the page."""
    groups: dict[str, list[Metric]] = {}
    for metric in register():
        subject = metric.name.split("_")[1]
        groups.setdefault(_TITLES.get(subject, "Others"), []).append(metric)
    parts = [_INTRO]
    for title, some in groups.items():
        lines = [f"## {title}", "", "| metric | type | labels | says |", "|---|---|---|---|"]
        lines += map(_line, some)
        if title == _TITLES["process"]:
            lines.append(_PROCESS)
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _line(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")
