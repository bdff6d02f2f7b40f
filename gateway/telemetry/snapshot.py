"""
Metrics of several processes in one: each sends what its register holds, all are added up.

What a process counted stays when it has ended; its gauges go.
"""

import operator
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

_ADDED = ("counter", "histogram", "summary")
_GREATEST = (
    "_age_seconds", "_parked_destinations", "_memory_used_bytes", "_soft_limit_bytes", "_max_fds",
)  # fmt: skip
_LEAST = ("_start_time_seconds",)
"""Endings of gauges of which the greatest or the least counts; all others are added."""


class Family(msgspec.Struct, array_like=True, gc=False):
    """One metric with its samples: name, labels one behind the other, and value."""

    name: str
    documentation: str
    kind: str
    samples: list[tuple[str, tuple[str, ...], float]]


_Key = tuple[str, tuple[str, ...]]


def take(registry: CollectorRegistry) -> list[Family]:
    """Return all that a register holds."""
    return [_family(metric) for metric in registry.collect()]


def _family(metric: Metric) -> Family:
    samples = [
        (sample.name, tuple(chain.from_iterable(sample.labels.items())), sample.value)
        for sample in metric.samples
    ]
    return Family(metric.name, metric.documentation, metric.type, samples)


class Merged(CollectorRegistry):
    """A register that adds up what it is given, and itself holds nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self._live: dict[int, list[Family]] = {}
        self._ended: dict[str, Family] = {}

    def update(self, number: int, families: list[Family]) -> None:
        """Take what the register of a process holds now."""
        self._live[number] = families

    def ended(self, number: int) -> None:
        """Keep what a process counted; it has ended."""
        counted = [f for f in self._live.pop(number, []) if f.kind in _ADDED]
        self._ended = {family.name: family for family in _add([self._ended.values(), counted])}

    def collect(self) -> Iterator[Metric]:
        """Yield the sums."""
        for family in _add([self._ended.values(), *self._live.values()]):
            metric = Metric(family.name, family.documentation, family.kind)
            for name, labels, value in family.samples:
                pairs = zip(labels[::2], labels[1::2], strict=True)
                metric.add_sample(name, dict(pairs), value)
            yield metric


def _add(all_families: Iterable[Iterable[Family]]) -> list[Family]:
    found: dict[str, tuple[Family, dict[_Key, float]]] = {}
    for families in all_families:
        for family in families:
            _, sums = found.setdefault(family.name, (family, {}))
            together = _rule(family.name)
            for name, labels, value in family.samples:
                key = name, labels
                sums[key] = together(sums[key], value) if key in sums else value
    return [
        Family(
            family.name,
            family.documentation,
            family.kind,
            [(*key, value) for key, value in sums.items()],
        )
        for family, sums in found.values()
    ]


def _rule(name: str) -> Callable[[float, float], float]:
    if name.endswith(_GREATEST):
        return max
    return min if name.endswith(_LEAST) else operator.add
