"""
Attributes that MLflow fails on, put right: one of them costs the whole request otherwise.

What the bad value said is kept, in words that MLflow takes or under ``spangate.original.``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from processors.mlflow_mapping.identity import MAX_ID, short_id
from processors.mlflow_mapping.keys import COST, SPAN_TYPE, SPAN_TYPES, TOKEN_USAGE, UNCHANGED
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.texts import as_text, dump, leaves, read
from processors.mlflow_mapping.usage import from_object, normalise

_COSTS = ("input_cost", "output_cost", "total_cost")
_LONGEST_TEXT = 8000
_OPENING = re.compile(r"\A[\s\[{]+")
"""What a list or an object begins with, also one that was cut off."""

Texts = dict[str, str | bytes]


def mend(reading: Reading) -> Texts:
    """Return the attributes to write over bad ones, and those that keep what these said."""
    fixed: Texts = {}
    for hit in reading.get("kinds"):
        if reading.text(hit) not in hit.detail and not _is_word(reading.value(hit)):
            words = _words(reading.value(hit))
            fixed[hit.key] = _OPENING.sub("", words)
            if fixed[hit.key] != words:
                fixed[UNCHANGED + hit.key] = words
    for key in reading.layout.suspects:
        if key == SPAN_TYPE and reading.fields.text(reading.keys[key]) in SPAN_TYPES:
            continue
        suspect = reading.at(key)
        if suspect is not None:
            _MENDERS[key](fixed, key, suspect)
    return fixed


def _is_word(value: AnyValue) -> bool:
    """Whether MLflow can look the value up in its tables of kinds."""
    text = value.string_value
    if text.isalnum():
        return len(text) <= MAX_ID
    if not text:
        return value.HasField("string_value")
    return len(text) <= MAX_ID and text.lstrip()[:1] not in ("[", "{")


def _words(value: AnyValue) -> str:
    return ", ".join(as_text(leaf) for leaf in leaves(read(value)))[:_LONGEST_TEXT]


def mend_id(fixed: Texts, key: str, value: AnyValue) -> None:
    """Shorten an id that is too long."""
    text = value.string_value or as_text(read(value))
    if len(text) > MAX_ID:
        fixed[key] = short_id(text)
        fixed[UNCHANGED + key] = text


def _mend_cost(fixed: Texts, _key: str, value: AnyValue) -> None:
    held = read(value)
    if isinstance(held, dict) and _all_numbers(held):
        return
    fixed[UNCHANGED + COST] = as_text(held)
    if isinstance(held, dict):
        costs = {key: _number(held.get(key)) for key in _COSTS}
        fixed[COST] = dump({key: cost for key, cost in costs.items() if cost is not None})
    else:
        total = _number(held)
        fixed[COST] = dump({} if total is None else {"total_cost": total})


def _all_numbers(held: Mapping[str, Any]) -> bool:
    return all(
        isinstance(held[key], int | float) and not isinstance(held[key], bool)
        for key in _COSTS
        if key in held
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 1e12 else None


def _mend_usage(fixed: Texts, _key: str, value: AnyValue) -> None:
    held = read(value)
    if isinstance(held, dict) and all(
        isinstance(number, int) and not isinstance(number, bool)
        for key, number in held.items()
        if key.endswith("_tokens") or "_tokens_" in key
    ):
        return
    usage = normalise(from_object(held), exclusive=False) if isinstance(held, dict) else None
    fixed[UNCHANGED + TOKEN_USAGE] = as_text(held)
    fixed[TOKEN_USAGE] = dump(usage or {})


def _mend_tools(fixed: Texts, key: str, value: AnyValue) -> None:
    if not value.HasField("array_value"):
        held = read(value)
        if not isinstance(held, list):
            fixed[key] = dump([held])


def _mend_type(fixed: Texts, key: str, value: AnyValue) -> None:
    if not _is_word(value):
        fixed[UNCHANGED + key] = as_text(read(value))


_MENDERS: dict[str, Callable[[Texts, str, AnyValue], None]] = {
    "gen_ai.conversation.id": mend_id,
    COST: _mend_cost,
    TOKEN_USAGE: _mend_usage,
    SPAN_TYPE: _mend_type,
    "ai.prompt.tools": _mend_tools,
}
