"""Trace processors: an answer for whatever may have been gathered, and the trace left as it is."""

import math
from typing import Any, cast

from gateway.batch import Batch, BatchContext
from gateway.contract.lifecycle import Stage
from gateway.contract.samples import samples
from gateway.errors import Busy, Retry
from gateway.fakes import trace
from gateway.plugin import Drop, Ending, Keep, Trace, TraceProcessor, Wait

_ENDINGS: tuple[Ending | None, ...] = (None, "evicted", "stopping", "end_of_input")


def check_trace_processor(stage: Stage) -> None:
    """Have every sample decided, young and old, with and without time left."""
    processor = cast("TraceProcessor[Any] | None", stage.started())
    if processor is None:
        return
    for name, data in samples().items():
        batch = Batch(data, BatchContext(tenant="contract"))
        if len(batch):
            for age_s in (0.0, 3600.0):
                for ending in _ENDINGS:
                    _decide(stage, processor, name, trace(batch, age_s=age_s, ending=ending))
            if batch.encode() != data:
                stage.report.add(
                    f"decide() on {name}",
                    "changes the trace",
                    "look only; release() is where spans may be changed",
                    processor.decide,
                )
        _release(stage, processor, name, Batch(data))
    stage.stopped(processor)


def _decide(stage: Stage, processor: TraceProcessor[Any], name: str, gathered: Trace) -> None:
    doing = f"decide() on {name}"
    try:
        answer: object = stage.report.attempt(
            doing, lambda: processor.decide(gathered), (Busy, Retry)
        )
    except (Busy, Retry):
        return
    what = ""
    match answer:
        case Keep(reason=reason) | Drop(reason=reason):
            what = "" if isinstance(reason, str) else "gave a reason that is no text"
        case Wait(seconds=seconds):
            good = isinstance(seconds, int | float) and math.isfinite(seconds) and seconds >= 0
            what = "" if good else f"asked to wait for {seconds!r} seconds"
        case None if stage.report:
            return  # it failed, which is noted
        case _:
            what = f"returned {type(answer).__name__}"
    if what:
        hint = "return Keep(reason), Drop(reason) or Wait(seconds)"
        stage.report.add(doing, what, hint, processor.decide)


def _release(stage: Stage, processor: TraceProcessor[Any], name: str, batch: Batch) -> None:
    before = sorted((span.trace_id, span.span_id) for span in batch)
    doing = f"release() of {name}"
    released: object = stage.report.attempt(doing, lambda: processor.release(batch, "contract"))
    if not isinstance(released, Batch):
        if released is not None or not stage.report:
            what = f"returned {type(released).__name__}"
            stage.report.add(doing, what, "end it with `return batch`", processor.release)
    elif before != sorted((span.trace_id, span.span_id) for span in released):
        what = "returned other spans than it was given"
        stage.report.add(doing, what, "what was kept is kept whole", processor.release)
