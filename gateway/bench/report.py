"""Show what was measured."""

from collections.abc import Sequence

import msgspec
from rich.table import Table

from gateway.bench.scenario import Figures

_DISTURBED = 0.2
_COLUMNS = (
    "in",
    "out",
    "processors",
    "spans",
    "a\nrequest",
    "spans/\nCPU-s",
    "requests/\nCPU-s",
    "spans/s",
    "p50\nms",
    "p99\nms",
    "idle\nMiB",
    "peak\nMiB",
)
_ALIKE = ("out", "processors")
"""The same in each row of a terminal's table."""


def best(rounds: Sequence[Figures]) -> Figures:
    """Return that of several measurements with most for its CPU time: others only ever add."""
    return max(rounds, key=lambda figures: (figures.spans_per_cpu_s, figures.spans_per_s))


def as_table(results: Sequence[Figures]) -> Table:
    """Return a table for the terminal, narrow enough for 80 columns."""
    table = Table(box=None, header_style="bold")
    for column in _COLUMNS:
        if column not in _ALIKE:
            table.add_column(column, justify="left" if column in _COLUMNS[:4] else "right")
    for figures in results:
        protocol, _, _, *rest = _cells(figures)
        table.add_row(protocol, *rest)
    return table


def as_markdown(results: Sequence[Figures], ratios: Sequence[float]) -> str:
    """Return a table for a page, each row with how it compares to the reference."""
    heads = tuple(column.replace("\n", " ").replace("/ ", "/") for column in _COLUMNS)
    rows = [
        (*_cells(figures), f"{ratio:.3f}") for figures, ratio in zip(results, ratios, strict=True)
    ]
    marks = (*("---" for _ in _COLUMNS[:4]), *("---:" for _ in _COLUMNS[4:]), "---:")
    lines = [(*heads, "ratio"), marks, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_json(results: Sequence[Figures]) -> str:
    """Return all of it for programs."""
    rates = ("spans_per_cpu_s", "requests_per_cpu_s", "spans_per_s")
    rows = [
        {**msgspec.to_builtins(figures), **{rate: getattr(figures, rate) for rate in rates}}
        for figures in results
    ]
    return msgspec.json.format(msgspec.json.encode(rows)).decode()


def warnings(results: Sequence[Figures]) -> list[str]:
    """Return what to know before believing the figures."""
    notes = []
    disturbed = max((figures.other_cpu for figures in results), default=0.0)
    if disturbed > _DISTURBED:
        notes.append(
            f"other programs kept up to {disturbed:.1f} processors busy meanwhile; measure again "
            "when the machine is quiet"
        )
    notes += [
        f"{figures.scenario}: {figures.refused} requests were told to come back later"
        for figures in results
        if figures.refused
    ]
    if any(figures.cpu_s == 0 for figures in results):
        notes.append("CPU time is only known on Linux; spans/s depends on the load generator too")
    return notes


def _cells(figures: Figures) -> tuple[str, ...]:
    scenario = figures.scenario
    return (
        scenario.protocol,
        scenario.exporter,
        scenario.pipeline,
        "LLM" if scenario.kind == "llm" else scenario.kind,
        str(scenario.spans),
        _rounded(figures.spans_per_cpu_s),
        _rounded(figures.requests_per_cpu_s),
        _rounded(figures.spans_per_s),
        f"{figures.p50_ms:.1f}",
        f"{figures.p99_ms:.1f}",
        f"{figures.idle_rss_mib:.0f}",
        f"{figures.peak_rss_mib:.0f}",
    )


def _rounded(value: float) -> str:
    """Three digits are more than such a measurement is worth."""
    return f"{float(f'{value:.3g}'):,.0f}" if value else "-"
