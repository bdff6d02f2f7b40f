"""Failures, where MLflow looks for them: in the status and in an ``exception`` event."""

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from gateway.otlp.values import key_value
from gateway.plugin import Span
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.identity import find_text
from processors.mlflow_mapping.plan import Reading

_TELLING = {"error_type", "error_level"}


def show_failure(span: Span, reading: Reading, told: Told) -> None:
    """
    Make a failure that only attributes tell visible.

    ``error.type`` is set only where an operation failed. A status of OK is never overruled.
    """
    if not reading.layout.may_fail:
        return
    status = span.peek.status
    failed = status.code == Status.STATUS_CODE_ERROR
    if not failed and (status.code == Status.STATUS_CODE_OK or not _TELLING & reading.hits.keys()):
        return
    kind = find_text(reading, "error_type")
    message = find_text(reading, "error_message")
    if not failed and not kind and (find_text(reading, "error_level") or "").upper() != "ERROR":
        return
    proto = span.proto
    if not failed:
        proto.status.code = Status.STATUS_CODE_ERROR
    if message and not proto.status.message:
        proto.status.message = message
    if told.exception or not (kind or message):
        return
    event = proto.events.add(name="exception", time_unix_nano=span.peek.end_time_unix_nano)
    event.attributes.append(key_value("exception.type", kind or "Error"))
    event.attributes.append(
        key_value("exception.message", message or proto.status.message or kind or "")
    )
