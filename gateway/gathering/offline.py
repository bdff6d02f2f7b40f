"""Decide on traces that are all there, without queues: what ``spangate try`` shows."""

from typing import NamedTuple

from gateway.batch import Batch
from gateway.delivery.parts import by_trace
from gateway.errors import Reject
from gateway.otlp import wire
from gateway.plugin import Drop, Keep, Trace
from gateway.trace_guard import TraceGuard, Unfit


class Verdict(NamedTuple):
    """What became of one trace, and why."""

    trace_id: bytes
    spans: int
    kept: bool
    reason: str


def decide_all(guard: TraceGuard, batch: Batch) -> tuple[Batch, list[Verdict]]:
    """
    Return the spans of the traces that are kept, and what became of each trace.

    Raises:
        Reject: the processor failed, and its policy is to refuse.

    """
    kept: list[bytes] = []
    verdicts: list[Verdict] = []
    for entries in by_trace(batch.entries()):
        trace = _trace(entries, batch)
        answer = guard.decide(trace)
        if isinstance(answer, Unfit):
            raise Reject(answer.reason)
        assert isinstance(answer, Keep | Drop), "nobody may wait for what does not come"
        reason = answer.reason or guard.component_id
        verdicts.append(Verdict(trace.trace_id, len(entries), isinstance(answer, Keep), reason))
        if isinstance(answer, Keep):
            whole = Batch(wire.assemble(entries), batch.context)
            kept.append(guard.release(whole, reason).encode())
    return Batch(b"".join(kept), batch.context), verdicts


def _trace(entries: list[wire.Entry], batch: Batch) -> Trace:
    trace = Trace(entries[0].trace_id, batch.context, Batch(wire.assemble(entries), batch.context))
    trace.span_count = len(entries)
    trace.size_bytes = wire.size_of(entries)
    if any(wire.is_root(entry.span) for entry in entries):
        trace.root_unix_ns = trace.first_unix_ns
    trace.ending = "end_of_input"
    return trace
