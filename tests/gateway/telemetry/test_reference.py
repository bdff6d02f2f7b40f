"""What the page of metrics promises: to say what the code says."""

from pathlib import Path

from prometheus_client import generate_latest

from gateway.telemetry.metrics import REGISTRY
from gateway.telemetry.reference import register, render

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_the_page_is_up_to_date() -> None:
    """The page in the repository is the one that the register gives: `make docs` writes it."""
    assert render() == PAGE.read_text(encoding="utf-8")


def test_every_metric_that_is_served_is_on_the_page() -> None:
    """Nothing is served that the page does not name, but what plugins declare."""
    page = render()
    served = [
        line.split()[2]
        for line in generate_latest(REGISTRY).decode().splitlines()
        if line.startswith("# TYPE") and "spangate_plugin_" not in line and "_created" not in line
    ]
    assert served
    assert [] == [name for name in served if f"`{name}`" not in page]


def test_names_are_ours() -> None:
    """Every metric carries the prefix, and says what it means in a sentence."""
    for metric in register():
        assert metric.name.startswith("spangate_")
        assert metric.text.endswith(".")
