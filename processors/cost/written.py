"""The attributes that ``cost`` writes."""

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


_origins: Final[dict[str, dict[str, bytes]]] = {}
"""What says where a price is from, encoded, by the catalogue and what applied."""
_REMEMBERED: Final = 4096


def _origin(rule: str, catalogue: str) -> bytes:
    """Return the attributes that say where a price is from, encoded."""
    known = _origins.get(catalogue)
    if known is None:
        _origins[catalogue] = known = {}
    origin = known.get(rule)
    if origin is None:
        if len(known) >= _REMEMBERED:
            known.clear()
        origin = text_attribute(RULE, rule)
        if catalogue:
            origin += text_attribute(CATALOGUE, catalogue)
        known[rule] = origin
    return origin


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
    parts: list[bytes] = []
    add_text(parts, COST, cost)
    parts.append(_origin(rule, catalogue))
    if numbers:
        parts.append(numbers)
        span.append(b"".join(parts))
        return
    told: dict[str, str | bytes | bool | None] = {COST: cost, RULE: rule}
    if catalogue:
        told[CATALOGUE] = catalogue
    span.append(b"".join(parts), told)
