"""What the demo promises to notice, and to show, of what arrived."""

from collections import Counter

from rich.console import Console

from gateway.demo import report
from gateway.demo.readback import Trace
from gateway.demo.report import Sent, SentTrace

A, B = "a" * 32, "b" * 32
EMAIL = "ada@example.org"
SENT = [
    Sent("planner", [SentTrace(A, ["01", "02"], [EMAIL])]),
    Sent("desk", [SentTrace(B, ["03"], [])]),
]


def trace(trace_id: str, *span_ids: str, text: str = "", state: str = "OK") -> Trace:
    return Trace(
        trace_id=trace_id,
        experiment_id="7",
        state=state,
        service="planner",
        session="s-1",
        tokens=(12, 5),
        cost_usd=0.000029,
        span_ids=frozenset(span_ids),
        types=Counter({"AGENT": 1, "LLM": 1}),
        text=text,
    )


def test_nothing_is_wrong_where_all_arrived() -> None:
    """Every span of every trace is there."""
    assert [] == report.faults(SENT, [trace(A, "01", "02"), trace(B, "03")], redacted=True)


def test_a_missing_trace_is_named() -> None:
    """The fault names agent and trace."""
    (fault,) = report.faults(SENT, [trace(A, "01", "02")], redacted=False)

    assert f"desk: trace {B} is not in MLflow" == fault


def test_a_missing_span_is_named() -> None:
    """The fault names the span."""
    (fault,) = report.faults(SENT, [trace(A, "01"), trace(B, "03")], redacted=False)

    assert f"planner: trace {A} lacks 1 of 2 spans in MLflow (02)" == fault


def test_a_leak_is_a_fault_only_where_the_gateway_redacts() -> None:
    """Made-up personal data that reached MLflow in clear counts once redaction is on."""
    arrived = [trace(A, "01", "02", text=f"to {EMAIL}"), trace(B, "03")]

    assert [] == report.faults(SENT, arrived, redacted=False)
    (fault,) = report.faults(SENT, arrived, redacted=True)
    assert f"planner: 1 made-up secrets of trace {A} reached MLflow in clear" == fault


def shown(arrived: list[Trace], *, redacted: bool) -> str:
    console = Console(width=80, record=True, quiet=False, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(report.table(SENT, arrived, {"7": "demo-support"}, redacted=redacted))
    return captured.get()


def test_the_table_shows_every_figure_on_80_columns() -> None:
    """Nothing is cut or wrapped."""
    text = shown([trace(A, "01", "02", state="ERROR")], redacted=True)

    for figure in ("aaaaaaaa", "planner", "demo-support", "s-1", "2", "1 AGENT", "1 LLM",
                   "12 → 5", "$0.000029", "ERROR", "1 of 1"):  # fmt: skip
        assert figure in text


def test_redactions_show_a_dash_without_a_redaction_processor() -> None:
    """The table claims nothing that was not done."""
    (row,) = [line for line in shown([trace(A, "01")], redacted=False).splitlines() if "OK" in line]

    assert ["OK", "-"] == row.split()[-2:]
