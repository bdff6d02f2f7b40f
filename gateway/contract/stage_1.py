"""Processors of stage 1: a batch in, the batch out, whatever it holds and whoever asks."""

import asyncio
import contextlib
import gc
import sys
import weakref
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from gateway.batch import Batch, BatchContext
from gateway.contract.lifecycle import Stage
from gateway.contract.samples import samples
from gateway.errors import Flow
from gateway.fakes import T0_UNIX_NS
from gateway.plugin import Processor
from gateway.returned import GarbageError, is_async, what_is_wrong

THREADS = 4
ROUNDS = 3
_FEWER = "drop spans with batch.drop(span), and leave trace_id and span_id as they are"
_MEMORY = "keep nothing of a batch on the instance; one request must not depend on another"

Outcome = bytes | str
"""The encoded result, or what the processor said to the sender."""


def check_processor(stage: Stage) -> None:
    """Try all samples alone, one after the other, and at the same time."""
    requests = samples()
    alone = {name: _alone(stage, name, data) for name, data in requests.items()}
    if stage.report:
        return  # what fails alone would only fail again
    shared = stage.started()
    if shared is None:
        return
    processor = cast("Processor[Any]", shared)
    _check_gate(stage, processor)
    for _ in range(2):
        for name, data in requests.items():
            if alone[name] != _outcome(stage, processor, _batch(data)):
                stage.report.add(
                    f"process() on {name}",
                    "makes something else of it when it has seen others before",
                    _MEMORY,
                    processor.process,
                )
    _check_references(stage, processor, requests["an ordinary batch"])
    if not stage.report:
        _check_threads(stage, processor, requests, alone)
    stage.stopped(processor)


def _alone(stage: Stage, name: str, data: bytes) -> Outcome | None:
    """Run a processor that has seen nothing else."""
    processor = cast("Processor[Any] | None", stage.started())
    if processor is None:
        return None
    batch = _batch(data)
    before = _ids(batch)
    doing = f"process() on {name}"
    outcome = stage.report.attempt(doing, lambda: _outcome(stage, processor, batch))
    stage.stopped(processor)
    if isinstance(outcome, bytes):
        strangers = _ids(Batch(outcome)) - before
        if strangers:
            count = strangers.total()
            what = f"returned {count} spans that did not come in, or twice"
            stage.report.add(doing, what, _FEWER, processor.process)
    return outcome


def _outcome(stage: Stage, processor: Processor[Any], batch: Batch) -> Outcome:
    try:
        if is_async(processor.process):
            result: object = stage.run(_awaited(processor, batch))
        else:
            result = processor.process(batch)
    except Flow as flow:
        return f"{type(flow).__name__}: {flow.reason}"
    return _encoded(result)


async def _awaited(processor: Processor[Any], batch: Batch) -> object:
    result: object = processor.process(batch)
    return await cast("Any", result) if hasattr(result, "__await__") else result


def _encoded(result: object) -> bytes:
    if not isinstance(result, Batch):
        raise GarbageError(what_is_wrong(result))
    return result.encode()


def _check_gate(stage: Stage, processor: Processor[Any]) -> None:
    with contextlib.suppress(Flow):
        stage.report.attempt("admit()", processor.admit, (Flow,))


def _check_references(stage: Stage, processor: Processor[Any], data: bytes) -> None:
    """See that a batch is gone once it was processed."""
    batch = _batch(data)
    _outcome(stage, processor, batch)
    reference = weakref.ref(batch)
    del batch
    gc.collect()
    if reference() is not None:
        stage.report.add(
            "the batch", "is still held after process() has returned", _MEMORY, processor.process
        )


def _check_threads(
    stage: Stage,
    processor: Processor[Any],
    requests: Mapping[str, bytes],
    alone: Mapping[str, Outcome | None],
) -> None:
    """Process the same batches at the same time, switching between threads as often as can be."""
    if is_async(processor.process):
        got = stage.report.attempt(
            "process() of several batches at once", lambda: stage.run(_at_once(processor, requests))
        )
    else:
        switching = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            got = stage.report.attempt(
                "process() on several threads", lambda: _on_threads(stage, processor, requests)
            )
        finally:
            sys.setswitchinterval(switching)
    if got is not None and any(alone[name] != outcome for name, outcome in got):
        stage.report.add(
            "process()",
            "mixes up batches that are processed at the same time",
            "keep what belongs to one batch in local variables, not on the instance",
            processor.process,
        )


def _on_threads(
    stage: Stage, processor: Processor[Any], requests: Mapping[str, bytes]
) -> list[tuple[str, Outcome]]:
    def work(shift: int) -> list[tuple[str, Outcome]]:
        order = list(requests.items())[shift:] + list(requests.items())[:shift]
        return [
            (name, _outcome(stage, processor, _batch(data)))
            for _ in range(ROUNDS)
            for name, data in order
        ]

    with ThreadPoolExecutor(THREADS) as pool:
        return [one for found in pool.map(work, range(THREADS)) for one in found]


async def _at_once(
    processor: Processor[Any], requests: Mapping[str, bytes]
) -> list[tuple[str, Outcome]]:
    async def one(name: str, data: bytes) -> tuple[str, Outcome]:
        try:
            return name, _encoded(await _awaited(processor, _batch(data)))
        except Flow as flow:
            return name, f"{type(flow).__name__}: {flow.reason}"

    return await asyncio.gather(
        *(one(name, data) for _ in range(ROUNDS) for name, data in requests.items())
    )


def _batch(data: bytes) -> Batch:
    return Batch(data, BatchContext(tenant="contract", received_unix_ns=T0_UNIX_NS))


def _ids(batch: Batch) -> Counter[tuple[bytes, bytes]]:
    return Counter((span.trace_id, span.span_id) for span in batch)
