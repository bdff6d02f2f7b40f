"""What may be wrong with what a component returns."""

import inspect
from collections.abc import Callable

from gateway.batch import Batch

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class GarbageError(TypeError):
    """What a processor returned is no batch that anybody can go on with."""


def is_async(process: Callable[..., object]) -> bool:
    """Whether ``process`` is ``async def``, also below decorators that keep its signature."""
    return inspect.iscoroutinefunction(inspect.unwrap(process))


def what_is_wrong(result: object) -> str:
    """Say what ``process`` returned in place of a batch, and what to do."""
    if inspect.iscoroutine(result):
        result.close()
        return "process() returned a coroutine: write it as `async def process`"
    hint = ": end it with `return batch`" if result is None else ""
    return f"process() returned {type(result).__name__}, expected the batch{hint}"


def check_ids(batch: Batch) -> None:
    """
    Look whether every span still has ids.

    Raises:
        GarbageError: one has none that OTLP allows.

    """
    for span in batch.spans:
        message = span.core
        trace_id, span_id = message.trace_id, message.span_id
        if len(trace_id) != 16 or len(span_id) != 8:
            raise GarbageError(
                f"process() left a span with {len(trace_id)} bytes of trace_id and "
                f"{len(span_id)} of span_id, expected 16 and 8"
            )
        if trace_id == _NO_TRACE or span_id == _NO_SPAN:
            raise GarbageError("process() left a span with an id that is all zero")
