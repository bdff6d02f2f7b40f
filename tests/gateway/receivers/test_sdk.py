"""The exporters of the OpenTelemetry SDK, as applications use them."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from gateway.errors import Busy, Reject, Retry

Background = Any  # the fixture's types live in conftest, which cannot be imported


def make_exporter(background: Background, kind: str) -> SpanExporter:
    """Return an exporter as its documentation shows it, with gzip."""
    if kind == "grpc":
        return GrpcExporter(
            endpoint=background.endpoints["grpc"],
            insecure=True,
            compression=grpc.Compression.Gzip,
            timeout=10,
        )
    return HttpExporter(
        endpoint=f"http://{background.endpoints['http']}/v1/traces",
        compression=Compression.Gzip,
        timeout=10,
    )


@pytest.fixture
def spans() -> Sequence[ReadableSpan]:
    """Return a parent and its child, ended."""
    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("parent") as parent:
        child = tracer.start_span("child", attributes={"k": [1, 2]})
        child.end()
    assert isinstance(parent, ReadableSpan)
    assert isinstance(child, ReadableSpan)
    return [parent, child]


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_spans_arrive(background: Background, spans: Sequence[ReadableSpan], kind: str) -> None:
    """What the SDK exports arrives."""
    exporter = make_exporter(background, kind)

    result = exporter.export(spans)
    exporter.shutdown()

    assert SpanExportResult.SUCCESS == result
    parent, child = background.batches[-1].spans
    assert ("parent", "child", parent.span_id) == (parent.name, child.name, child.parent_span_id)
    assert [1, 2] == child.attributes["k"]


@pytest.mark.parametrize("kind", ["grpc", "http"])
@pytest.mark.parametrize("error", [Busy("full", 0.05), Retry("away", 0.05)])
def test_sdk_comes_back(
    background: Background, spans: Sequence[ReadableSpan], kind: str, error: Busy | Retry
) -> None:
    """The SDK understands back-pressure, and sends again."""
    background.errors.append(error)
    exporter = make_exporter(background, kind)

    result = exporter.export(spans)
    exporter.shutdown()

    assert SpanExportResult.SUCCESS == result
    assert not background.errors
    assert "parent" == background.batches[-1].spans[0].name


@pytest.mark.parametrize("kind", ["grpc", "http"])
def test_sdk_gives_up(background: Background, spans: Sequence[ReadableSpan], kind: str) -> None:
    """What is rejected is not sent again."""
    background.errors.append(Reject("no"))
    background.batches.clear()
    exporter = make_exporter(background, kind)

    result = exporter.export(spans)
    exporter.shutdown()

    assert SpanExportResult.FAILURE == result
    assert not background.batches
