"""Say how a call is priced, for people: which entry, which rule, which date."""

import datetime as dt
from pathlib import Path

import msgspec

from processors.cost.book import PriceBook
from processors.cost.price_file import read_price_file
from processors.cost.providers import LOCAL, canonical
from processors.cost.rates import FALLBACKS, Price, Usage, checked
from processors.cost.settings import CostConfig


class Question(msgspec.Struct, kw_only=True):
    """A call to be priced."""

    model: str
    provider: str = ""
    tier: str = ""
    tenant: str = ""
    at: dt.datetime
    usage: dict[str, int] = msgspec.field(default_factory=dict)
    """Tokens by kind; empty to ask for rates alone."""


class Explanation(msgspec.Struct, kw_only=True):
    """The answer."""

    known: bool
    rule: str = ""
    catalogue: str = ""
    valid_at: dt.datetime
    rates_usd_per_mtok: dict[str, float] = msgspec.field(default_factory=dict)
    """By kind, and ``KIND_above_Nk`` where larger requests cost something else."""
    per_request_usd: float = 0.0
    cost_usd: dict[str, float] = msgspec.field(default_factory=dict)
    nearest: list[str] = msgspec.field(default_factory=list)
    """Entries with similar names, where the model is unknown."""
    hint: str = ""


def explain(question: Question, config: CostConfig) -> Explanation:
    """
    Return how a call is priced.

    Raises:
        ConfigError: the price file cannot be used.

    """
    rules = read_price_file(Path(config.prices_file)) if config.prices_file else ()
    book = PriceBook(rules)
    at_ns = int(question.at.timestamp() * 1e9)
    quote = book.quote(question.provider, question.model, question.tier, question.tenant, at_ns)
    if quote is None:
        return Explanation(
            known=False,
            catalogue=book.catalogue.title,
            valid_at=question.at,
            nearest=book.catalogue.nearest(question.model),
            hint=_advice(question),
        )
    usage = checked(Usage(**question.usage))
    cost = quote.price.cost(usage) if question.usage else None
    return Explanation(
        known=True,
        rule=quote.rule_for(usage),
        catalogue=quote.catalogue,
        valid_at=question.at,
        rates_usd_per_mtok=_rates(quote.price),
        per_request_usd=quote.price.per_request,
        cost_usd={part: round(usd, 12) for part, usd in cost._asdict().items()} if cost else {},
    )


def _advice(question: Question) -> str:
    if canonical(question.provider) == LOCAL:
        return (
            "models on one's own machines have no list price: add a rule with free: true or rates"
        )
    return "add a rule with alias or rates_usd_per_mtok to the prices_file of the cost processor"


def _rates(price: Price) -> dict[str, float]:
    """Return the rates that differ from the wider kind's, and those above each step."""
    shown: dict[str, float] = {}
    for step, rates in zip((0, *price.steps), price.rates, strict=True):
        suffix = f"_above_{step / 1000:g}k" if step else ""
        for kind, rate in rates._asdict().items():
            wider = FALLBACKS.get(kind)
            if wider is None or rate != getattr(rates, wider):
                shown[kind + suffix] = round(rate, 10)
    return shown
