"""
What becomes of the encoded spans of a batch that was written to.

Spans that nobody wrote keep their bytes, under new heads where their resource or scope was written.
"""

from collections.abc import Mapping, Sequence

from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.otlp.wire import Entry
from gateway.views import Resource, Scope, Span


def fold_tails(entries: list[Entry], spans: Sequence[Span]) -> None:
    """Put what was appended to spans to their encoding."""
    for at, span in enumerate(spans):
        if span.tail:
            entries[at] = entries[at].grown(span.tail)
            span.tail = ()


def adopted(
    base: Sequence[Entry], spans: Sequence[Span], encodings: Mapping[int, bytes]
) -> list[Entry]:
    """Return spans of which some were encoded anew elsewhere, by their numbers."""
    entries = list(base)
    for at, encoded in encodings.items():
        entries[at] = entries[at]._replace(span=encoded)
        spans[at].reread()
    return entries


def rewritten(base: Sequence[Entry], spans: Sequence[Span]) -> list[Entry]:
    """Return spans with what was written anew, but not what was appended beside that."""
    entries: list[Entry] = []
    append = entries.append
    heads: tuple[bytes, bytes] | None = None
    parts: set[Resource | Scope] = set()
    last: Scope | None = None
    for entry, span in zip(base, spans, strict=True):
        if span.scope is not last:  # neighbours have the same
            last = span.scope
            parts |= {last, span.resource}
            heads = _heads(entry, last, span.resource)
        if span.written:
            append(_encoded(span, heads or (entry.resource, entry.scope)))
        elif heads is not None:
            append(entry.under(heads[0], heads[1]))
        else:
            append(entry)
    for part in parts:
        part.settle()
    return entries


def _encoded(span: Span, heads: tuple[bytes, bytes]) -> Entry:
    """Return a written span, with all that was appended to it."""
    message = span.peek
    span.settle()
    span.tail = ()
    encoded = message.SerializeToString()
    return Entry(message.trace_id, message.span_id, heads[0], heads[1], encoded)


def _heads(entry: Entry, scope: Scope, resource: Resource) -> tuple[bytes, bytes] | None:
    """Return both heads of a span where one of them was written."""
    if not scope.written and not resource.written:
        return None
    return _resource_head(entry.resource, resource), _scope_head(entry.scope, scope)


def _resource_head(encoded: bytes, resource: Resource) -> bytes:
    if not resource.written:
        return encoded
    message = trace_pb2.ResourceSpans.FromString(encoded)
    message.resource.CopyFrom(resource.peek)
    return message.SerializeToString()


def _scope_head(encoded: bytes, scope: Scope) -> bytes:
    if not scope.written:
        return encoded
    message = trace_pb2.ScopeSpans.FromString(encoded)
    message.scope.CopyFrom(scope.peek)
    return message.SerializeToString()
