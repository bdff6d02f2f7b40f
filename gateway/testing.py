"""
The public test kit for plugins.

Build components as users do, from settings, and batches from plain values.
"""

import itertools
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.batch import Batch, BatchContext
from gateway.config.types import from_yaml
from gateway.contract.check import check
from gateway.contract.report import ContractError
from gateway.fake_mlflow import FakeMlflow
from gateway.fakes import T0_UNIX_NS, FakeClock, FakeContext, FakeLogger, FakeMeter, trace
from gateway.otlp.values import Value, key_value
from gateway.plugin import Component
from gateway.registry import config_type

__all__ = [
    "ContractError",
    "FakeClock",
    "FakeContext",
    "FakeLogger",
    "FakeMeter",
    "FakeMlflow",
    "batch",
    "check_contract",
    "component",
    "processor",
    "trace",
]

T = TypeVar("T", bound=Component[Any])

_serial = itertools.count(1)


def batch(
    *spans: Mapping[str, Value],
    name: str = "span",
    resource: Mapping[str, Value] | None = None,
    scope: str = "test",
    one_trace: bool = True,
    context: BatchContext | None = None,
) -> Batch:
    """
    Return a batch with a span for each mapping of attributes.

    The first span is the root of the others, unless each has a trace of its own. Ids are unique
    in the process.
    """
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in (resource or {}).items():
        resource_spans.resource.attributes.append(key_value(key, value))
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = scope
    trace_id = root_id = b""
    for attributes in spans:
        number = next(_serial)
        span_id = number.to_bytes(8)
        if not one_trace or not trace_id:
            trace_id, root_id = number.to_bytes(16), span_id
        span = scope_spans.spans.add(
            trace_id=trace_id,
            span_id=span_id,
            parent_span_id=b"" if span_id == root_id else root_id,
            name=name,
            kind=Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=T0_UNIX_NS + number * 1_000_000,
            end_time_unix_nano=T0_UNIX_NS + number * 1_000_000 + 500_000,
        )
        for key, value in attributes.items():
            span.attributes.append(key_value(key, value))
    return Batch(request.SerializeToString(), context)


def component(kind: type[T], **settings: object) -> T:
    """
    Return a component built from settings as YAML would hold them.

    Raises:
        msgspec.ValidationError: the settings are wrong.
        ValueError: the settings contradict each other.

    """
    config = msgspec.convert(settings, config_type(kind), dec_hook=from_yaml)
    config.validate()
    return kind(config)


processor = component


def check_contract(kind: type[Component[Any]] | Component[Any], **settings: object) -> None:
    """
    Check that a component keeps what every component promises.

    Import without side effects; settings that can be written and read again; starting and
    stopping in every order; and by kind: a processor takes empty batches and strange values,
    keeps ids, remembers nothing between batches and is safe on several threads; a trace
    processor decides on strange traces too; an exporter routes steadily and fails by name; a
    receiver opens and closes.

    Args:
        kind: the component's class, or a component whose class and settings are then used.
        settings: its settings, as YAML would hold them.

    Raises:
        ContractError: names each broken promise with file, line and what to do.

    """
    if isinstance(kind, Component):
        config, made = kind.config, type(kind)
        check(made, lambda: made(config))
    else:
        check(kind, lambda: component(kind, **settings))
