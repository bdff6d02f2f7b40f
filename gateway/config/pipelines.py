"""Check what only the whole configuration shows: that its parts fit together."""

import difflib
from collections.abc import Mapping
from typing import Any

from gateway.config import collector
from gateway.config.decode import FAILED, Decoder
from gateway.config.exporting import ExporterConfig
from gateway.config.problems import KeyPath
from gateway.config.settings import ComponentSettings, PipelineConfig, ServiceConfig
from gateway.config.tree import Node
from gateway.plugin import TraceProcessor
from gateway.registry import KINDS, Kind, Registry

Components = Mapping[Kind, Mapping[str, ComponentSettings | None]]
_EXAMPLE = "for example traces: {receivers: [otlp], processors: [], exporters: [mlflow]}"


class PipelineChecker:
    """Check the pipelines against the components; ``None`` stands for one with mistakes."""

    def __init__(self, decoder: Decoder, components: Components) -> None:
        self._decoder = decoder
        self._components = components

    def check(self, service: Node) -> None:
        """Report every mistake in ``service.pipelines``, even where the rest is broken."""
        path: KeyPath = ("service", "pipelines")
        if service.broken or not isinstance(service.value, dict | None):
            return
        pipelines = (service.value or {}).get("pipelines")
        if pipelines is not None and pipelines.broken:
            return
        if pipelines is None or pipelines.value is None or pipelines.value == {}:
            self._decoder.report(path, "there is no pipeline", _EXAMPLE)
        elif isinstance(pipelines.value, dict):
            for name, body in pipelines.value.items():
                self._check_one(name, body, (*path, name))

    def _check_one(self, name: str, body: Node, path: KeyPath) -> None:
        signal, slash, suffix = name.partition("/")
        if signal != "traces" or (slash and not suffix):
            hint = collector.advice_on_pipeline(name)
            self._decoder.report(path, f'unknown pipeline "{name}"', hint)
            return
        if body.broken or not isinstance(body.value, dict | None):
            return
        for kind in KINDS:
            self._check_list(kind, (body.value or {}).get(kind), (*path, kind))

    def _check_list(self, kind: Kind, node: Node | None, path: KeyPath) -> None:
        ids = _ids(node)
        if ids is None:
            return
        if not ids and kind != "processors":
            known = ", ".join(self._components[kind]) or "none is defined yet"
            hint = f"name at least one of: {known}"
            self._decoder.report(path, f"a pipeline needs {_article(kind)}", hint)
        seen: set[str] = set()
        for at, name in ids:
            if name in seen:
                self._decoder.report((*path, at), f'"{name}" stands twice', "remove one of the two")
            seen.add(name)
            if name not in self._components[kind]:
                self._dangling(kind, name, (*path, at))
        if kind == "processors":
            self._check_order(ids, path)

    def _dangling(self, kind: Kind, name: str, path: KeyPath) -> None:
        known = list(self._components[kind])
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
        elsewhere = [other for other in KINDS if name in self._components[other]]
        if close:
            hint = f'did you mean "{close[0]}"?'
        elif advice := collector.advice_on_type(kind, name.partition("/")[0]):
            hint = advice
        elif elsewhere:
            hint = f'"{name}" stands under {elsewhere[0]}, not under {kind}'
        else:
            hint = (
                f"define it under {kind}, or name one of: {', '.join(known) or 'none is defined'}"
            )
        self._decoder.report(path, f'{kind[:-1]} "{name}" is not defined', hint)

    def _check_order(self, ids: list[tuple[int, str]], path: KeyPath) -> None:
        """Let only ``memory_limiter`` stand before ``redaction``, and nothing before that."""
        types = [name.partition("/")[0] for _, name in ids]
        for place, (at, name) in enumerate(ids):
            before = set(types[:place])
            if types[place] == "memory_limiter" and before - {"memory_limiter"}:
                self._decoder.report(
                    (*path, at), f'"{name}" must be the first processor', "move it to the front"
                )
            if types[place] == "redaction" and before - {"memory_limiter", "redaction"}:
                self._decoder.report(
                    (*path, at),
                    f'only memory_limiter may stand before "{name}", so that nothing sees what it '
                    "removes",
                    "move it to the front, or behind memory_limiter",
                )
        self._check_stages(ids, path)

    def _check_stages(self, ids: list[tuple[int, str]], path: KeyPath) -> None:
        """Let one processor at the most judge whole traces, as the last of its pipeline."""
        judges: list[str] = []
        for at, name in ids:
            known = self._components["processors"].get(name)
            is_judge = known is not None and issubclass(known.component, TraceProcessor)
            if judges and is_judge:
                self._decoder.report(
                    (*path, at),
                    f'"{judges[0]}" decides on whole traces already, and a pipeline has one that '
                    "does",
                    "join their policies in one, or use a second pipeline",
                )
            elif judges:
                self._decoder.report(
                    (*path, at),
                    f'"{name}" stands behind "{judges[0]}", which decides on whole traces: it '
                    "would see nothing",
                    f'move it before "{judges[0]}"',
                )
            if is_judge:
                judges.append(name)

    def check_queues(self, service: Any) -> None:
        """Refuse queues in memory that several workers cannot share."""
        if service is FAILED or not isinstance(service, ServiceConfig) or service.workers == 1:
            return
        for name, exporter in self._components["exporters"].items():
            if exporter is not None and _storage(exporter) == "memory":
                self._decoder.report(
                    ("exporters", name, "sending_queue", "storage"),
                    f"storage: memory needs service.workers: 1, found {service.workers}",
                    "write storage: disk, which workers share, or workers: 1",
                )


def warnings(
    service: ServiceConfig,
    components: Mapping[Kind, Mapping[str, ComponentSettings]],
    registry: Registry,
) -> list[str]:
    """Return what is legal but hardly meant."""
    found = []
    for kind in KINDS:
        used = {name for pipeline in service.pipelines.values() for name in getattr(pipeline, kind)}
        found += [
            f"{kind}.{name} is defined, but no pipeline uses it"
            for name in components[kind]
            if name not in used
        ]
    if "redaction" in registry.types("processors"):
        for name, pipeline in service.pipelines.items():
            found += _unredacted(name, pipeline, components["exporters"])
    return found


def _unredacted(
    name: str, pipeline: PipelineConfig, exporters: Mapping[str, ComponentSettings]
) -> list[str]:
    if pipeline.redacted_upstream:
        return []
    if any(processor.partition("/")[0] == "redaction" for processor in pipeline.processors):
        return []
    on_disk = [each for each in pipeline.exporters if _storage(exporters[each]) == "disk"]
    if not on_disk:
        return []
    what = "has no redaction: PII and secrets in spans reach the disk through the queue of"
    return [f"service.pipelines.{name} {what} {', '.join(on_disk)}"]


def _storage(exporter: ComponentSettings) -> str:
    config = exporter.config
    return config.sending_queue.storage if isinstance(config, ExporterConfig) else ""


def _ids(node: Node | None) -> list[tuple[int, str]] | None:
    """Return the ids that can be read with their positions; ``None`` where it is no list."""
    if node is None or (node.value is None and not node.broken):
        return []
    if node.broken or not isinstance(node.value, list):
        return None
    return [(at, item.value) for at, item in enumerate(node.value) if isinstance(item.value, str)]


def _article(kind: Kind) -> str:
    return "an exporter" if kind == "exporters" else f"a {kind[:-1]}"
