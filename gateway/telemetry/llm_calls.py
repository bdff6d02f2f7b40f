"""Read what the gateway's figures need of the calls of models in a batch."""

from collections.abc import Sequence
from typing import NamedTuple

from gateway.batch import Batch, LlmCall, Resource


class Call(NamedTuple):
    """One call of a model; it outlives its span, which a sampler may take out."""

    span: int
    """Hash of trace and span id, equal in all workers."""
    resource: Resource
    model: str
    input_tokens: int
    output_tokens: int
    cost_usd: float
    duration_s: float
    is_error: bool
    is_cut_off: bool


def read(batch: Batch) -> Sequence[Call]:
    """Return the calls that processors have noted."""
    return [_read(call) for call in batch.calls]


def _number(trace_id: bytes, span_id: bytes) -> int:
    """Return a hash that is not seeded, as that of bytes is."""
    return hash((int.from_bytes(trace_id), int.from_bytes(span_id)))


def _read(call: LlmCall) -> Call:
    span = call.span
    message = span.core
    return Call(
        _number(message.trace_id, message.span_id),
        span.resource,
        call.model,
        call.input_tokens,
        call.output_tokens,
        call.cost_usd or 0.0,
        max(0, message.end_time_unix_nano - message.start_time_unix_nano) / 1e9,
        span.is_error,
        call.is_cut_off,
    )
