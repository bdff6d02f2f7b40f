"""
Counters and histograms of the library, quicker to add to: they are, several times a request.

Left out are what it checks each time and what is never used here: exemplars, and that nothing is
added to a metric without its labels, which has no value to add to anyway.
"""

from bisect import bisect_left
from typing import Any

import prometheus_client


class Counter(prometheus_client.Counter):
    """A counter; what is added must not be negative."""

    def inc(self, amount: float = 1, exemplar: Any = None) -> None:
        """Add to it."""
        del exemplar
        self._value.inc(amount)


class Histogram(prometheus_client.Histogram):
    """A histogram that many threads write to."""

    def observe(self, amount: float, exemplar: Any = None) -> None:
        """Add one value."""
        del exemplar
        self._sum.inc(amount)
        self._buckets[bisect_left(self._upper_bounds, amount)].inc(1)
