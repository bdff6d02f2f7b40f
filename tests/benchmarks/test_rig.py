"""What benchmarks with the real gateway measure, in small."""

from pathlib import Path

import pytest

from benchmarks import flatness, latency, scaling
from benchmarks.flatness import Sizes
from benchmarks.rig import Setup
from gateway.bench.scenario import Scenario
from gateway.config.loader import decode

SMALL = Sizes(backlog=(200, 400), tenants=(1, 3), lanes=(1, 2), traces=(50, 100), probe=200)


@pytest.mark.slow
@pytest.mark.nightly
async def test_latency_at_two_rates() -> None:
    """Nearly as many requests as were due are answered, later ones not sooner than others."""
    scenario = Scenario(protocol="grpc", kind="plain", spans=5, pipeline="default")

    low, high = await latency.measure(scenario, 1.0)

    assert (0.3, 0.8) == (low.share, high.share)
    for row in (low, high):
        assert row.report.requests >= int(row.rate) - row.report.refused
        assert 0 < row.report.p50_ms <= row.report.p99_ms


@pytest.mark.slow
@pytest.mark.nightly
async def test_scaling_tells_the_share_of_each_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker has all, two share."""
    monkeypatch.setattr(scaling, "CONNECTIONS", (2,))
    monkeypatch.setattr(scaling, "_WARM_UP_S", 0.2)

    rows = await scaling.measure_all(0.5)

    assert [("http", 1), ("http", 2), ("grpc", 1), ("grpc", 2)] == [
        (row.protocol, row.workers) for row in rows
    ]
    for row in rows:
        assert row.workers == len(row.shares)
        assert pytest.approx(1) == sum(row.shares)
        assert row.cpu_us > 0


@pytest.mark.slow
@pytest.mark.nightly
async def test_flatness_measures_what_grows() -> None:
    """Each line has a cost for each count, and open traces take memory."""
    lines, growth = await flatness.measure_all(SMALL)

    assert [
        ("backlog, accepting", (200, 400)),
        ("backlog, delivering", (200, 400)),
        ("tenants", (1, 3)),
        ("lanes", (1, 2)),
        ("open traces", (50, 100)),
    ] == [(line.what, line.counts) for line in lines]
    assert all(cost > 0 for line in lines for cost in line.cpu_us)
    assert growth.traces >= 100


@pytest.mark.parametrize("setup", [Setup(), Setup(workers=2, lanes=64, tenants=3)])
def test_settings_are_what_the_gateway_takes(setup: Setup, tmp_path: Path) -> None:
    """The configuration of a rig is valid."""
    settings = decode(setup.config(4318, "data"), tmp_path)
    assert setup.workers == settings.service.workers
