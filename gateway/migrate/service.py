"""Pipelines, extensions and telemetry of the Collector."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.migrate.connecting import joined
from gateway.migrate.exporters import Migrated as Exporters
from gateway.migrate.exporters import batches
from gateway.migrate.processors import Migrated as Processors
from gateway.migrate.source import MigrationError, Report, Section, type_of

_OURS = ("redaction", "mlflow_mapping", "cost")
_FIRST = ("memory_limiter", "redaction")
_SAMPLERS = ("probabilistic_sampler", "tail_sampling")
_SEEN = "health_check", "healthcheckv2"
_EXTENSIONS = {
    "pprof": "profile the process with a tool such as py-spy",
    "zpages": "see the status page and spangate why TRACE_ID",
    "memory_limiter": "write the processor memory_limiter",
    "memory_ballast": "there is no garbage collector to be held back; remove it",
    "headers_setter": "an exporter's headers are its own; routing headers of clients go to MLflow",
    "oidc": "senders show tokens, passwords or certificates: receivers.otlp.auth.tenants",
    "opamp": "there is no remote control; SIGHUP reads the configuration again",
}
_CONNECTORS = {
    "spanmetrics": "figures of calls of models are at service.telemetry.metrics; for others keep a "
    "Collector behind",
    "routing": "write exporters.mlflow.experiment.rules, or several pipelines with filter",
    "failover": "an exporter keeps its spans until the backend is back",
    "count": "counts of spans are at service.telemetry.metrics",
}


class Parts(NamedTuple):
    """What pipelines are made of."""

    receivers: Mapping[str, Any]
    processors: Processors
    exporters: Exporters
    connectors: Mapping[str, Any]


def pipelines(given: Mapping[str, Any], parts: Parts, report: Report) -> dict[str, Any]:
    """
    Return the pipelines for traces.

    Raises:
        MigrationError: there is none.

    """
    found: dict[str, Any] = {}
    for name in given:
        if type_of(name) != "traces":
            path = ("service", "pipelines", name)
            report.note(path, "no counterpart: only traces are taken; keep a Collector for these")
    for name, settings in joined(given, parts.connectors, parts.processors, report).items():
        path = ("service", "pipelines", name)
        section = Section(settings, path, report)
        pipeline = _pipeline(section, parts)
        section.finish()
        if pipeline["receivers"] and pipeline["exporters"]:
            found[name] = pipeline
        else:
            report.note(path, "left out: nothing of what it receives from or sends to is left")
    if not found:
        raise MigrationError(
            "no pipeline for traces is left: it needs an otlp receiver and an exporter that is "
            "known here (otlp, otlphttp, file, debug, loadbalancing)"
        )
    return found


def _pipeline(section: Section, parts: Parts) -> dict[str, Any]:
    processors, exporters = parts.processors, parts.exporters
    senders = [name for name in section.take("receivers") or [] if name in parts.receivers]
    targets = list(section.take("exporters") or [])
    to = [exporters.names[name] for name in targets if name in exporters.names]
    for name in targets:
        if name in parts.connectors:
            hint = _CONNECTORS.get(type_of(name), "there are no connectors")
            section.report.note((*section.path, "exporters"), f"no counterpart: {name}: {hint}")
    listed = list(section.take("processors") or [])
    for name in listed:
        if name in processors.batches:
            for exporter in to:
                _batch(processors.batches[name], exporters.settings[exporter])
    steps = [processors.names[name] for name in listed if name in processors.names]
    if senders and any(exporter in exporters.to_mlflow for exporter in to):
        steps = _completed(steps, processors, section)
    _note_redaction(steps, section)
    return {"receivers": senders, "processors": _ordered(steps), "exporters": to}


def _batch(given: Section, exporter: dict[str, Any]) -> None:
    """Give an exporter the sizes of a batch processor."""
    section = given.copy()
    into: dict[str, Any] = {}
    section.move(into, send_batch_max_size="max", send_batch_size="least", timeout="wait")
    for key in ("metadata_keys", "metadata_cardinality_limit"):
        section.note(key, "requests are grouped by where they go")
    section.finish()
    batches(Section(into, given.path, given.report), exporter, "max", "least", "wait")


def _completed(steps: list[str], processors: Processors, section: Section) -> list[str]:
    """Add what makes traces safe and meaningful in MLflow."""
    added = [name for name in _OURS if all(type_of(step) != name for step in steps)]
    for name in added:
        processors.settings.setdefault(name, {})
    if added:
        section.report.note(
            (*section.path, "processors"),
            f"added {', '.join(added)}: what traces need in MLflow; take out what you do not want",
        )
    first = [name for name in added if name == "redaction"]
    return [*first, *steps, *(name for name in added if name not in first)]


def _note_redaction(steps: list[str], section: Section) -> None:
    """Say that redaction comes before what stood before it."""
    kinds = [type_of(step) for step in steps]
    if "redaction" in kinds and set(kinds[: kinds.index("redaction")]) - {"memory_limiter"}:
        section.report.note(
            (*section.path, "processors"),
            "redaction was moved to the front, so that nothing sees what it removes",
        )


def _ordered(steps: list[str]) -> list[str]:
    """Put limiter and redaction first, samplers last, and leave the others as they are."""

    def place(step: str) -> int:
        kind = type_of(step)
        if kind in _FIRST:
            return _FIRST.index(kind)
        return 3 + _SAMPLERS.index(kind) if kind in _SAMPLERS else 2

    return sorted(dict.fromkeys(steps), key=place)


def telemetry(service: Section, extensions: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Return ``telemetry``: metrics, logs, and the status page in place of health checks."""
    found: dict[str, Any] = {}
    given = service.section("telemetry")
    metrics = given.section("metrics")
    if endpoint := _metrics_endpoint(metrics):
        found["metrics"] = {"endpoint": endpoint}
    metrics.take("level")
    metrics.finish()
    logs = given.section("logs")
    ours: dict[str, Any] = {}
    if level := logs.take("level"):
        ours["level"] = str(level).lower()
    if encoding := logs.take("encoding"):
        ours["format"] = encoding
    logs.take("sampling")
    logs.finish()
    if ours:
        found["logs"] = ours
    given.finish()
    _extensions(service, extensions, found, report)
    return found


def _metrics_endpoint(metrics: Section) -> str | None:
    address = metrics.take("address")
    if address:
        return str(address)
    for reader in metrics.take("readers") or []:
        exporter = (reader.get("pull") or {}).get("exporter") or {}
        if "prometheus" in exporter:
            where = exporter["prometheus"] or {}
            return f"{where.get('host', '127.0.0.1')}:{where.get('port', 8888)}"
    return None


def _extensions(
    service: Section, given: Mapping[str, Any], found: dict[str, Any], report: Report
) -> None:
    service.take("extensions")
    for extension_id, settings in given.items():
        kind = type_of(extension_id)
        path = ("extensions", extension_id)
        section = Section(settings, path, report)
        if kind in _SEEN:
            endpoint = section.take("endpoint") or section.section("http").take("endpoint")
            found["status"] = {"endpoint": endpoint or "127.0.0.1:13133"}
            report.note(path, "the probes are /live and /ready of service.telemetry.status")
        elif kind == "file_storage":
            report.note(path, "queues are on disk by themselves, below service.data_dir")
        elif kind not in ("basicauth", "bearertokenauth"):
            report.note(path, f"no counterpart: {_EXTENSIONS.get(kind, 'there are no extensions')}")
