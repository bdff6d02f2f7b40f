"""What ``spangate prices`` promises to whoever wonders about a cost."""

import json
from pathlib import Path

from tests.gateway.cli.support import call


def test_explains_entry_rates_and_cost() -> None:
    """Entry, catalogue, date, rates and the cost of the given tokens are shown."""
    done = call(
        "prices", "gpt-4o-mini-2024-07-18", "--provider", "openai", "--input", "1200",
        "--output", "80", "--cache-read", "1024", "--at", "2026-11-01",
    )  # fmt: skip
    assert 0 == done.exit_code
    for told in ("openai/gpt-4o-mini", "genai-prices", "2026-11-01", "0.075", "0.0001512"):
        assert told in done.stdout


def test_an_unknown_model_is_a_failure_with_a_hint() -> None:
    """Exit code 1, the nearest names, and what to do."""
    done = call("prices", "gpt-4o-mimi", "--provider", "openai")
    assert 1 == done.exit_code
    assert "openai/gpt-4o-mini" in done.stdout
    assert "prices_file" in done.stdout


def test_a_price_file_is_tried_out(tmp_path: Path) -> None:
    """One's own rules are explained before they are put to use."""
    prices = tmp_path / "prices.yaml"
    prices.write_text(
        "- match: {provider: azure, model: ours}\n  alias: gpt-4o\n  discount: 0.5\n", "utf-8"
    )
    asked = ("prices", "ours", "--provider", "azure", "--input", "1000", "--format", "json")
    answer = json.loads(call(*asked, "--prices-file", str(prices)).stdout)
    assert "prices.yaml[0]: azure/gpt-4o, 0.5 discount" == answer["rule"]
    assert 0.00125 == answer["cost_usd"]["input"]
    assert 1 == call(*asked).exit_code


def test_the_prices_of_a_configuration_are_explained(tmp_path: Path) -> None:
    """With ``--config`` the file of its cost processor counts."""
    (tmp_path / "prices.yaml").write_text("- {match: {model: ours}, free: true}\n", "utf-8")
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "receivers: {otlp: {}}\n"
        "processors: {cost/team: {prices_file: prices.yaml}}\n"
        "exporters: {debug: {}}\n"
        "service:\n"
        "  pipelines: {traces: {receivers: [otlp], processors: [cost/team], exporters: [debug]}}\n",
        "utf-8",
    )
    done = call("prices", "ours", "--config", str(config))
    assert 0 == done.exit_code
    assert "prices.yaml[0]" in done.stdout


def test_a_broken_price_file_is_a_usage_error(tmp_path: Path) -> None:
    """Exit code 2, with file, line and what is wrong."""
    prices = tmp_path / "prices.yaml"
    prices.write_text("- match: {model: a}\n  fre: true\n", "utf-8")
    done = call("prices", "a", "--prices-file", str(prices))
    assert 2 == done.exit_code
    assert f"{prices}:2" in done.stderr
    assert 'did you mean "free"?' in done.stderr
