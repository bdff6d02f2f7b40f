"""What a measurement promises, shown with the real gateway."""

from pathlib import Path
from typing import Literal

import pytest

from gateway.bench import report
from gateway.bench.load import Protocol
from gateway.bench.processes import BenchError, gateway
from gateway.bench.scenario import Figures, Scenario, measure


@pytest.mark.slow
@pytest.mark.parametrize(
    ("protocol", "exporter", "pipeline"),
    [("http", "otlp_http", "none"), ("grpc", "otlp_http", "default"), ("http", "mlflow", "none")],
)
async def test_measures_the_real_gateway(
    protocol: Protocol,
    exporter: Literal["otlp_http", "mlflow"],
    pipeline: Literal["none", "default"],
) -> None:
    """Every accepted span arrives, and the gateway's CPU time and memory are known."""
    steps: list[str] = []

    scenario = Scenario(
        protocol=protocol, kind="plain", spans=20, exporter=exporter, pipeline=pipeline
    )

    figures = await measure(scenario, 0.5, steps.append)

    assert steps == ["starting", "warming up", "loading", "draining"]
    assert figures.requests > 10
    assert figures.spans == figures.requests * 20
    assert figures.cpu_s > 0
    assert figures.spans_per_cpu_s == figures.spans / figures.cpu_s
    assert 0 < figures.p50_ms <= figures.p99_ms
    assert 20 < figures.idle_rss_mib <= figures.peak_rss_mib


async def test_says_why_the_gateway_does_not_start(tmp_path: Path) -> None:
    """What the gateway wrote before it ended is in the error."""
    config = tmp_path / "bad.yaml"
    config.write_text("exporters: {nowhere: {}}\n")

    with pytest.raises(BenchError, match=r"(?s)did not start.*nowhere"):
        async with gateway(config, ()):
            pass


def figures(**changes: float) -> Figures:
    """Return figures as they might be."""
    values: dict[str, float] = {
        "requests": 1000, "refused": 0, "body_bytes": 600_000, "load_s": 4, "drain_s": 1,
        "cpu_s": 2.5, "idle_rss_mib": 70, "peak_rss_mib": 90, "p50_ms": 12.34, "p99_ms": 45,
        "other_cpu": 0,
    }  # fmt: skip
    scenario = Scenario(protocol="http", kind="llm", spans=100)
    return Figures(scenario=scenario, **{**values, **changes})  # type: ignore[arg-type]  # ints too


def test_writes_a_row() -> None:
    """Rates are rounded to three digits and everything has its column."""
    head, _, row = report.as_markdown([figures(cpu_s=2.4567)], [0.51234]).splitlines()

    assert head.startswith("| in | out | processors | spans | a request | spans/CPU-s |")
    cells = "http | otlp_http | none | LLM | 100 | 40,700 | 407 | 20,000 | 12.3 | 45.0 | 70 | 90"
    assert f"| {cells} | 0.512 |" == row


def test_takes_the_best() -> None:
    """Rounds that were disturbed do not count."""
    rounds = [figures(cpu_s=cpu_s) for cpu_s in (9.0, 2.4, 2.5)]

    assert report.best(rounds) is rounds[1]


def test_warns_of_what_spoils_the_figures() -> None:
    """A busy machine, refusals and a system without /proc are said; a quiet run says nothing."""
    assert report.warnings([figures()]) == []
    disturbed = [figures(other_cpu=0.5), figures(other_cpu=0.3)]
    assert ["up to 0.5 processors busy" in note for note in report.warnings(disturbed)] == [True]
    assert "7 requests were told" in report.warnings([figures(refused=7)])[0]
    assert "only known on Linux" in report.warnings([figures(cpu_s=0)])[0]
