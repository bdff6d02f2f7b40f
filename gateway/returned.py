"""What may be wrong with what a component returns."""

import inspect
from collections.abc import Callable

from gateway.batch import Batch


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
        if len(message.trace_id) != 16 or len(message.span_id) != 8:
            raise GarbageError(
                f"process() left a span with {len(message.trace_id)} bytes of trace_id and "
                f"{len(message.span_id)} of span_id, expected 16 and 8"
            )
