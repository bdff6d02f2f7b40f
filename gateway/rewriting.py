"""
What becomes of the encoded spans of a batch that was written to.

Spans that nobody wrote keep their bytes, under new heads where their resource or scope was written.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.otlp.fields import end_of
from gateway.otlp.ready import length
from gateway.otlp.wire import Entry
from gateway.views import Resource, Scope, Span

_RESOURCE: Final = b"\x0a"  # ResourceSpans.resource
_SCHEMA_URL: Final = b"\x1a"  # ResourceSpans.schema_url


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
    rest = _behind_resource(encoded)
    if rest is not None:
        inner = resource.peek.SerializeToString()
        return b"".join((_RESOURCE, length(len(inner)), inner, rest))
    message = trace_pb2.ResourceSpans.FromString(encoded)
    message.resource.CopyFrom(resource.peek)
    return message.SerializeToString()


def _behind_resource(encoded: bytes) -> bytes | None:
    """Return what follows the resource, if anything its schema alone; ``None``: more than that."""
    start = end_of(encoded, 1) if encoded[:1] == _RESOURCE else 0
    rest = encoded[start:]
    if not rest or (rest[:1] == _SCHEMA_URL and end_of(rest, 1) == len(rest)):
        return rest
    return None


def _scope_head(encoded: bytes, scope: Scope) -> bytes:
    if not scope.written:
        return encoded
    message = trace_pb2.ScopeSpans.FromString(encoded)
    message.scope.CopyFrom(scope.peek)
    return message.SerializeToString()
