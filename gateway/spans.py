"""All spans of a request at once: their views, their keys, and what they belong to."""

from collections.abc import Container, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.otlp.fields import Fields
from gateway.otlp.keys import IS_COMPILED, Finder, Names, outlines_of
from gateway.otlp.wire import Entry
from gateway.views import Encoding, Resource, Scope, Span


def views_of(encoding: Encoding, request: ExportTraceServiceRequest) -> list[Span]:
    """Return a view of each span, in order; neighbours share those of resource and scope."""
    views: list[Span] = []
    for resource_spans in request.resource_spans:
        resource = Resource(encoding, resource_spans.resource)
        for scope_spans in resource_spans.scope_spans:
            scope = Scope(encoding, scope_spans.scope)
            for message in scope_spans.spans:
                views.append(Span(encoding, message, resource, scope, scope_spans))  # noqa: PERF401 - compiled, faster than what is said in one expression
    return views


def fields_of(
    spans: Sequence[Span], entries: Sequence[Entry], unread: Container[int]
) -> list[tuple[Names, Fields]]:
    """Return the keys of the spans' attributes, which they remember, and what reads these."""
    found: list[tuple[Names, Fields]] = []
    if not IS_COMPILED:
        outlines = outlines_of([entry.span for entry in entries])
        for span, entry, (names, spots) in zip(spans, entries, outlines, strict=True):
            fields = Fields(span.peek, entry.span, spots)
            span.learn(names, fields)
            found.append((names, fields))
        return found
    finder = Finder(unread)
    walk = finder.walk
    for at, span in enumerate(spans):
        entry = entries[at].whole()
        names = finder.find(entry.data, entry.start, entry.end)
        fields = Fields(span.peek, entry.data, finder.spots)
        if finder.spots is not None:
            fields.place(walk.name_at, walk.parent_at, has_events=walk.has_events)
        span.learn(names, fields)
        found.append((names, fields))
    return found


def resources_of(spans: Sequence[Span]) -> list[Resource]:
    """Return the resources of spans, each once, in order."""
    found: dict[int, Resource] = {}
    last: Resource | None = None
    for span in spans:
        if span.resource is not last:  # neighbours have the same
            last = span.resource
            found[id(last)] = last
    return list(found.values())


def tails_of(spans: Sequence[Span]) -> list[tuple[bytes, ...]]:
    """Return what was appended to each span."""
    return [span.tail for span in spans]
