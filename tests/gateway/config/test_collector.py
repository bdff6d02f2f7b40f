"""What users who come from the OpenTelemetry Collector are promised: to be shown the way."""

import pytest

from gateway.config.collector import advice, advice_on_pipeline
from gateway.registry import Registry
from tests.gateway.config.support import Loading

COLLECTOR = """\
extensions:
  health_check: {endpoint: 127.0.0.1:13133}
receivers:
  otlp:
    protocols:
      grpc: {include_metadata: true}
      http: {traces_url_path: /v1/traces, max_request_body_size: 1000}
processors:
  batch: {send_batch_size: 100, timeout: 1s}
exporters:
  otlp/backend: {endpoint: tempo:4317}
  otlphttp: {endpoint: http://backend:4318}
  otlp_grpc:
    endpoint: tempo:4317
    sending_queue: {storage: file_storage, queue_size: 5000, num_consumers: 10, batch: {}}
    retry_on_failure: {randomization_factor: 2}
    batch: {send_batch_size: 5, timeout: 1s}
    auth: {authenticator: oidc}
  logging: {loglevel: debug}
connectors: {count: {}}
service:
  extensions: [health_check]
  telemetry: {traces: {}, metrics: {level: detailed, readers: []}, logs: {encoding: json}}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp/backend]}
    logs: {receivers: [otlp], exporters: [logging]}
"""


def test_says_where_everything_of_a_collector_is_here(loading: Loading) -> None:
    """Each part of a Collector's configuration that we lack gets a word on where ours is."""
    found = {one.path: one.hint for one in loading.problems(COLLECTOR, registry=Registry())}

    for path, hint in {
        "extensions": "health_check is service.telemetry.status",
        "connectors": "list several exporters in a pipeline",
        "service.extensions": "file_storage is sending_queue: {storage: disk}",
        "receivers.otlp.protocols.grpc.include_metadata": "always kept",
        "receivers.otlp.protocols.http.traces_url_path": "write traces_url_paths",
        "receivers.otlp.protocols.http.max_request_body_size": "max_request_body_size_mib",
        "processors.batch": "exporters.<id>.batch",
        "exporters.otlp/backend": "write otlp_grpc",
        "exporters.otlphttp": "write otlp_http",
        "exporters.logging": "write debug",
        "exporters.otlp_grpc.sending_queue.storage": "write storage: disk",
        "exporters.otlp_grpc.sending_queue.queue_size": "max_size_mib",
        "exporters.otlp_grpc.sending_queue.num_consumers": "num_lanes",
        "exporters.otlp_grpc.sending_queue.batch": "beside sending_queue",
        "exporters.otlp_grpc.retry_on_failure.randomization_factor": "half of each wait is random",
        "exporters.otlp_grpc.batch.send_batch_size": "write max_spans",
        "exporters.otlp_grpc.batch.timeout": "write flush_timeout",
        "service.telemetry.traces": "service.telemetry.metrics",
        "service.telemetry.metrics.level": "only endpoint can be set",
        "service.telemetry.metrics.readers": "write endpoint: host:port",
        "service.telemetry.logs.encoding": "write format",
        "service.pipelines.logs": "send logs to a Collector",
    }.items():
        assert hint in found.get(path, "no problem"), path


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (("processors", "transform", "trace_statements"), "spangate migrate"),
        (("processors", "transform/mine", "trace_statements"), "there is no OTTL"),
        (("processors", "filter", "logs"), "only traces"),
        (("processors", "resource/env", "actions"), "write attributes"),
        (("processors", "redaction", "blocked_values"), "write custom"),
        (("processors", "redaction/pii", "allowed_keys"), "transform with keep"),
        (("processors", "probabilistic_sampler", "attribute_source"), "by trace id"),
    ],
)
def test_says_what_its_processors_are_called_here(path: tuple[str, ...], told: str) -> None:
    """Keys of the Collector's processors that we lack get a word too, under any name."""
    assert told in advice(path)


def test_unknown_keys_of_nobody_get_no_advice() -> None:
    """What the Collector does not have either is left to the nearest name."""
    assert "" == advice(("exporters", "mlflow", "nonsense"))


@pytest.mark.parametrize("name", ["metrics", "logs/two", "profiles"])
def test_other_signals_are_not_taken(name: str) -> None:
    """A pipeline for another signal says where to send it."""
    assert "only traces are taken" in advice_on_pipeline(name)
