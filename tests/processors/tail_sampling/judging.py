"""Traces and policies for tests, from plain values."""

from typing import Any

from gateway.batch import Batch
from gateway.plugin import Drop, Keep, Wait
from gateway.testing import batch, processor, trace
from processors.tail_sampling import TailSampling

MS = 1_000_000


def sampler(*policies: dict[str, Any], **settings: Any) -> TailSampling:
    """Return a sampler with these policies; one without a name is called by its type."""
    named = [{"name": one["type"], **one} for one in policies]
    return processor(TailSampling, policies=named, **settings)


def decision(policy: dict[str, Any], spans: Batch) -> Keep | Drop | Wait:
    """Return what a sampler with one policy decides on a trace."""
    return sampler(policy).decide(trace(spans))


def kept(policy: dict[str, Any], spans: Batch) -> bool:
    """Return whether a sampler with one policy keeps a trace."""
    return isinstance(decision(policy, spans), Keep)


def lasting(*times_ms: tuple[float, float]) -> Batch:
    """Return a trace with spans that start and end so many milliseconds after some time."""
    spans = batch(*({} for _ in times_ms))
    for span, (start, end) in zip(spans, times_ms, strict=True):
        span.proto.start_time_unix_nano = 10**18 + int(start * MS)
        span.proto.end_time_unix_nano = 10**18 + int(end * MS)
    return spans


def with_status(*codes: int) -> Batch:
    """Return a trace with spans of these status codes."""
    spans = batch(*({} for _ in codes))
    for span, code in zip(spans, codes, strict=True):
        span.proto.status.code = code  # type: ignore[assignment] # numbers are the enumeration's
    return spans
