"""A histogram that takes a batch of values at once, which is several times cheaper than each."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class BatchHistogram(Collector):
    """
    A Prometheus histogram, updated once a batch; used from the event loop only.

    Args:
        buckets: upper bounds, ascending, without the infinite one.

    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        *,
        buckets: Sequence[float],
        registry: CollectorRegistry,
    ) -> None:
        self.name = name
        self.documentation = documentation
        self.labels = tuple(labels)
        self.buckets = tuple(buckets)
        self._names = [*map(floatToGoString, buckets), "+Inf"]
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}
        registry.register(self)

    def add(self, labels: tuple[str, ...], values: Iterable[float]) -> None:
        """Add values under the same labels."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._counts[labels] = [0] * len(self._names)
            self._sums[labels] = 0.0
        bounds, total = self.buckets, 0.0
        for value in values:
            counts[bisect_left(bounds, value)] += 1
            total += value
        self._sums[labels] += total

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Return what the registry wants to know before there are values."""
        yield HistogramMetricFamily(self.name, self.documentation, labels=self.labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the values as Prometheus reads them: buckets add up."""
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, counts in self._counts.items():
            buckets: list[tuple[str, float]] = []
            below = 0
            for name, count in zip(self._names, counts, strict=True):
                below += count
                buckets.append((name, float(below)))
            family.add_metric(labels, buckets=buckets, sum_value=self._sums[labels])
        yield family
