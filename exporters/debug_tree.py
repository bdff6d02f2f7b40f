"""Lay spans out as one tree a trace, as a person wants to read them."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
from opentelemetry.proto.trace.v1 import trace_pb2
from rich.text import Text
from rich.tree import Tree

from exporters.debug_summary import cost_text, duration_text, span_type, token_text
from gateway.otlp import values
from gateway.plugin import Batch, Span, Value

Verbosity = Literal["basic", "normal", "detailed"]

_SHORT_CHARS = 120
_DEPTH = 50  # deeper spans hang on the last level: a screen is only so wide


def trees(batch: Batch, verbosity: Verbosity) -> Iterator[Tree]:
    """Yield one tree for each trace of a batch, in the order of their first spans."""
    by_trace: dict[bytes, list[Span]] = {}
    for span in batch:
        by_trace.setdefault(span.trace_id, []).append(span)
    for trace_id, spans in by_trace.items():
        yield _trace_tree(trace_id, spans, verbosity)


def _trace_tree(trace_id: bytes, spans: list[Span], verbosity: Verbosity) -> Tree:
    label = Text.assemble(
        "trace ", (trace_id.hex() or "without an id", "bold"), f", {_count(len(spans), 'span')}"
    )
    services = dict.fromkeys(span.resource.attributes.text("service.name") for span in spans)
    names = ", ".join(_clean(name) for name in services if name)
    if names:
        label.append(f" of {names}")
    tree = Tree(label, guide_style="dim")
    if verbosity != "basic":
        for resource in {id(span.resource): span.resource for span in spans}.values():
            _add_attributes(tree.add("resource", style="dim"), resource.attributes, verbosity)
    for span, branch in _hang(tree, spans):
        branch.label = _label(span)
        if verbosity != "basic":
            _add_details(branch, span, verbosity)
    return tree


def _hang(tree: Tree, spans: list[Span]) -> Iterator[tuple[Span, Tree]]:
    """Yield each span with its branch; one whose parent is not there hangs on the trunk."""
    ids = {span.span_id for span in spans}
    children: dict[bytes, list[Span]] = {}
    roots: list[Span] = []
    for span in sorted(spans, key=lambda span: span.peek.start_time_unix_nano):
        orphan = span.parent_span_id not in ids or span.parent_span_id == span.span_id
        (roots if orphan else children.setdefault(span.parent_span_id, [])).append(span)
    waiting = [(span, tree, 0) for span in reversed(roots)]
    while waiting or children:
        if not waiting:  # what is left has no way to a root: parents that form a ring
            waiting = [(span, tree, 0) for span in children.pop(next(iter(children)))]
        span, above, depth = waiting.pop()
        branch = above.add("")
        yield span, branch
        below = branch if depth < _DEPTH else above
        waiting += [(child, below, depth + 1) for child in reversed(children.pop(span.span_id, []))]


def _label(span: Span) -> Text:
    attributes = span.attributes
    label = Text().append(_clean(span.name) or "(no name)", "bold")
    for text, style in (
        (span_type(attributes), "cyan"),
        (duration_text(span.peek.start_time_unix_nano, span.peek.end_time_unix_nano), ""),
        (token_text(attributes), "green"),
        (cost_text(attributes), "green"),
    ):
        if text:
            label.append("  ").append(_clean(text), style)
    status = span.peek.status
    if span.is_error:
        label.append("  ").append(f"ERROR {_shorten(_clean(status.message))}".rstrip(), "bold red")
    elif status.code == trace_pb2.Status.STATUS_CODE_OK:
        label.append("  ").append("OK", "green")
    return label


def _add_details(branch: Tree, span: Span, verbosity: Verbosity) -> None:
    message = span.peek
    if verbosity == "detailed":
        _add_identity(branch, span)
    _add_attributes(branch, span.attributes, verbosity)
    for event in message.events:
        at = duration_text(message.start_time_unix_nano, event.time_unix_nano)
        leaf = branch.add(
            Text(f"event {_clean(event.name)} at {at or 'an unknown time'}", "yellow")
        )
        _add_attributes(leaf, _plain(event.attributes), verbosity)
    for link in message.links:
        to = f"link to {link.trace_id.hex()}:{link.span_id.hex()}"
        leaf = branch.add(Text(to, "yellow"))
        _add_attributes(leaf, _plain(link.attributes), verbosity)


def _add_identity(branch: Tree, span: Span) -> None:
    message = span.peek
    kind = trace_pb2.Span.SpanKind.Name(message.kind) if message.kind in range(6) else "?"
    facts = {
        "span id": message.span_id.hex(),
        "parent id": message.parent_span_id.hex(),
        "kind": kind.removeprefix("SPAN_KIND_").lower(),
        "start": _time_text(message.start_time_unix_nano),
        "scope": f"{span.scope.name} {span.scope.version}".strip(),
        "trace state": message.trace_state,
        "dropped": ", ".join(
            f"{_count(count, what)}"
            for count, what in (
                (message.dropped_attributes_count, "attribute"),
                (message.dropped_events_count, "event"),
                (message.dropped_links_count, "link"),
            )
            if count
        ),
    }
    for name, value in facts.items():
        if value:
            branch.add(Text.assemble((f"{name}: ", "dim"), _clean(value)))


def _add_attributes(branch: Tree, attributes: Mapping[str, Value], verbosity: Verbosity) -> None:
    for key, value in attributes.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        text = _clean(text)
        if verbosity == "normal":
            text = _shorten(text)
        branch.add(Text.assemble((f"{_clean(key)} = ", "dim"), text))


def _time_text(unix_ns: int) -> str:
    try:
        return dt.datetime.fromtimestamp(unix_ns / 1e9, dt.UTC).isoformat()
    except (ValueError, OverflowError):
        return f"{unix_ns} ns since 1970"


def _plain(fields: Any) -> dict[str, Value]:
    return {field.key: values.decode(field.value) for field in fields}


def _clean(text: str) -> str:
    """Return the text without what a terminal would obey: escapes, bells, line breaks."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _shorten(text: str) -> str:
    return text if len(text) <= _SHORT_CHARS else text[: _SHORT_CHARS - 1] + "…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
