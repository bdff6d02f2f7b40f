"""
Prices that the user knows better: a YAML list of rules, the first that matches wins.

``prices_file`` names it. Deployments get their model's name, contracts their rates, own
machines the price of nothing.
"""

import datetime as dt
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec

from gateway.config.loader import load_part
from gateway.config.types import Config
from processors.cost.rates import Price, Rates, complete

_KINDS = (
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "reasoning", "audio_input",
    "audio_output", "image_input", "image_output",
)  # fmt: skip
_RATE_NAME = rf"^({'|'.join(_KINDS)})(?:_above_([1-9][0-9]*)k)?$"
_RATE = re.compile(_RATE_NAME)

RateName = Annotated[str, msgspec.Meta(pattern=_RATE_NAME)]
RateUsd = Annotated[float, msgspec.Meta(ge=0)]


class MatchConfig(Config):
    """Which calls a rule is about: globs, case-sensitive; what is left out matches all."""

    provider: str | None = None
    """Provider as on the span, such as ``azure``, or as the catalogue calls it."""

    model: str | None = None
    """Model id as on the span."""

    tenant: str | None = None
    """Name of the tenant that sent the span."""

    service_tier: str | None = None
    """Service tier as on the span, such as ``batch``, ``flex`` or ``priority``."""

    def validate(self) -> None:
        """Refuse a rule about everything: it is hardly meant, and would hide all others."""
        if not any((self.provider, self.model, self.tenant, self.service_tier)):
            raise ValueError(
                "expected at least one of provider, model, tenant and service_tier; "
                'for every model write model: "*"'
            )


class PriceRule(Config):
    """One rule of the price file."""

    match: MatchConfig
    """Which calls it is about."""

    alias: str | None = None
    """Price them like this model: an id, or ``provider/id``."""

    rates_usd_per_mtok: dict[RateName, RateUsd] | None = None
    """USD per million tokens: ``input``, ``output``, ``cache_read``, ``cache_write``,
    ``cache_write_1h``, ``reasoning``, ``audio_input``, ``audio_output``, ``image_input``,
    ``image_output``. What is left out costs what input or output does. ``input_above_200k`` and
    the like hold for all tokens of a request with more than 200,000 input tokens."""

    free: bool = False
    """They cost nothing, and that is known: models on one's own machines."""

    discount: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Part of the price that is not charged: ``0.15`` is 15 %."""

    valid_from: dt.date | None = None
    """First day (UTC) on which the rule holds."""

    valid_until: dt.date | None = None
    """Last day (UTC) on which the rule holds."""

    def validate(self) -> None:
        """Refuse rules that say nothing, or two things."""
        given = [name for name in ("alias", "rates_usd_per_mtok") if getattr(self, name)]
        given += ["free"] if self.free else []
        if len(given) > 1:
            raise ValueError(f"{given[1]}: a rule has one of alias, rates_usd_per_mtok and free")
        if not given and not self.discount:
            raise ValueError(
                "the rule says no price: add alias, rates_usd_per_mtok, free: true or discount"
            )
        if self.free and self.discount:
            raise ValueError("discount: nothing can be taken off what is free")
        rates = self.rates_usd_per_mtok
        if rates is not None and not {"input", "output"} & rates.keys():
            raise ValueError("rates_usd_per_mtok: expected a rate for input or output")
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError(f"valid_until: is before valid_from, {self.valid_from}")


class Call(NamedTuple):
    """What rules look at."""

    provider: str
    """As sent."""
    runner: str
    """As the catalogue calls the provider; ``""`` where it does not know it."""
    model: str
    tier: str
    tenant: str


class Rule(NamedTuple):
    """A rule ready for use."""

    name: str
    """File and position, such as ``prices.yaml[2]``."""
    match: MatchConfig
    alias: str | None
    price: Price | None
    """``None`` where an alias or the catalogue says it."""
    discount: float
    first: int
    """First and last day on which it holds, counted from 1970."""
    last: int

    def fits(self, call: Call, day: int) -> bool:
        """Whether the rule is about a call."""
        match = self.match
        return (
            self.first <= day <= self.last
            and (match.model is None or fnmatchcase(call.model, match.model))
            and (
                match.provider is None
                or fnmatchcase(call.provider, match.provider)
                or fnmatchcase(call.runner, match.provider)
            )
            and (match.tenant is None or fnmatchcase(call.tenant, match.tenant))
            and (match.service_tier is None or fnmatchcase(call.tier, match.service_tier))
        )


_EPOCH = dt.date(1970, 1, 1)


def read_price_file(path: Path) -> list[Rule]:
    """
    Return the rules of a file in their order.

    Raises:
        ConfigError: every mistake found, each with its line.

    """
    rules = load_part(path, list[PriceRule])
    return [_ready(f"{path.name}[{at}]", rule) for at, rule in enumerate(rules)]


def _ready(name: str, rule: PriceRule) -> Rule:
    price = None
    if rule.free:
        price = Price((complete(lambda _: None),))
    elif rule.rates_usd_per_mtok is not None:
        price = _price(rule.rates_usd_per_mtok)
    first = (rule.valid_from - _EPOCH).days if rule.valid_from else -1
    last = (rule.valid_until - _EPOCH).days if rule.valid_until else 2**31
    return Rule(name, rule.match, rule.alias, price, rule.discount, first, last)


def _price(rates: dict[str, float]) -> Price:
    """Return rates by kind and threshold; below a kind's own thresholds its plain rate holds."""
    by_kind: dict[str, dict[int, float]] = {}
    for name, rate in rates.items():
        found = _RATE.match(name)
        assert found is not None
        by_kind.setdefault(found[1], {})[int(found[2] or 0) * 1000] = rate
    steps = sorted({step for known in by_kind.values() for step in known if step})
    return Price(tuple(_above(by_kind, step) for step in (0, *steps)), tuple(steps))


def _above(by_kind: dict[str, dict[int, float]], step: int) -> Rates:
    def rate(kind: str) -> float | None:
        reached = [start for start in by_kind.get(kind, ()) if start <= step]
        return by_kind[kind][max(reached)] if reached else None

    return complete(rate)
