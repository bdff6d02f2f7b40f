"""
What an instrumented application does to send its spans, and a note of what it sent.

Everything here but :class:`Ledger` is what a user of OpenTelemetry writes too. The exporter reads
the standard variables: ``OTEL_EXPORTER_OTLP_ENDPOINT`` and ``OTEL_EXPORTER_OTLP_PROTOCOL``.
"""

import json
import os
import sys

from openinference.instrumentation import get_attributes_from_context
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import format_span_id, format_trace_id


class ContextAttributes(SpanProcessor):
    """
    Put ``using_session``, ``using_user`` and their like on every span.

    Instrumentations that wrap OpenInference's tracer do so by themselves; pydantic-ai makes its
    spans with OpenTelemetry's own tracer, which does not know of them.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Copy the attributes of the current context."""
        del parent_context
        span.set_attributes(dict(get_attributes_from_context()))


class Ledger(SpanProcessor):
    """
    Keep the ids of all spans that ended, so that the demo can check what arrived.

    Args:
        planted: made-up personal data and keys in the prompts; noted for each trace that has them.

    """

    def __init__(self, planted: tuple[str, ...]) -> None:
        self._planted = planted
        self._spans: dict[str, list[str]] = {}
        self._found: dict[str, set[str]] = {}

    def on_end(self, span: ReadableSpan) -> None:
        """Note one span."""
        context = span.get_span_context()
        if context is None:
            return
        trace_id = format_trace_id(context.trace_id)
        self._spans.setdefault(trace_id, []).append(format_span_id(context.span_id))
        text = json.dumps(dict(span.attributes or {}), default=str, ensure_ascii=False)
        found = self._found.setdefault(trace_id, set())
        found.update(value for value in self._planted if value in text)

    def print(self, service: str) -> None:
        """Write what was sent to standard output, as one line of JSON."""
        traces = [
            {"trace_id": trace_id, "span_ids": span_ids, "planted": sorted(self._found[trace_id])}
            for trace_id, span_ids in self._spans.items()
        ]
        sys.stdout.write(json.dumps({"service": service, "traces": traces}) + "\n")


def otlp_exporter() -> SpanExporter:
    """Return the exporter for ``OTEL_EXPORTER_OTLP_PROTOCOL``: ``grpc`` or ``http/protobuf``."""
    if os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL") == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc  # noqa: PLC0415 - one of two

        return grpc.OTLPSpanExporter()
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as http  # noqa: PLC0415 - one of two

    return http.OTLPSpanExporter()


def tracer_provider(service: str, *first: SpanProcessor, ledger: Ledger) -> TracerProvider:
    """Return a provider that runs the processors ``first`` and then sends by OTLP."""
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    for processor in (ContextAttributes(), *first, ledger, BatchSpanProcessor(otlp_exporter())):
        provider.add_span_processor(processor)
    return provider
