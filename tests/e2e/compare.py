"""
Compare spans as sent with spans as MLflow returns them.

What differs by design, measured on MLflow 3.17 and 3.18: text of attributes (not of events) that
is JSON comes back as what it says; MLflow adds attributes of its own, all under ``mlflow.``; scope,
trace state, flags and dropped counts are not stored, and the kind only since 3.18.
"""

import json
import math
from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import values
from gateway.otlp.values import Value

OWN_PREFIX = "mlflow."
OVERWRITTEN = frozenset({"mlflow.traceRequestId"})


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    """Return the spans of a request in order."""
    return [
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def differences(sent: Iterable[Span], stored: Iterable[Span]) -> list[str]:
    """Return what was lost, changed or added, one line each; nothing where all is whole."""
    wanted = {span.span_id: span for span in sent}
    found = {span.span_id: span for span in stored}
    lines = [f"{wanted[i].name}: lost" for i in wanted.keys() - found.keys()]
    lines += [f"{found[i].name}: never sent" for i in found.keys() - wanted.keys()]
    for span_id in wanted.keys() & found.keys():
        name = wanted[span_id].name
        lines += [f"{name}: {line}" for line in _span(wanted[span_id], found[span_id])]
    return lines


def _span(sent: Span, stored: Span) -> list[str]:
    lines = [
        f"{field}: {getattr(sent, field)!r} became {getattr(stored, field)!r}"
        for field in ("trace_id", "name", "start_time_unix_nano", "end_time_unix_nano")
        if getattr(sent, field) != getattr(stored, field)
    ]
    if sent.parent_span_id.strip(b"\0") != stored.parent_span_id.strip(b"\0"):
        lines.append(f"parent: {sent.parent_span_id.hex()} became {stored.parent_span_id.hex()}")
    if (sent.status.code, sent.status.message) != (stored.status.code, stored.status.message):
        lines.append(f"status: {sent.status} became {stored.status}")
    if stored.kind and sent.kind != stored.kind:
        lines.append(f"kind: {sent.kind} became {stored.kind}")
    lines += _attributes(sent.attributes, stored.attributes)
    lines += _events(sent, stored)
    links = [(link.trace_id, link.span_id) for link in sent.links]
    if links != [(link.trace_id, link.span_id) for link in stored.links]:
        lines.append(f"links: {len(links)} became {len(stored.links)}")
    return lines


def _events(sent: Span, stored: Span) -> list[str]:
    if [e.name for e in sent.events] != [e.name for e in stored.events]:
        return [f"events: {len(sent.events)} became {len(stored.events)}"]
    lines: list[str] = []
    for before, after in zip(sent.events, stored.events, strict=True):
        # MLflow keeps the times of events in microseconds.
        if abs(before.time_unix_nano - after.time_unix_nano) >= 1000:
            lines.append(f"event {before.name}: time")
        lines += [
            f"event {before.name}: {x}"
            for x in _attributes(before.attributes, after.attributes, unwrap=False)
        ]
    return lines


def _attributes(
    sent: Iterable[KeyValue], stored: Iterable[KeyValue], *, unwrap: bool = True
) -> list[str]:
    wanted = {field.key: values.decode(field.value) for field in sent}
    if unwrap:
        wanted = {key: _unwrapped(value) for key, value in wanted.items()}
    found = {field.key: values.decode(field.value) for field in stored}
    lines = [
        f"attribute {key}: added"
        for key in found.keys() - wanted.keys()
        if not key.startswith(OWN_PREFIX)
    ]
    for key in wanted.keys() - OVERWRITTEN:
        if key not in found:
            lines.append(f"attribute {key}: lost")
        elif not _same(wanted[key], found[key]):
            lines.append(f"attribute {key}: {wanted[key]!r} became {found[key]!r}")
    return lines


def _unwrapped(value: Value) -> Value:
    """Return what JSON text says where that is a text, a list or an object."""
    if not isinstance(value, str):
        return value
    try:
        said = json.loads(value)
    except ValueError:
        return value
    return said if isinstance(said, str | list | dict) else value


def _same(one: Value, other: Value) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other
