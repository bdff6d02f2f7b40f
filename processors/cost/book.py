"""What a call is priced by: the user's rules first, then the catalogue."""

import datetime as dt
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from gateway import garbage
from processors.cost.model_ids import is_free
from processors.cost.price_file import Call, Rule
from processors.cost.providers import canonical
from processors.cost.rates import Price, Rates, Usage, UsualPrice

if TYPE_CHECKING:
    from processors.cost.catalogue import Catalogue, Entry

DAY_NS: Final = 86_400_000_000_000
_MINUTE_NS: Final = 60_000_000_000
_REMEMBERED: Final = 4096
_FREE: Final = Price((Rates(),))


def installed() -> str:
    """Return name and version of the catalogue."""
    return f"genai-prices {version('genai-prices')}"


class Quote:
    """A price and where it is from."""

    __slots__ = ("by_the_hour", "catalogue", "entry", "price", "rule", "usual")

    def __init__(
        self, price: Price, rule: str, catalogue: str, entry: str, *, by_the_hour: bool = False
    ) -> None:
        self.price = price
        self.usual = UsualPrice(price)
        self.rule = rule
        """What applied, for people: entry of the catalogue, rules, tier."""
        self.catalogue = catalogue
        """Title of the catalogue; empty where the user's file alone says the price."""
        self.entry = entry
        """``provider/model`` or the user's rule: what has the same one is the same model."""
        self.by_the_hour = by_the_hour

    def rule_for(self, usage: Usage) -> str:
        """Return what applied to a call, with what the price does not tell apart."""
        if self.price.takes_audio_for_text(usage):
            return f"{self.rule}, audio as text"
        return self.rule


class PriceBook:
    """Quote prices; what was asked before is remembered."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = rules
        self._quotes: dict[tuple[str, str, str, str, int], Quote | None] = {}
        self._entries: dict[tuple[str, str], Entry | None] = {}
        self._catalogue: Catalogue | None = None

    @property
    def catalogue(self) -> "Catalogue":
        """
        What everybody pays.

        Loaded for the first call of a model: that takes half a second and more than 20 MiB, which
        a worker without any does not need.
        """
        if self._catalogue is None:
            from processors.cost.catalogue import catalogue  # noqa: PLC0415 - as said above

            self._catalogue = catalogue()
            garbage.keep()
        return self._catalogue

    def quote(self, provider: str, model: str, tier: str, tenant: str, at_ns: int) -> Quote | None:
        """
        Return the price of a call, or ``None`` where nobody knows it.

        Args:
            provider: who answered, as on the span; may be empty.
            model: id as on the span.
            tier: service tier; empty for the standard one.
            tenant: who sent the span.
            at_ns: when the call was made.

        """
        found = self._quote(provider, model, tier, tenant, at_ns - at_ns % DAY_NS)
        if found is not None and found.by_the_hour:
            return self._quote(provider, model, tier, tenant, at_ns - at_ns % _MINUTE_NS)
        return found

    def _quote(self, provider: str, model: str, tier: str, tenant: str, at_ns: int) -> Quote | None:
        key = (provider, model, tier, tenant, at_ns)
        found = self._quotes.get(key)
        if found is None and key not in self._quotes:
            call = Call(provider, canonical(provider), model, tier, tenant)
            found = self._resolve(call, at_ns, self._rules)
            if len(self._quotes) >= _REMEMBERED:
                self._quotes.clear()
            self._quotes[key] = found
        return found

    def _resolve(self, call: Call, at_ns: int, rules: Sequence[Rule]) -> Quote | None:
        day = at_ns // DAY_NS
        rule = next((rule for rule in rules if rule.fits(call, day)), None)
        if rule is None:
            return self._from_catalogue(call, at_ns)
        if rule.price is not None:
            found: Quote | None = Quote(rule.price, rule.name, "", rule.name)
        else:
            others = [other for other in rules if other is not rule]
            meant = _renamed(call, rule)
            found = self._resolve(meant, at_ns, others)
            if found is None and rule.alias is not None:  # the maker's price, if not the runner's
                found = self._resolve(meant._replace(provider="", runner=""), at_ns, others)
        return found and _under(found, rule)

    def _from_catalogue(self, call: Call, at_ns: int) -> Quote | None:
        title = self.catalogue.title
        if is_free(call.model):
            return Quote(_FREE, f"{call.model} is free", title, call.model)
        entry = self._find(call.provider, call.model)
        if entry is None:
            return None
        at = dt.datetime.fromtimestamp(at_ns / 1e9, dt.UTC)
        price = self.catalogue.price(entry, at, call.tier)
        if price is None:
            return None
        rule = entry.name + self._tier_note(entry, call.tier)
        return Quote(price, rule, title, entry.name, by_the_hour=entry.by_the_hour)

    def _find(self, provider: str, model: str) -> "Entry | None":
        """Return the entry of a model, which takes some looking for."""
        key = (provider, model)
        found = self._entries.get(key)
        if found is None and key not in self._entries:
            found = self.catalogue.find(provider, model)
            if len(self._entries) >= _REMEMBERED:
                self._entries.clear()
            self._entries[key] = found
        return found

    def _tier_note(self, entry: "Entry", tier: str) -> str:
        if not tier:
            return ""
        return (
            f", {tier}" if self.catalogue.has_tier(entry, tier) else f", no {tier} price: standard"
        )


def _renamed(call: Call, rule: Rule) -> Call:
    """Return the call under the name that an alias gives it; its provider is the alias's too."""
    if rule.alias is None:
        return call
    head, slash, rest = rule.alias.partition("/")
    if slash and canonical(head):
        return call._replace(provider=head, runner=canonical(head), model=rest)
    return call._replace(model=rule.alias)


def _under(found: Quote, rule: Rule) -> Quote:
    """Return a quote as a rule changes it."""
    price = found.price
    label = found.rule if found.rule == rule.name else f"{rule.name}: {found.rule}"
    if rule.discount:
        price = price.discounted(rule.discount)
        label = f"{label}, {rule.discount:.4g} discount"
    return Quote(price, label, found.catalogue, found.entry, by_the_hour=found.by_the_hour)
