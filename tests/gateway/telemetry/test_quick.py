"""What the quick counters and histograms show is what the library's own would show."""

import prometheus_client
from prometheus_client import CollectorRegistry, generate_latest

from gateway.telemetry import quick

BOUNDS = (0.001, 0.01, 1)
VALUES = (0.0, 0.001, 0.0011, 0.01, 0.5, 1, 1.5, 100)


def shown(registry: CollectorRegistry) -> list[str]:
    """Return what Prometheus reads, but for the time when a metric was made."""
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


def test_a_counter() -> None:
    """Whole and broken amounts add up under their labels."""
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    for kind, registry in ((prometheus_client.Counter, theirs), (quick.Counter, ours)):
        counter = kind("spans_total", "Spans.", ("receiver",), registry=registry)
        counter.labels("a").inc()
        counter.labels("a").inc(2.5)
        counter.labels("b").inc(0)

    assert shown(theirs) == shown(ours)
    assert 3.5 == ours.get_sample_value("spans_total", {"receiver": "a"})


def test_a_histogram() -> None:
    """Values on, between and beyond the bounds come into the same buckets."""
    theirs, ours = CollectorRegistry(), CollectorRegistry()
    for kind, registry in ((prometheus_client.Histogram, theirs), (quick.Histogram, ours)):
        histogram = kind("seconds", "Took.", ("processor",), buckets=BOUNDS, registry=registry)
        for value in VALUES:
            histogram.labels("a").observe(value)

    assert shown(theirs) == shown(ours)
    assert 8 == ours.get_sample_value("seconds_count", {"processor": "a"})
