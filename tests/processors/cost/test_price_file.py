"""What the user's own price file promises."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.batch import BatchContext
from gateway.config.loader import ConfigError, load
from gateway.testing import batch, processor
from processors.cost import Cost
from processors.cost.price_file import read_price_file
from tests.processors.cost.support import COST, at, call, priced

USAGE = {"input_tokens": 1_000_000, "output_tokens": 1_000_000}


def cost_with(folder: Path, prices: str, **settings: Any) -> Cost:
    """Return the processor with a price file."""
    path = folder / "prices.yaml"
    path.write_text(prices, encoding="utf-8")
    return processor(Cost, prices_file=str(path), **settings)


def total(cost: Cost, provider: str, model: str, when: dt.date | None = None, **more: Any) -> Any:
    """Return the total cost of a million tokens each way."""
    ns = 1_795_000_000_000_000_000
    if when is not None:
        ns = int(dt.datetime.combine(when, dt.time(12), dt.UTC).timestamp()) * 10**9
    found = priced(call(provider, model, USAGE, **more), cost, ns).get(COST)
    return None if found is None else found["total_cost"]


def test_a_deployment_gets_its_models_price(tmp_path: Path) -> None:
    """An alias prices a name that nobody else knows, and the span says by which rule."""
    cost = cost_with(tmp_path, "- match: {provider: azure, model: my-gpt4o-*}\n  alias: gpt-4o\n")
    assert 12.5 == total(cost, "azure", "my-gpt4o-deployment")
    assert total(cost, "openai", "my-gpt4o-deployment") is None
    found = priced(call("azure", "my-gpt4o-deployment", USAGE), cost)
    assert "prices.yaml[0]: azure/gpt-4o" == found["spangate.cost.rule"]


def test_an_alias_may_name_its_provider(tmp_path: Path) -> None:
    """Where the runner does not sell the model, its maker's price or the named one's is taken."""
    cost = cost_with(
        tmp_path,
        "- {match: {model: house}, alias: anthropic/claude-3-haiku-20240307}\n"
        "- {match: {provider: vllm}, alias: gpt-4o}\n",
    )
    assert 1.5 == total(cost, "bedrock", "house")
    assert 12.5 == total(cost, "vllm", "whatever")


def test_rates_of_a_contract(tmp_path: Path) -> None:
    """Rates of one's own go before the catalogue; what has none costs what is wider."""
    cost = cost_with(
        tmp_path,
        "- match: {model: gpt-4o}\n"
        "  rates_usd_per_mtok: {input: 2, output: 8, cache_read: 0.5, cache_write_1h: 3}\n",
    )
    usage = {
        "input_tokens": 1000,
        "output_tokens": 100,
        "cache_read_input_tokens": 500,
        "cache_creation_input_tokens": 300,
        "cache_creation_input_tokens_above_1hr": 100,
    }
    found = priced(call("openai", "gpt-4o", usage), cost)[COST]
    assert found["input_cost"] == pytest.approx((200 * 2 + 500 * 0.5 + 200 * 2 + 100 * 3) / 1e6)
    assert found["output_cost"] == pytest.approx(100 * 8 / 1e6)


def test_rates_for_long_requests(tmp_path: Path) -> None:
    """Above its threshold a rate holds for all tokens of the request; at it, not yet."""
    cost = cost_with(
        tmp_path,
        "- match: {model: long}\n"
        "  rates_usd_per_mtok:\n"
        "    {input: 1, input_above_200k: 2, input_above_500k: 3, output: 4, "
        "output_above_200k: 6}\n",
    )

    def of(tokens: int) -> list[float]:
        found = priced(call("", "long", {"input_tokens": tokens, "output_tokens": 1000}), cost)
        return [found[COST]["input_cost"], found[COST]["output_cost"]]

    assert [0.2, 0.004] == of(200_000)
    assert [pytest.approx(0.400002), 0.006] == of(200_001)
    assert [pytest.approx(1.8), 0.006] == of(600_000)


def test_own_machines_cost_nothing_for_certain(tmp_path: Path) -> None:
    """``free: true`` is a known price of zero, and no unknown model."""
    cost = cost_with(tmp_path, '- {match: {provider: ollama, model: "*"}, free: true}\n')
    assert 0 == total(cost, "ollama", "llama3.1:8b")
    assert [] == cost.unknown_models.most_common()


def test_rules_hold_from_day_to_day(tmp_path: Path) -> None:
    """Both days are part of a rule's time, counted in UTC by when the call was made."""
    cost = cost_with(
        tmp_path,
        "- match: {model: m}\n  valid_until: 2026-03-31\n  rates_usd_per_mtok: {input: 1}\n"
        "- match: {model: m}\n  valid_from: 2026-04-01\n  valid_until: 2026-04-30\n"
        "  rates_usd_per_mtok: {input: 2}\n",
    )
    days = [dt.date(2026, 3, 31), dt.date(2026, 4, 1), dt.date(2026, 4, 30), dt.date(2026, 5, 1)]
    assert [1, 2, 2, None] == [total(cost, "", "m", day) for day in days]


def test_discounts(tmp_path: Path) -> None:
    """A discount comes off the catalogue's price, an alias's or the rule's own rates."""
    cost = cost_with(
        tmp_path,
        "- {match: {model: a}, rates_usd_per_mtok: {input: 10}, discount: 0.2}\n"
        "- {match: {model: b}, alias: gpt-4o, discount: 0.1}\n"
        "- {match: {provider: openai}, discount: 0.5}\n",
    )
    assert [8, 11.25, 6.25] == [
        pytest.approx(total(cost, *what)) for what in (("", "a"), ("", "b"), ("openai", "gpt-4o"))
    ]


def test_an_alias_is_subject_to_the_other_rules(tmp_path: Path) -> None:
    """A rule for the model that an alias names is applied; rules in a circle end."""
    cost = cost_with(
        tmp_path,
        "- {match: {model: ours}, alias: gpt-4o}\n"
        "- {match: {model: gpt-4o}, rates_usd_per_mtok: {input: 1, output: 1}}\n"
        "- {match: {model: x}, alias: y}\n"
        "- {match: {model: y}, alias: x}\n",
    )
    assert 2 == total(cost, "", "ours")
    assert total(cost, "", "x") is None


def test_tenants_have_their_own_prices(tmp_path: Path) -> None:
    """A rule may be about one tenant, and about a service tier."""
    cost = cost_with(
        tmp_path,
        "- {match: {tenant: search*, service_tier: flex}, rates_usd_per_mtok: {input: 1}}\n"
        "- {match: {tenant: search*}, rates_usd_per_mtok: {input: 2}}\n",
    )

    def of(tenant: str, **more: Any) -> Any:
        given = at(
            batch(call("openai", "gpt-4o", USAGE, **more), context=BatchContext(tenant=tenant))
        )
        return next(iter(cost.process(given))).attributes.json(COST)["total_cost"]

    assert 1 == of("search-eu", **{"openai.request.service_tier": "flex"})
    assert 2 == of("search-eu")
    assert 12.5 == of("Search")


MISTAKES = """\
- match: {provider: azure, modell: my-gpt4o}
  alias: gpt-4o
- match: {model: a}
  rates_usd_per_mtok:
    input: 1
    inptu_above_200k: 2
    output: cheap
    cache_read: -1
- match: {model: b}
  alias: gpt-4o
  free: true
- match: {model: c}
- match: {}
  discount: 15
- match: {model: d}
  free: true
  valid_from: 2026-05-01
  valid_until: yesterday
- alias: gpt-4o
- match: {model: e}
  rates_usd_per_mtok: {cache_read: 1}
- match: {model: f}
  free: true
  valid_from: 2026-05-02
  valid_until: 2026-05-01
"""
WRONG_LINES = [1, 6, 7, 8, 11, 12, 13, 14, 18, 19, 21, 25]


def test_every_mistake_is_reported_with_its_line(tmp_path: Path) -> None:
    """All mistakes of a file are found in one go, each with line, path and what to do."""
    path = tmp_path / "prices.yaml"
    path.write_text(MISTAKES, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        read_price_file(path)
    lines = [int(problem.where.rpartition(":")[2]) for problem in caught.value.problems]
    assert WRONG_LINES == lines
    text = str(caught.value)
    assert 'did you mean "model"?' in text
    assert "[1].rates_usd_per_mtok.inptu_above_200k" in text


def test_a_broken_price_file_is_a_broken_configuration(tmp_path: Path) -> None:
    """The gateway does not start with it, and says where in the price file it is wrong."""
    (tmp_path / "prices.yaml").write_text("- match: {model: a}\n  free: perhaps\n", "utf-8")
    config = tmp_path / "gateway.yaml"
    config.write_text(
        "receivers: {otlp: {}}\n"
        "processors:\n"
        "  cost:\n"
        "    prices_file: prices.yaml\n"
        "exporters: {debug: {}}\n"
        "service:\n"
        "  pipelines: {traces: {receivers: [otlp], processors: [cost], exporters: [debug]}}\n",
        "utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load([config])
    text = str(caught.value)
    assert f"{config}:4: processors.cost.prices_file" in text
    assert re.search(r"prices\.yaml:2: \[0\]\.free: expected true or false", text)


def test_a_missing_price_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is said as it is."""
    with pytest.raises(ValueError, match=r"gone\.yaml: cannot read the file"):
        processor(Cost, prices_file=str(tmp_path / "gone.yaml"))
