"""What ``debug`` shows to a developer."""

import asyncio
import os
import pty
import sys

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span, Status

from exporters.debug import Debug
from exporters.debug_summary import duration_text
from gateway.otlp.values import Value, key_value
from gateway.plugin import Batch, Reject
from gateway.testing import component
from tests.exporters.backends import FakeContext

START_UNIX_NS = 1_700_000_000_000_000_000
MS = 1_000_000


class Trace:
    """A trace to be printed."""

    def __init__(self) -> None:
        self.request = ExportTraceServiceRequest()
        self.resource_spans = self.request.resource_spans.add()
        self.resource_spans.resource.attributes.append(key_value("service.name", "shop"))
        self.scope_spans: ScopeSpans = self.resource_spans.scope_spans.add()
        self.scope_spans.scope.name = "my.scope"

    def add(
        self, name: str, number: int, parent: int = 0, ms: int = 1, **attributes: Value
    ) -> Span:
        """Add a span; ``__`` in the names of attributes stands for a dot."""
        span = self.scope_spans.spans.add(
            trace_id=b"\x01" * 16,
            span_id=number.to_bytes(8),
            parent_span_id=parent.to_bytes(8) if parent else b"",
            name=name,
            start_time_unix_nano=START_UNIX_NS + number * MS,
            end_time_unix_nano=START_UNIX_NS + (number + ms) * MS,
        )
        for key, value in attributes.items():
            span.attributes.append(key_value(key.replace("__", "."), value))
        return span

    @property
    def batch(self) -> Batch:
        """The trace as a batch."""
        return Batch(self.request.SerializeToString())


async def show(trace: Trace, verbosity: str = "basic") -> None:
    """Print a trace."""
    exporter = component(Debug, verbosity=verbosity)
    await exporter.start(FakeContext())
    await exporter.export(trace.batch)
    await exporter.stop()


async def test_draws_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    """Each span stands below its parent with type, duration, tokens, cost and status."""
    trace = Trace()
    usage = '{"input_tokens": 1200, "output_tokens": 80}'
    trace.add("ask", 1, ms=1500, mlflow__spanType="AGENT")
    # A child may arrive before its parent.
    trace.add("lookup", 3, parent=2, ms=2, openinference__span__kind="TOOL").status.CopyFrom(
        Status(code=Status.STATUS_CODE_ERROR, message="no\nroute")
    )
    llm = trace.add(
        "chat",
        2,
        parent=1,
        ms=26,
        mlflow__spanType='"CHAT_MODEL"',
        mlflow__chat__tokenUsage=usage,
        mlflow__llm__cost='{"total_cost": 0.0035}',
    )
    llm.status.code = Status.STATUS_CODE_OK

    await show(trace)

    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"trace {'01' * 16}, 3 spans of shop",
        "└── ask  AGENT  1.5 s",
        "    └── chat  CHAT_MODEL  26 ms  1200 → 80 tokens  $0.0035  OK",
        "        └── lookup  TOOL  2 ms  ERROR no\\nroute",
    ]


async def test_normal_shortens_attributes(capsys: pytest.CaptureFixture[str]) -> None:
    """``normal`` adds resource and attributes, each on one line."""
    trace = Trace()
    trace.add("ask", 1, prompt="p" * 500, count=3, tags=["a", 1.5])

    await show(trace, "normal")

    lines = capsys.readouterr().err.splitlines()
    assert "│   └── service.name = shop" in lines
    assert f"    ├── prompt = {'p' * 119}…" in lines
    assert "    ├── count = 3" in lines
    assert '    └── tags = ["a",1.5]' in lines


async def test_detailed_shows_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """``detailed`` shows ids, times, scope, all of each value, events, links, what was dropped."""
    trace = Trace()
    span = trace.add("ask", 1, prompt="p" * 5000)
    event = span.events.add(name="exception", time_unix_nano=START_UNIX_NS + 3 * MS)
    event.attributes.append(key_value("exception.type", "ValueError"))
    link = span.links.add(trace_id=b"\x02" * 16, span_id=b"\x03" * 8)
    link.attributes.append(key_value("why", "retry"))
    span.kind = Span.SPAN_KIND_CLIENT
    span.trace_state = "ot=th:8"
    span.dropped_events_count = 1

    await show(trace, "detailed")

    text = capsys.readouterr().err
    for part in (
        "span id: 0000000000000001",
        "kind: client",
        "start: 2023-11-14T22:13:20.001000+00:00",
        "scope: my.scope",
        "trace state: ot=th:8",
        "dropped: 1 event",
        f"prompt = {'p' * 5000}",
        "event exception at 2 ms",
        "exception.type = ValueError",
        f"link to {'02' * 16}:{'03' * 8}",
        "why = retry",
    ):
        assert f" {part}\n" in text


async def test_obeys_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    """A span cannot move the cursor or colour the terminal; rich's markup is just text."""
    trace = Trace()
    span = trace.add("\x1b[2J[bold]name\x9b", 1)
    span.attributes.append(key_value("k\x07", "v\r\n"))

    await show(trace, "detailed")

    text = capsys.readouterr().err
    assert "\\x1b[2J[bold]name\\x9b" in text
    assert "k\\x07 = v\\r\\n" in text
    assert "\x1b" not in text


async def test_shows_spans_without_a_way_to_a_root(capsys: pytest.CaptureFixture[str]) -> None:
    """Orphans, rings and spans that are their own parents are shown once each."""
    trace = Trace()
    trace.add("orphan", 1, parent=99)
    trace.add("ring a", 2, parent=3)
    trace.add("ring b", 3, parent=2)
    trace.add("own parent", 4, parent=4)

    await show(trace)

    lines = capsys.readouterr().err.splitlines()
    shown = sorted(line.lstrip(" └├─│").split("  ")[0] for line in lines[1:])
    assert shown == ["orphan", "own parent", "ring a", "ring b"]


async def test_survives_a_deep_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """A chain of a thousand spans is printed, each name on a line."""
    trace = Trace()
    for number in range(1, 1001):
        trace.add(f"span {number}", number, parent=number - 1)

    await show(trace)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1001
    assert "span 1000  " in lines[-1]


async def test_shows_odd_times(capsys: pytest.CaptureFixture[str]) -> None:
    """Times that make no sense do not stop the trace from being shown."""
    trace = Trace()
    span = trace.add("odd", 1)
    span.start_time_unix_nano, span.end_time_unix_nano = 2**64 - 1, 5
    span.events.add(name="early", time_unix_nano=1)

    await show(trace, "detailed")

    text = capsys.readouterr().err
    assert "└── odd\n" in text
    assert "event early at an unknown time" in text


@pytest.mark.parametrize("no_color", [True, False])
async def test_colours_only_on_a_terminal_that_wants_them(
    monkeypatch: pytest.MonkeyPatch, no_color: bool
) -> None:
    """A terminal gets colours, one with ``NO_COLOR`` does not."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    trace = Trace()
    trace.add("ask", 1, mlflow__spanType="LLM")
    leader, follower = pty.openpty()

    with os.fdopen(follower, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        await show(trace)
        text = await asyncio.to_thread(os.read, leader, 4096)
    os.close(leader)

    assert b"LLM" in text
    assert (b"\x1b[36m" in text) is not no_color


async def test_rejects_when_nobody_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed stderr is a reason, not a crash."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    trace = Trace()
    trace.add("ask", 1)

    pipe = os.fdopen(write_end, "w")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", pipe)
        with pytest.raises(Reject, match="cannot print to stderr"):
            await show(trace)
    with pytest.raises(BrokenPipeError):
        pipe.close()


@pytest.mark.parametrize(
    ("nanoseconds", "expected"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_500, "1.5 µs"),
        (26_230_000, "26.2 ms"),
        (1_000_000_000, "1 s"),
        (3_600_000_000_000, "3600 s"),
    ],
)
def test_writes_durations_short(nanoseconds: int, expected: str) -> None:
    """Three digits and a unit."""
    assert duration_text(START_UNIX_NS, START_UNIX_NS + nanoseconds) == expected
