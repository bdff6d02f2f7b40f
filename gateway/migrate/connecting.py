"""Pipelines that connectors join, as pipelines of their own from receivers to exporters."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.migrate import ottl
from gateway.migrate.processors import Migrated as Processors
from gateway.migrate.source import Report, type_of

_ROUTE = re.compile(r"\s*route\(\)(?:\s+where\s+(.*\S))?\s*", re.DOTALL)
_ROUTED = "its conditions became filters of the pipelines behind it"
_FORWARDED = "the processors of the pipelines before and behind it were joined"
_MATCH_ALL = "true"

Conditions = dict[str, list[str]]
"""What ``filter`` drops, by level."""


class _Feed(NamedTuple):
    """What goes into a pipeline: from which receivers, through which processors."""

    receivers: list[str]
    processors: list[str]


class _Route(NamedTuple):
    """An entry of a routing table."""

    level: str
    condition: str
    pipelines: list[str]
    is_last: bool
    """Whether what meets the condition is not asked for by later entries."""


class _Joins:
    """The connectors from traces to traces, by what they let through to each pipeline."""

    def __init__(self, processors: Processors) -> None:
        self._processors = processors
        self._let_through: dict[str, dict[str, list[Conditions]] | None] = {}

    def read(self, connectors: Mapping[str, Any], report: Report) -> None:
        """Take in the connectors that can be done without."""
        for name, settings in connectors.items():
            if type_of(name) == "forward":
                self._let_through[name] = None
            elif type_of(name) == "routing":
                try:
                    self._let_through[name] = _routed(settings or {})
                except ottl.UnsupportedError as error:
                    report.note(("connectors", name), f"left out, {error}")

    def __contains__(self, name: str) -> bool:
        return name in self._let_through

    def filters(self, name: str, pipeline: str) -> Iterator[list[str]]:
        """Yield the processors by which a connector's spans get into a pipeline, for each way."""
        routed = self._let_through[name]
        if routed is None:
            yield []
            return
        for conditions in routed.get(pipeline, []):
            yield [self._filter(pipeline, conditions)] if conditions else []

    def _filter(self, pipeline: str, conditions: Conditions) -> str:
        settings = {"error_mode": "propagate", "traces": conditions}
        known = self._processors.settings
        base, number = f"filter/to_{pipeline.replace('/', '_')}", 1
        name = base
        while known.get(name, settings) != settings:
            number += 1
            name = f"{base}_{number}"
        known[name] = settings
        self._processors.names[name] = name
        return name


def joined(
    given: Mapping[str, Any],
    connectors: Mapping[str, Any],
    processors: Processors,
    report: Report,
) -> dict[str, dict[str, Any]]:
    """
    Return the pipelines for traces without the connectors that join them, which are noted.

    A pipeline that is fed in several ways becomes several, since each has processors of its own.
    The processors get filters for what is routed.
    """
    joins = _Joins(processors)
    joins.read(connectors, report)
    traces = {
        name: settings for name, settings in given.items()
        if type_of(name) == "traces" and isinstance(settings, Mapping)
    }  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for name, settings in traces.items():
        exporters = _names(settings, "exporters")
        for connector in (one for one in exporters if one in joins):
            what = _ROUTED if type_of(connector) == "routing" else _FORWARDED
            report.note(("service", "pipelines", name, "exporters"), f"{connector}: {what}")
        left = [one for one in exporters if one not in joins]
        if exporters and not left:
            continue  # all of it goes on behind a connector
        for at, feed in enumerate(_feeds(name, traces, joins, ())):
            feeding = {**settings, **feed._asdict(), "exporters": left}
            found[name if at == 0 else f"{name}_{at + 1}"] = feeding
    return found


def _feeds(
    name: str, traces: Mapping[str, Any], joins: _Joins, behind: tuple[str, ...]
) -> Iterator[_Feed]:
    """Yield the ways into a pipeline."""
    receivers, own = (_names(traces[name], key) for key in ("receivers", "processors"))
    direct = [one for one in receivers if one not in joins]
    if direct or not receivers:
        yield _Feed(direct, own)
    for source, settings in traces.items():
        exporters = _names(settings, "exporters")
        for connector in (one for one in receivers if one in joins and one in exporters):
            if source in (name, *behind):
                continue
            for feed in _feeds(source, traces, joins, (name, *behind)):
                for filters in joins.filters(connector, name):
                    yield _Feed(feed.receivers, [*feed.processors, *filters, *own])


def _routed(settings: Mapping[str, Any]) -> dict[str, list[Conditions]]:
    """
    Return what is to be dropped before each pipeline of a routing connector, for each way there.

    Raises:
        UnsupportedError: a condition cannot be asked here.

    """
    first_only = settings.get("match_once") is not False
    found: dict[str, list[Conditions]] = {}
    taken: Conditions = {}
    for entry in settings.get("table") or []:
        route = _route(entry)
        before = {level: list(some) for level, some in taken.items()}
        if route.condition != _MATCH_ALL:
            before.setdefault(route.level, []).append(f"!({route.condition})")
        for pipeline in route.pipelines:
            found.setdefault(pipeline, []).append(before)
        if first_only and route.is_last:
            taken.setdefault(route.level, []).append(route.condition)
    for pipeline in settings.get("default_pipelines") or []:
        found.setdefault(str(pipeline), []).append(taken)
    return found


def _route(entry: Mapping[str, Any]) -> _Route:
    level = str(entry.get("context") or "resource")
    if level not in ("resource", "span"):
        raise ottl.UnsupportedError(f"routing by {level} has no counterpart")
    condition = str(entry.get("condition") or "")
    if statement := entry.get("statement"):
        where = _ROUTE.fullmatch(str(statement))
        if where is None:
            raise ottl.UnsupportedError(f"{statement} has no counterpart")
        condition = where[1] or ""
    pipelines = [str(name) for name in entry.get("pipelines") or []]
    ours = ottl.condition(condition) if condition else _MATCH_ALL
    return _Route(level, ours, pipelines, entry.get("action") != "copy")


def _names(settings: Mapping[str, Any], key: str) -> list[str]:
    return [str(name) for name in settings.get(key) or []]
