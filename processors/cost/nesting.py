"""
Find calls that are counted twice: a span around another one that tells of the same call.

Frameworks wrap the call of a model, instrumentations wrap the framework, and some SDKs write a
span of their own. The innermost one is priced, since an outer one may sum up several.
"""

import itertools
from collections.abc import Sequence
from typing import Final

from gateway.plugin import Span
from processors.cost.calls import ModelCall, is_transparent

_MOST_ALIKE: Final = 32
"""Calls beside each other with the same model and tokens, beyond which none are compared."""
_MAX_STEPS: Final = 16
"""How far up the way to an outer call is followed."""


def repeated(calls: Sequence[ModelCall], others: Sequence[Span]) -> set[int]:
    """
    Return the positions in ``calls`` of those that repeat calls below them in the batch.

    ``others`` are the spans between them that may say nothing of what they are.
    """
    messages = [call.span.core for call in calls]
    traces = [message.trace_id for message in messages]
    parents = [message.parent_span_id for message in messages]
    spans = zip(traces, [message.span_id for message in messages], strict=True)
    at = {span: number for number, span in enumerate(spans)}
    around: dict[tuple[bytes, bytes], Span] | None = None
    inside: dict[int, list[ModelCall]] = {}
    for call, trace_id, next_id in zip(calls, traces, parents, strict=True):
        parent_id = next_id
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
    twice = {outer for outer, inner in inside.items() if _repeats(calls[outer], inner)}
    return twice | _beside(calls, list(zip(traces, parents, strict=True)))


def _beside(calls: Sequence[ModelCall], parents: Sequence[tuple[bytes, bytes]]) -> set[int]:
    """
    Return the positions of calls during which an SDK tells of the same call beside them.

    Some instrumentations (Traceloop's over Anthropic and Mistral) do not make their span the
    parent of what happens inside, so that the SDK's own span stands next to it.
    """
    keys = [(parent, call.entry, call.taken) for parent, call in zip(parents, calls, strict=True)]
    found: set[int] = set()
    if len(set(keys)) == len(keys):
        return found
    alike: dict[tuple[tuple[bytes, bytes], str, int], list[int]] = {}
    for number, key in enumerate(keys):
        if key[0][1]:
            alike.setdefault(key, []).append(number)
    for numbers in alike.values():
        if 1 < len(numbers) <= _MOST_ALIKE:
            pairs = itertools.permutations(numbers, 2)
            found.update(outer for outer, inner in pairs if _spans(calls[outer], calls[inner]))
    return found


def _spans(outer: ModelCall, inner: ModelCall) -> bool:
    """Whether one call goes on all the while another instrumentation's does."""
    one, two = outer.span.core, inner.span.core
    return (
        one.start_time_unix_nano <= two.start_time_unix_nano
        and two.end_time_unix_nano <= one.end_time_unix_nano
        and (one.start_time_unix_nano, one.end_time_unix_nano)
        != (two.start_time_unix_nano, two.end_time_unix_nano)
        and outer.span.scope.core.name != inner.span.scope.core.name
    )


def _repeats(outer: ModelCall, inside: Sequence[ModelCall]) -> bool:
    """
    Whether an outer call tells of the inner ones, by tokens and model.

    It may tell of more than are in the batch, and count its input without the cache. Another kind
    of call inside, such as an embedding, is a call of its own.
    """
    inner = [call for call in inside if call.kind == outer.kind]
    taken = sum(call.taken for call in inner)
    given = sum(call.given for call in inner)
    if inner and (outer.taken, outer.given) == (taken, given):
        return True
    alike = [call.given for call in inner if call.entry == outer.entry]
    return bool(alike) and (sum(alike) <= outer.given or outer.given in alike)
