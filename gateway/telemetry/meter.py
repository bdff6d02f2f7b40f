"""Metrics that plugins declare by using them."""

import re

from prometheus_client import Counter, Gauge

from gateway.telemetry.metrics import REGISTRY

_counters: dict[str, Counter] = {}
_gauges: dict[str, Gauge] = {}


class PluginMeter:
    """
    The metrics of one component: ``spangate_plugin_<name>``, labelled with its id.

    A name keeps the labels it was first used with.
    """

    def __init__(self, component_id: str) -> None:
        self._component_id = component_id

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        full = _full_name(name)
        if full not in _counters:
            _counters[full] = Counter(
                full, "Declared by a plugin.", ("component", *sorted(labels)), registry=REGISTRY
            )
        _counters[full].labels(component=self._component_id, **labels).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        full = _full_name(name)
        if full not in _gauges:
            _gauges[full] = Gauge(
                full, "Declared by a plugin.", ("component", *sorted(labels)), registry=REGISTRY
            )
        _gauges[full].labels(component=self._component_id, **labels).set(value)


def _full_name(name: str) -> str:
    return "spangate_plugin_" + re.sub(r"\W", "_", name)
