"""The metrics as people read them."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from gateway.telemetry import figures, metrics
from gateway.telemetry.figures import MOST_MODELS, ExporterFigures, Figures, ReceiverFigures


def test_counts_are_sorted_by_who_they_concern() -> None:
    """Receivers, processors and exporters get what their metrics say."""
    metrics.receiver_accepted_spans.labels("otlp/figures", "grpc").inc(5)
    metrics.receiver_refused_spans.labels("otlp/figures", "grpc", "busy").inc(2)
    metrics.processor_incoming_spans.labels("traces/figures", "cost").inc(5)
    metrics.processor_outgoing_spans.labels("traces/figures", "cost").inc(4)
    metrics.processor_dropped_spans.labels("traces/figures", "cost").inc(1)
    metrics.processor_refused_spans.labels("traces/figures", "cost").inc(6)
    metrics.processor_duration.labels("traces/figures", "cost").observe(0.5)
    metrics.exporter_sent_spans.labels("mlflow/figures").inc(3)
    metrics.exporter_send_failed_spans.labels("mlflow/figures", "refused").inc(1)

    read = figures.read(metrics.REGISTRY.collect())

    receiver = next(one for one in read.receivers if one.receiver == "otlp/figures")
    assert receiver == ReceiverFigures(
        receiver="otlp/figures", transport="grpc", accepted_spans=5, refused_spans={"busy": 2}
    )
    processor = next(one for one in read.processors if one.pipeline == "traces/figures")
    assert (5, 4, 1, 6, 1, 0.5) == (
        processor.incoming_spans,
        processor.outgoing_spans,
        processor.dropped_spans,
        processor.refused_spans,
        processor.batches,
        processor.seconds,
    )
    exporter = next(one for one in read.exporters if one.exporter == "mlflow/figures")
    assert exporter == ExporterFigures(
        exporter="mlflow/figures", sent_spans=3, failed_spans={"refused": 1}
    )


def test_sampling_is_told_by_pipeline() -> None:
    """What is undecided, kept and dropped of whole traces, and which policies decided."""
    metrics.sampling_open_traces.labels("traces/sampled").set(7)
    metrics.sampling_traces.labels("traces/sampled", "kept", "errors").inc(2)
    metrics.sampling_traces.labels("traces/sampled", "dropped", "rest").inc(8)

    read = figures.read(metrics.REGISTRY.collect())

    (sampling,) = (one for one in read.sampling if one.pipeline == "traces/sampled")
    assert (7, 2, 8, {"errors": 2, "rest": 8}) == (
        sampling.undecided_traces,
        sampling.kept_traces,
        sampling.dropped_traces,
        sampling.policies,
    )


def test_models_have_whatever_is_counted_of_them() -> None:
    """Figures of models are found by their names, added up over services and tenants."""
    registry = CollectorRegistry()
    labels = ("direction", "model", "service")
    tokens = Counter("spangate_llm_tokens_total", "x", labels, registry=registry)
    cost = Counter("spangate_llm_cost_usd_total", "x", ("model",), registry=registry)
    lasted = Histogram("spangate_llm_duration_seconds", "x", ("model",), registry=registry)
    tokens.labels("input", "gpt", "a").inc(10)
    tokens.labels("input", "gpt", "b").inc(5)
    tokens.labels("output", "gpt", "a").inc(2)
    cost.labels("gpt").inc(0.25)
    lasted.labels("gpt").observe(3)

    models = figures.read(registry.collect()).models

    assert ["gpt"] == list(models)
    assert (15, 2, 0.25, 1, 3) == tuple(
        models["gpt"][name]
        for name in (
            "tokens_input",
            "tokens_output",
            "cost_usd",
            "duration_seconds_count",
            "duration_seconds_sum",
        )
    )


def test_of_many_models_the_dearest_are_shown() -> None:
    """What the page gets is bounded, however many models there are."""
    registry = CollectorRegistry()
    cost = Counter("spangate_llm_cost_usd_total", "x", ("model",), registry=registry)
    for number in range(MOST_MODELS * 3):
        cost.labels(f"m{number}").inc(number)

    models = figures.read(registry.collect()).models

    assert [f"m{MOST_MODELS * 3 - 1 - at}" for at in range(MOST_MODELS)] == list(models)


def test_foreign_metrics_do_not_matter() -> None:
    """Metrics of a plugin or of a library are left alone."""
    registry = CollectorRegistry()
    Counter("spangate_receiver_odd_total", "x", registry=registry).inc()
    Counter("python_info_total", "x", registry=registry).inc()

    assert Figures() == figures.read(registry.collect())
