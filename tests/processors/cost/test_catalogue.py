"""That our arithmetic over the catalogue is the library's own, and where it goes beyond it."""

import datetime as dt
from typing import Any

import pytest
from genai_prices.types import ModelPrice, TieredPrices, Usage

from processors.cost.catalogue import Entry, catalogue
from processors.cost.rates import Price, Rates, checked
from processors.cost.rates import Usage as OurUsage

NOW = dt.datetime(2026, 11, 18, 12, tzinfo=dt.UTC)
TOKENS = [
    {"input": 1000, "output": 500},
    {"input": 131_073, "output": 1},
    {"input": 1_200_000, "output": 70_000, "cache_read": 900_000},
    {"input": 300_000, "output": 9, "cache_read": 1000, "cache_write": 2000},
]
_THEIRS = {"cache_read": "cache_read_tokens", "cache_write": "cache_write_tokens"}


def entries() -> list[Entry]:
    """Return all entries that are priced by the token."""
    every = [Entry(p, m) for p in catalogue()._providers for m in p.models]
    return [entry for entry in every if catalogue().price(entry, NOW) is not None]


def theirs(entry: Entry, tokens: dict[str, int]) -> Any:
    """Return what the library makes of the tokens."""
    usage = Usage(
        input_tokens=tokens["input"],
        output_tokens=tokens["output"],
        **{_THEIRS[kind]: count for kind, count in tokens.items() if kind in _THEIRS},
    )
    return entry.model.calc_price(usage, entry.provider, genai_request_timestamp=NOW)


@pytest.mark.parametrize("tokens", TOKENS, ids=str)
def test_every_entry_costs_what_the_library_says(tokens: dict[str, int]) -> None:
    """Cache, tiers and fees of all entries come to the same sum as the library's arithmetic."""
    compared = 0
    for entry in entries():
        price = catalogue().price(entry, NOW)
        assert price is not None
        cost = price.cost(OurUsage(**tokens))
        expected = theirs(entry, tokens)
        assert float(expected.input_price) == pytest.approx(cost.input, rel=1e-9), entry.name
        assert float(expected.output_price) == pytest.approx(cost.output, rel=1e-9), entry.name
        compared += 1
    assert compared > 1500


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input": 1000, "audio_input": 400}, 600 * 0.3 + 400 * 1.0),
        ({"input": 1000, "audio_input": 400, "cache_read": 500}, 100 * 0.3 + 400 + 500 * 0.03),
        ({"input": 1000, "audio_input": 800, "cache_read": 500},
         500 * 1.0 + 200 * 0.03 + 300 * 0.1),
    ],
)  # fmt: skip
def test_audio_and_what_of_it_was_cached(usage: dict[str, int], expected: float) -> None:
    """Audio has its rate; where audio and cache together exceed the input, they overlap."""
    entry = catalogue().find("google", "gemini-2.5-flash")
    assert entry is not None
    price = catalogue().price(entry, NOW)
    assert price is not None
    assert expected / 1e6 == pytest.approx(price.cost(OurUsage(**usage)).input)


def test_reasoning_and_audio_output_have_their_rates() -> None:
    """What is left of the output costs the plain rate."""
    price = Price((Rates(output=10, reasoning=3, audio_output=20),))
    cost = price.cost(OurUsage(output=1000, reasoning=300, audio_output=100))
    assert (600 * 10 + 300 * 3 + 100 * 20) / 1e6 == pytest.approx(cost.output)


def test_counters_that_exclude_one_another_are_joined() -> None:
    """Input below what was cached leaves the cache out; so does output below its reasoning."""
    usage = checked(OurUsage(input=150, cache_read=2000, cache_write=300, output=5, reasoning=50))
    assert (2450, 55) == (usage.input, usage.output)


def test_prices_of_nothing_are_gaps() -> None:
    """The catalogue's zeros mean that somebody else pays, or that nobody knows."""
    for provider, model in (("github-copilot", "gpt-4o"), ("google", "gemma-3-27b-it")):
        entry = catalogue().find(provider, model)
        assert entry is not None
        assert catalogue().price(entry, NOW) is None


def test_prices_are_those_of_the_time() -> None:
    """A price that changed is what it was when the call was made."""
    entry = catalogue().find("openai", "o3")
    assert entry is not None
    before = catalogue().price(entry, dt.datetime(2025, 5, 1, tzinfo=dt.UTC))
    after = catalogue().price(entry, NOW)
    assert before is not None
    assert after is not None
    assert (10.0, 2.0) == (before.rates[0].input, after.rates[0].input)


def test_a_tier_is_priced_before_it_was_looked_up() -> None:
    """The catalogue dates tiers by when they were verified; earlier calls keep the ratio."""
    found = catalogue()
    entry = found.find("openai", "gpt-4o")
    assert entry is not None
    for when in (dt.datetime(2024, 12, 1, tzinfo=dt.UTC), NOW):
        price = found.price(entry, when, "batch")
        assert price is not None
        assert (1.25, 5.0) == (price.rates[0].input, price.rates[0].output)
    dearer = found.find("openai", "o3")
    assert dearer is not None
    price = found.price(dearer, dt.datetime(2025, 5, 1, tzinfo=dt.UTC), "batch")
    assert price is not None
    assert (5.0, 20.0) == (price.rates[0].input, price.rates[0].output)


def test_an_unknown_tier_changes_nothing() -> None:
    """A tier that the catalogue does not have leaves the standard price."""
    found = catalogue()
    entry = found.find("anthropic", "claude-3-haiku-20240307")
    assert entry is not None
    assert found.price(entry, NOW) == found.price(entry, NOW, "platinum")


def test_the_catalogue_says_how_old_it_is() -> None:
    """Name, version and date tell which prices were used."""
    assert catalogue().date is not None
    assert catalogue().title.startswith("genai-prices 0.")
    assert catalogue().title.endswith(f"({catalogue().date})")


def test_the_nearest_names_are_offered() -> None:
    """A slip of the finger leads to the entry that was meant."""
    assert "openai/gpt-4o-mini" in catalogue().nearest("gpt-4o-mimi")


def test_the_library_still_has_what_is_used() -> None:
    """The parts of the library that are read here are where they were."""
    assert TieredPrices.__dataclass_fields__.keys() == {"base", "tiers"}
    assert ModelPrice(input_mtok=None).__dict__ == {"input_mtok": None}
