"""Metrics of several processes, told as those of one gateway."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.telemetry.snapshot import Family, Merged, take


def process(spans: int, waiting: float, age: float) -> list[Family]:
    """Return what the register of a worker holds."""
    registry = CollectorRegistry()
    Counter("sent_spans_total", "Sent.", ("exporter",), registry=registry).labels("a").inc(spans)
    Gauge("queue_spans", "Waiting.", registry=registry).set(waiting)
    Gauge("queue_oldest_age_seconds", "Age.", registry=registry).set(age)
    Histogram("duration", "Time.", registry=registry, buckets=(1, 10)).observe(5)
    return take(registry)


def told(merged: Merged) -> set[str]:
    lines = generate_latest(merged).decode().splitlines()
    return {line for line in lines if not line.startswith("#") and "_created" not in line}


def test_what_is_counted_is_added_up() -> None:
    """Counters and histograms of all workers make one; of ages the greatest counts."""
    merged = Merged()
    merged.update(0, process(spans=3, waiting=1, age=7))
    merged.update(1, process(spans=4, waiting=2, age=5))

    assert {
        'sent_spans_total{exporter="a"} 7.0',
        "queue_spans 3.0",
        "queue_oldest_age_seconds 7.0",
        'duration_bucket{le="1.0"} 0.0',
        'duration_bucket{le="10.0"} 2.0',
        'duration_bucket{le="+Inf"} 2.0',
        "duration_count 2.0",
        "duration_sum 10.0",
    } == told(merged)


def test_a_dead_workers_counters_stay_and_its_gauges_go() -> None:
    """What was sent was sent; what waited waits elsewhere now."""
    merged = Merged()
    merged.update(0, process(spans=3, waiting=1, age=7))
    merged.ended(0)
    merged.update(0, process(spans=4, waiting=2, age=5))

    lines = told(merged)

    assert 'sent_spans_total{exporter="a"} 7.0' in lines
    assert "queue_spans 2.0" in lines


def test_a_later_snapshot_replaces_the_earlier() -> None:
    """A worker's own counters are totals."""
    merged = Merged()
    merged.update(0, process(spans=3, waiting=1, age=7))
    merged.update(0, process(spans=5, waiting=1, age=7))

    assert 'sent_spans_total{exporter="a"} 5.0' in told(merged)
