"""The attributes that ``cost`` writes."""

from functools import lru_cache
from itertools import starmap
from typing import Final

from gateway.otlp.ready import add_text, text_attribute
from gateway.plugin import Span

COST: Final = "mlflow.llm.cost"
"""JSON: ``input_cost``, ``output_cost``, ``total_cost`` in USD."""

RULE: Final = "spangate.cost.rule"
"""What the price is from: an entry of the catalogue, a rule of the user, or a report."""

CATALOGUE: Final = "spangate.cost.catalogue"
"""Name, version and date of the catalogue, where it said the price."""

REPORTED: Final = "spangate.cost.reported_usd"
"""What the instrumentation reported, while costs are compared."""

DIFFERENCE: Final = "spangate.cost.difference_usd"
"""How much more ours is than the reported cost, while costs are compared."""

WRITTEN_KEYS: Final = (COST, RULE, CATALOGUE, REPORTED, DIFFERENCE)

COST_JSON: Final = '{"input_cost":%.12g,"output_cost":%.12g,"total_cost":%.12g}'
"""Twelve digits: people read 0.0003, not the nearest binary fraction."""


@lru_cache(maxsize=4096)
def _origin(rule: str, catalogue: str) -> tuple[bytes, dict[str, str]]:
    """Return the attributes that say where a price is from, encoded and as they are."""
    origin = {RULE: rule}
    if catalogue:
        origin[CATALOGUE] = catalogue
    return b"".join(starmap(text_attribute, origin.items())), origin


def write(span: Span, cost: str, rule: str, catalogue: str, numbers: bytes) -> None:
    """
    Write what a call costs; the span must have none of these attributes.

    Args:
        span: of the call.
        cost: as JSON.
        rule: what the price is from.
        catalogue: which one said it; empty where none did.
        numbers: more attributes, encoded.

    """
    encoded, origin = _origin(rule, catalogue)
    parts: list[bytes] = []
    add_text(parts, COST, cost)
    parts.append(encoded)
    if numbers:
        parts.append(numbers)
        span.append(b"".join(parts))
    else:
        told: dict[str, str | bytes | bool | None] = {COST: cost}
        told.update(origin)
        span.append(b"".join(parts), told)
