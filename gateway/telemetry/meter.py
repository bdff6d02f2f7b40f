"""Metrics that plugins declare by using them."""

import re
import threading
from typing import NamedTuple, TypeVar

from prometheus_client import Counter, Gauge

from gateway.telemetry import logs
from gateway.telemetry.metrics import REGISTRY

MAX_SERIES = 1000
"""Combinations of labels that one metric of a plugin may have; more would fill the memory."""

M = TypeVar("M", Counter, Gauge)


class _Declared(NamedTuple):
    metric: Counter | Gauge
    labels: tuple[str, ...]
    series: set[tuple[str, ...]]


_declared: dict[str, _Declared] = {}
_declaring = threading.Lock()


class PluginMeter:
    """
    The metrics of one component: ``spangate_plugin_<name>``, labelled with its id.

    A name keeps the kind and the labels it was first used with. Whatever breaks that is left out
    of the metrics and told once in the log: no batch is lost over a metric.
    """

    def __init__(self, component_id: str) -> None:
        self._component_id = component_id
        self._logger = logs.get(component_id)
        self._told: set[str] = set()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        try:
            self._series(Counter, name, labels).inc(amount)
        except ValueError as error:
            self._tell(name, error)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        try:
            self._series(Gauge, name, labels).set(value)
        except ValueError as error:
            self._tell(name, error)

    def _series(self, kind: type[M], name: str, labels: dict[str, str]) -> M:
        """
        Return a metric with its labels set.

        Raises:
            ValueError: the name is used differently elsewhere, or there are too many series.

        """
        names: tuple[str, ...] = tuple(sorted(labels))
        values = (self._component_id, *(str(labels[one]) for one in names))
        declared = _declare(kind, "spangate_plugin_" + re.sub(r"[^a-zA-Z0-9_]", "_", name), names)
        if not isinstance(declared.metric, kind):
            other = type(declared.metric).__name__.lower()
            raise ValueError(f"the name is that of a {other}; choose another")  # noqa: TRY004 - told like the other mistakes
        if declared.labels != names:
            raise ValueError(f"it has the labels {declared.labels}, and always must")
        if values not in declared.series:
            if len(declared.series) >= MAX_SERIES:
                raise ValueError(f"it has {MAX_SERIES} label values already; label with fewer")
            declared.series.add(values)
        return declared.metric.labels(*values)

    def _tell(self, name: str, mistake: ValueError) -> None:
        if name not in self._told:
            self._told.add(name)
            self._logger.warning("metric left out", metric=name, reason=str(mistake))


def _declare(kind: type[Counter | Gauge], full: str, names: tuple[str, ...]) -> _Declared:
    if "component" in names:
        raise ValueError("the label component is set by the gateway; choose another")
    with _declaring:
        if full not in _declared:
            metric = kind(full, "Declared by a plugin.", ("component", *names), registry=REGISTRY)
            _declared[full] = _Declared(metric, names, set())
        return _declared[full]
