"""
The price catalogue: genai-prices as installed, never fetched.

Its matching is kept; its arithmetic is not used, since it takes 80 us a call.
"""

import datetime as dt
import difflib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import (
    ModelInfo,
    ModelPrice,
    PriceVariant,
    Provider,
    StartDateConstraint,
    TieredPrices,
    TimeOfDateConstraint,
)

from processors.cost.book import installed
from processors.cost.model_ids import guesses
from processors.cost.providers import canonical
from processors.cost.rates import Price, complete

_KEYS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "reasoning": "output_reasoning_mtok",
    "audio_input": "input_audio_mtok",
    "audio_output": "output_audio_mtok",
    "cached_audio": "cache_audio_read_mtok",
    "image_input": "input_image_mtok",
    "image_output": "output_image_mtok",
    "cached_image": "cache_image_read_mtok",
}
"""Our kinds of tokens to the catalogue's keys."""

_FAMILIES = (
    ("text-embedding-3", "openai"), ("text-embedding-ada", "openai"), ("chatgpt-", "openai"),
    ("text-embedding-0", "google"), ("gemini", "google"), ("embed-", "cohere"),
    ("rerank-", "cohere"), ("command", "cohere"), ("sonar", "perplexity"),
)  # fmt: skip
"""Beginnings of ids to who makes the model, where the catalogue's own rules say nothing."""


class Entry(NamedTuple):
    """A model in the catalogue."""

    provider: Provider
    model: ModelInfo

    @property
    def name(self) -> str:
        """``provider/model`` as the catalogue calls them."""
        return f"{self.provider.id}/{self.model.id}"

    @property
    def by_the_hour(self) -> bool:
        """Whether the price depends on the time of day."""
        prices = self.model.prices
        return isinstance(prices, list) and any(
            isinstance(one.constraint, TimeOfDateConstraint) for one in prices
        )


class Catalogue:
    """Find models and their prices."""

    def __init__(self) -> None:
        self._providers = list(get_snapshot().providers)
        self._by_id = {provider.id: provider for provider in self._providers}
        self.date = max(self._dates(dt.datetime.now(dt.UTC).date()), default=None)
        """Since when its newest price holds that is in force."""

    @property
    def title(self) -> str:
        """Name, version and date."""
        return f"{installed()} ({self.date})" if self.date else installed()

    def _dates(self, today: dt.date) -> Iterable[dt.date]:
        for provider in self._providers:
            for model in provider.models:
                for one in model.prices if isinstance(model.prices, list) else ():
                    if isinstance(one.constraint, StartDateConstraint):
                        start = one.constraint.start_date
                        if start <= today:
                            yield start

    def find(self, provider: str, model: str) -> Entry | None:
        """Return the entry for an id as sent; ``provider`` is what the sender calls it."""
        for who, name in guesses(canonical(provider), model):
            entry = self._look_up(who, name)
            if entry is not None:
                return entry
        return None

    def _look_up(self, provider: str, model: str) -> Entry | None:
        runner = self._by_id.get(provider) if provider else self._maker(model)
        found = runner and runner.find_model(model, all_providers=self._providers)
        return Entry(runner, found) if runner and found else None

    def _maker(self, model: str) -> Provider | None:
        base = model.removeprefix("ft:")  # a fine-tune is run by who makes its base
        for provider in self._providers:
            if provider.model_match is not None and provider.model_match.is_match(base):
                return provider
        for beginning, name in _FAMILIES:
            if base.startswith(beginning):
                return self._by_id.get(name)
        return None

    def price(self, entry: Entry, at: dt.datetime, tier: str = "") -> Price | None:
        """
        Return what an entry cost at a time; ``None`` where the catalogue does not really know.

        A price of zero is a gap in the catalogue: free models say so in their id.
        """
        price = _compile(entry.model.get_prices(at))
        if tier:
            price = self._tiered(entry, price, at, tier)
        return None if price.is_zero else price

    def has_tier(self, entry: Entry, tier: str) -> bool:
        """Whether the catalogue knows what a service tier changes for a model."""
        return bool(_variants(entry.model, tier))

    def _tiered(self, entry: Entry, standard: Price, at: dt.datetime, tier: str) -> Price:
        """
        Return the price in a service tier.

        The catalogue often says since when it has looked a tier's price up, not since when it
        holds: before that the ratio of the two prices is kept.
        """
        variants = _variants(entry.model, tier)
        if not variants:
            return standard
        context = _context(tier)
        if any(one.constraint is None or one.constraint.active(at) for one in variants):
            return _compile(entry.model.get_prices(at, context))
        first = min(
            dt.datetime.combine(one.constraint.start_date, dt.time(), dt.UTC)
            for one in variants
            if isinstance(one.constraint, StartDateConstraint)
        )
        then = _compile(entry.model.get_prices(first))
        tiered = _compile(entry.model.get_prices(first, context))
        if then == standard:
            return tiered
        ratios = [
            new / old if old else 1.0
            for new, old in zip(tiered.rates[0], then.rates[0], strict=True)
        ]
        return standard.scaled(ratios)

    def nearest(self, model: str, count: int = 5) -> list[str]:
        """Return entries with names like an id, each name once: where its maker sells it."""
        first: dict[str, str] = {}
        for provider in sorted(self._providers, key=lambda one: one.model_match is None):
            for one in provider.models:
                first.setdefault(one.id.lower(), f"{provider.id}/{one.id}")
        wanted = model.lower().rpartition("/")[2]
        return [first[name] for name in difflib.get_close_matches(wanted, first, n=count)]


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Return the installed catalogue; loading takes a third of a second, once a process."""
    return Catalogue()


def _context(tier: str) -> dict[str, str]:
    return {"processing": "batch"} if tier == "batch" else {"service_tier": tier, "speed": tier}


def _variants(model: ModelInfo, tier: str) -> list[PriceVariant]:
    context = _context(tier)
    return [
        one
        for one in model.price_variants or ()
        if one.when and all(context.get(key) == value for key, value in one.when.items())
    ]


def _compile(prices: ModelPrice) -> Price:
    """Return a price of the catalogue as plain rates."""
    values = {kind: getattr(prices, key, None) for kind, key in _KEYS.items()}
    tiered = [value for value in values.values() if isinstance(value, TieredPrices)]
    steps = tuple(sorted({tier.start for value in tiered for tier in value.tiers}))
    rates = tuple(
        complete(lambda kind, step=step: _rate(values[kind], step))  # type: ignore[misc] # a default argument, bound early
        for step in (-1, *steps)
    )
    request = _rate(getattr(prices, "requests_kcount", None), -1) or 0.0
    return Price(rates, steps, request / 1000)


def _rate(value: object, step: int) -> float | None:
    """Return the rate that holds above ``step`` input tokens."""
    if isinstance(value, TieredPrices):
        rate = value.base
        for tier in value.tiers:
            if tier.start <= step:
                rate = tier.price
        return float(rate)
    return None if value is None else float(value)  # type: ignore[arg-type] # a Decimal
