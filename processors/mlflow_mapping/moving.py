"""
Source attributes that the result makes superfluous.

An attribute goes only if each text, number and flag in it can be found again in what was
written: what cannot be represented stays where it was.
"""

from collections.abc import Iterable, Mapping

from processors.mlflow_mapping.keys import SESSION, USER
from processors.mlflow_mapping.parts import BY_TYPE
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.texts import leaves, read

_PARTS = frozenset({*BY_TYPE, "tool-call", "tool-result", "json", "function", "message"})
"""Types of parts of messages, which MLflow's shape says in its own words."""

_TYPE_KEYS = ("message_content.type", "tool_calls.0.type")

_LONG = 12
"""A text this long that stands inside a written one stands there for itself."""

_COUNTERS = {
    "input_tokens": "input_tokens", "output_tokens": "output_tokens",
    "total_tokens": "total_tokens", "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
    "cache_write_1h": "cache_creation_input_tokens_above_1hr", "reasoning": "reasoning_tokens",
    "audio_input": "audio_input_tokens", "audio_output": "audio_output_tokens",
    "image_input": "image_input_tokens", "image_output": "image_output_tokens",
}  # fmt: skip
_CONTENT = frozenset({
    "inputs", "outputs", "input_messages", "output_messages", "input_groups", "output_groups",
    "reply", "system", "finish", "tools", "tool_groups", "documents", "input_documents",
    "document_lists", "texts", "input_fields", "model", "provider", "session", "user", "kinds",
})  # fmt: skip


def superfluous(
    reading: Reading, written: Mapping[str, str | bytes], usage: Mapping[str, int] | None
) -> set[str]:
    """Return the keys whose attributes say nothing that ``written`` does not say."""
    said = set()
    texts: list[str] = []
    for held in written.values():
        text = held if isinstance(held, str) else held.decode()
        for leaf in leaves(text):
            said.add(_plain(leaf))
            if isinstance(leaf, str):
                texts.append(leaf)
    concepts: dict[str, set[str]] = {}
    for concept, hits in reading.hits.items():
        for hit in hits:
            concepts.setdefault(hit.key, set()).add(concept)
    return {
        key
        for key, told in concepts.items()
        if key not in written
        and key not in (SESSION, USER)
        and not key.startswith("mlflow.")
        and (
            _is_counted(_value(reading, key), told, usage or {})
            or (key.endswith(_TYPE_KEYS) and _is_part_type("type", _value(reading, key)))
            or (
                not told.isdisjoint(_CONTENT)
                and told.isdisjoint(_COUNTERS)
                and _is_said(_value(reading, key), said, texts)
            )
        )
    }


def _is_counted(value: object, told: set[str], usage: Mapping[str, int]) -> bool:
    counters = told & _COUNTERS.keys()
    return bool(counters) and all(usage.get(_COUNTERS[name]) == value for name in counters)


def _is_said(value: object, said: set[object], texts: Iterable[str]) -> bool:
    return all(
        _plain(leaf) in said or (isinstance(leaf, str) and _stands_in(leaf, texts))
        for leaf in leaves(value, but=_is_part_type)
    )


def _is_part_type(key: str, value: object) -> bool:
    return key == "type" and isinstance(value, str) and value in _PARTS


def _value(reading: Reading, key: str) -> object:
    value = reading.at(key)
    return None if value is None else read(value)


def _stands_in(leaf: str, texts: Iterable[str]) -> bool:
    return len(leaf) >= _LONG and any(leaf in text for text in texts)


def _plain(leaf: object) -> object:
    """Return something that tells ``True`` from ``1``."""
    return (bool, leaf) if isinstance(leaf, bool) else leaf
