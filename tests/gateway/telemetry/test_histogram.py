"""What a histogram that takes batches promises."""

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from gateway.telemetry.histogram import BatchHistogram

BOUNDS = (0.5, 1, 10)


def test_it_reads_as_the_librarys_own() -> None:
    """The same values give the same lines as prometheus_client's histogram, bounds included."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    values = [0, 0.5, 0.7, 1, 1.5, 10, 11, 250]
    BatchHistogram("taken_seconds", "How long.", ("a", "b"), buckets=BOUNDS, registry=ours).add(
        ("x", 'y"\n'), values
    )
    expected = Histogram("taken_seconds", "How long.", ("a", "b"), buckets=BOUNDS, registry=theirs)
    for value in values:
        expected.labels("x", 'y"\n').observe(value)
    written = [line for line in generate_latest(theirs).splitlines() if b"_created" not in line]
    assert written == generate_latest(ours).splitlines()


def test_labels_are_kept_apart() -> None:
    """Each set of labels has its own counts, and batches add up."""
    registry = CollectorRegistry()
    histogram = BatchHistogram("taken_seconds", "", ("a",), buckets=BOUNDS, registry=registry)
    histogram.add(("x",), [0.1])
    histogram.add(("x",), [20.0])
    histogram.add(("y",), [])
    assert 2 == registry.get_sample_value("taken_seconds_count", {"a": "x"})
    assert 20.1 == registry.get_sample_value("taken_seconds_sum", {"a": "x"})
    assert 0 == registry.get_sample_value("taken_seconds_count", {"a": "y"})
