"""What the metrics of plugins promise: no batch is lost over one, and no memory."""

import json
import threading

import pytest

from gateway.telemetry import logs, meter
from gateway.telemetry.meter import PluginMeter
from gateway.telemetry.metrics import REGISTRY


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"spangate_plugin_{name}", {"component": "mine", **labels})


def test_counts_and_gauges_by_component() -> None:
    """A name is declared by using it; signs that Prometheus lacks become underlines."""
    mine = PluginMeter("mine")
    mine.count("meter test.hits", 2, team="a")
    mine.count("meter test.hits", 3, team="a")
    mine.gauge("meter_test_level", 7)

    assert 5 == value("meter_test_hits_total", team="a")
    assert 7 == value("meter_test_level")


@pytest.mark.parametrize("wrong", ["kind", "labels", "reserved", "negative"])
def test_a_mistake_is_told_once_and_raises_nothing(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Prometheus would refuse costs the metric, never the batch."""
    logs.configure("info", "json")
    mine = PluginMeter("mine")
    name = f"meter_test_{wrong}"
    mine.count(name)
    for _ in range(2):
        match wrong:
            case "kind":
                mine.gauge(name, 1)
            case "labels":
                mine.count(name, team="a")
            case "reserved":
                mine.count(f"{name}_2", component="a")
            case _:
                mine.count(name, -1)

    [line] = capsys.readouterr().err.splitlines()
    assert "metric left out" == json.loads(line)["event"]
    assert "mine" in line
    assert 1 == value(f"{name}_total")


def test_series_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that labels with what is different each time does not fill the memory."""
    monkeypatch.setattr(meter, "MAX_SERIES", 3)
    mine = PluginMeter("mine")
    for number in range(10):
        mine.count("meter_test_bound", user=str(number))

    found = [value("meter_test_bound_total", user=str(number)) for number in range(10)]
    assert [1.0, 1.0, 1.0] == [one for one in found if one is not None]


def test_threads_may_declare_at_the_same_time() -> None:
    """Two batches that use a new name at once do not fail."""
    mine = PluginMeter("mine")
    barrier = threading.Barrier(4)

    def use() -> None:
        barrier.wait()
        for number in range(50):
            mine.count(f"meter_test_race_{number}")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {4.0} == {value(f"meter_test_race_{number}_total") for number in range(50)}
