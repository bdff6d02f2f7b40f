"""
Find calls that are counted twice: a span around another one that tells of the same call.

Frameworks wrap the call of a model, instrumentations wrap the framework, and some SDKs write a
span of their own. The innermost one is priced, since an outer one may sum up several.
"""

from collections.abc import Sequence

from gateway.plugin import Span
from processors.cost.calls import ModelCall, is_transparent

_MAX_STEPS = 16
"""How far up the way to an outer call is followed."""


def repeated(calls: Sequence[ModelCall], others: Sequence[Span]) -> set[int]:
    """
    Return the positions in ``calls`` of those that repeat calls below them in the batch.

    ``others`` are the spans between them that may say nothing of what they are.
    """
    at = {(call.span.trace_id, call.span.span_id): number for number, call in enumerate(calls)}
    around: dict[tuple[bytes, bytes], Span] | None = None
    inside: dict[int, list[ModelCall]] = {}
    for call in calls:
        message = call.span.peek
        trace_id, parent_id = message.trace_id, message.parent_span_id
        for _ in range(_MAX_STEPS):
            if not parent_id:
                break
            outer = at.get((trace_id, parent_id))
            if outer is not None:
                inside.setdefault(outer, []).append(call)
                break
            if around is None:
                around = {(span.trace_id, span.span_id): span for span in others}
            parent = around.get((trace_id, parent_id))
            if parent is None or not is_transparent(parent):
                break
            parent_id = parent.parent_span_id
    return {outer for outer, inner in inside.items() if _repeats(calls[outer], inner)}


def _repeats(outer: ModelCall, inside: Sequence[ModelCall]) -> bool:
    """
    Whether an outer call tells of the inner ones, by tokens and model.

    It may tell of more than are in the batch, and count its input without the cache. Another kind
    of call inside, such as an embedding, is a call of its own.
    """
    inner = [call for call in inside if call.kind == outer.kind]
    usage = outer.usage
    taken = sum(call.usage.input for call in inner)
    given = sum(call.usage.output for call in inner)
    if inner and (usage.input, usage.output) == (taken, given):
        return True
    alike = [call.usage.output for call in inner if call.entry == outer.entry]
    return bool(alike) and (sum(alike) <= usage.output or usage.output in alike)
