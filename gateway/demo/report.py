"""Compare what the agents sent with what MLflow holds, and show it."""

from collections.abc import Mapping, Sequence

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from gateway.demo.readback import Trace

NOTHING = "-"


class SentTrace(msgspec.Struct):
    """One trace as an agent sent it."""

    trace_id: str
    span_ids: list[str]
    planted: list[str]
    """Made-up personal data and keys in its spans."""


class Sent(msgspec.Struct):
    """What one agent says that it sent: its last line of output."""

    service: str
    traces: list[SentTrace]


def expected_spans(sent: Sequence[Sent]) -> dict[str, list[str]]:
    """Return the ids of all spans that were sent, by trace."""
    return {trace.trace_id: trace.span_ids for agent in sent for trace in agent.traces}


def faults(sent: Sequence[Sent], arrived: Sequence[Trace], *, redacted: bool) -> list[str]:
    """
    Return what is wrong with what arrived, a sentence each.

    Args:
        sent: what the agents sent.
        arrived: what MLflow holds.
        redacted: whether the gateway had to hide personal data.

    """
    found = {trace.trace_id: trace for trace in arrived}
    problems = []
    for agent in sent:
        for trace in agent.traces:
            here = found.get(trace.trace_id)
            if here is None:
                problems.append(f"{agent.service}: trace {trace.trace_id} is not in MLflow")
                continue
            lost = [span_id for span_id in trace.span_ids if span_id not in here.span_ids]
            if lost:
                problems.append(
                    f"{agent.service}: trace {trace.trace_id} lacks {len(lost)} of "
                    f"{len(trace.span_ids)} spans in MLflow ({', '.join(lost)})"
                )
            if redacted and (leaked := _leaked(trace, here)):
                problems.append(
                    f"{agent.service}: {leaked} made-up secrets of trace {trace.trace_id} "
                    "reached MLflow in clear"
                )
    return problems


def _leaked(sent: SentTrace, here: Trace) -> int:
    return sum(value in here.text for value in sent.planted)


def table(
    sent: Sequence[Sent],
    arrived: Sequence[Trace],
    experiments: Mapping[str, str],
    *,
    redacted: bool,
) -> Table:
    """Return what arrived, a row a trace; it fits a terminal of 80 columns."""
    result = Table(
        title="What arrived in MLflow",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    result.add_column("Trace\nService", no_wrap=True)
    result.add_column("Experiment\nSession", overflow="fold")
    result.add_column("Spans", justify="right")
    result.add_column("Types", no_wrap=True)
    result.add_column("Tokens\nCost", justify="right", no_wrap=True)
    result.add_column("Status", no_wrap=True)
    result.add_column("Redacted", no_wrap=True)
    planted = {trace.trace_id: trace for agent in sent for trace in agent.traces}
    for trace in arrived:
        result.add_row(*_row(trace, planted[trace.trace_id], experiments, redacted=redacted))
    return result


def _row(
    trace: Trace, sent: SentTrace, experiments: Mapping[str, str], *, redacted: bool
) -> list[str | Text]:
    hidden = len(sent.planted) - _leaked(sent, trace)
    tokens = NOTHING if trace.tokens is None else "{} → {}".format(*trace.tokens)
    cost = NOTHING if trace.cost_usd is None else f"${trace.cost_usd:.6f}"
    experiment = experiments.get(trace.experiment_id, trace.experiment_id)
    return [
        f"{trace.trace_id[:8]}\n{trace.service or NOTHING}",
        f"{experiment}\n{trace.session or NOTHING}",
        str(len(trace.span_ids)),
        "\n".join(f"{count} {kind}" for kind, count in sorted(trace.types.items())),
        f"{tokens}\n{cost}",
        Text(trace.state, style="red" if trace.state == "ERROR" else "green"),
        f"{hidden} of {len(sent.planted)}" if redacted and sent.planted else NOTHING,
    ]
