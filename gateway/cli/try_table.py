"""Show a request before and after its processors, span by span."""

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.batch import Batch, Span
from gateway.cli.findings import Finding, Findings
from gateway.gathering.offline import Verdict
from gateway.numbers import several
from gateway.otlp.values import Value

WIDTH = 60
"""How many characters of a long text are shown."""
LEAD = 20
"""How many of them stand before the first that differs."""


def show(
    before: Batch,
    after: Batch,
    pipeline: str,
    findings: Findings,
    verdicts: Sequence[Verdict] = (),
) -> None:
    """Print for each span what changed, or that nothing did; then traces, and what was found."""
    table = Table(title=f"pipeline {pipeline}", title_justify="left", show_lines=True)
    for column in ("span", "what", "before", "after"):
        table.add_column(column, overflow="fold")
    left = {_key(span): span for span in after}
    for span in before:
        remaining = left.pop(_key(span), None)
        if remaining is None:
            why = Text(_why(after, span.trace_id))
            table.add_row(Text(span.name), Text("dropped", style="red"), "", why)
            continue
        rows = list(_changes(span, remaining))
        for row in rows:
            # As text: what stands in brackets, such as [EMAIL], is no markup.
            table.add_row(Text(span.name), *(Text(cell) for cell in row))
        if not rows:
            table.add_row(Text(span.name), Text("unchanged", style="dim"))
    for span in left.values():
        table.add_row(Text(span.name), Text("added", style="green"))
    console = Console()
    console.print(table)
    console.print(f"{several(len(before), 'span')} in, {len(after):,} out")
    if verdicts:
        console.print(_traces(verdicts))
    for processor, found in findings.items():
        _show_findings(console, processor, found)


def _why(after: Batch, trace_id: bytes) -> str:
    """Return by which processors spans of a trace were dropped, and by which of their rules."""
    drops = [one for one in after.dropped if trace_id in one.trace_ids or not one.trace_ids]
    return ", ".join(f"{one.by}: {one.reason}" if one.reason else one.by for one in drops)


def _traces(verdicts: Sequence[Verdict]) -> Table:
    table = Table(title="traces, at the end of every wait", title_justify="left")
    for column in ("trace", "spans", "decision", "by"):
        table.add_column(column, overflow="fold")
    for one in verdicts:
        decision = Text("kept", style="green") if one.kept else Text("dropped", style="red")
        table.add_row(one.trace_id.hex(), str(one.spans), decision, Text(one.reason))
    return table


def _show_findings(console: Console, processor: str, found: Sequence[Finding]) -> None:
    if not found:
        console.print(f"{processor} found nothing")
        return
    table = Table(title=f"{processor} found", title_justify="left")
    table.add_column("where", overflow="fold")
    table.add_column("type")
    table.add_column("characters lost", justify="right")
    for one in found:
        table.add_row(one.place, one.type, str(one.length))
    console.print(table)


def _key(span: Span) -> tuple[bytes, bytes]:
    return span.trace_id, span.span_id


def _changes(old: Span, new: Span) -> Iterator[tuple[str, str, str]]:
    """Yield what differs: name, status, attributes of span, resource, scope; events, links."""
    if old.name != new.name:
        yield "name", *_short(old.name, new.name)
    if old.peek.status != new.peek.status:
        yield "status", *_short(str(old.peek.status), str(new.peek.status))
    yield from _differences("", old.attributes, new.attributes)
    yield from _differences("resource ", old.resource.attributes, new.resource.attributes)
    yield from _differences("scope ", old.scope.attributes, new.scope.attributes)
    if list(old.peek.events) != list(new.peek.events):
        yield "events", *_short(str(old.peek.events), str(new.peek.events))
    if list(old.peek.links) != list(new.peek.links):
        yield "links", *_short(str(old.peek.links), str(new.peek.links))


def _differences(
    where: str, old: Mapping[str, Value], new: Mapping[str, Value]
) -> Iterator[tuple[str, str, str]]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key) or (key in old) != (key in new):
            yield where + key, *_short(_text(old, key), _text(new, key))


def _text(attributes: Mapping[str, Value], key: str) -> str:
    if key not in attributes:
        return "-"
    value = attributes[key]
    return value if isinstance(value, str) else repr(value)


def _short(old: str, new: str) -> tuple[str, str]:
    """Return the part of both where they begin to differ."""
    pairs = enumerate(zip(old, new, strict=False))
    shared = next((at for at, (a, b) in pairs if a != b), min(len(old), len(new)))
    start = max(0, shared - LEAD) if max(len(old), len(new)) > WIDTH else 0
    return _window(old, start), _window(new, start)


def _window(text: str, start: int) -> str:
    shown = text[start : start + WIDTH]
    before = "..." if start else ""
    after = "" if start + WIDTH >= len(text) else "..."
    whole = f" ({len(text)} characters)" if before or after else ""
    return f"{before}{shown}{after}{whole}"
