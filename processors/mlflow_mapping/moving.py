"""
Source attributes that the result makes superfluous.

An attribute goes only if each text, number and flag in it can be found again in what was
written: what cannot be represented stays where it was.
"""

from collections.abc import Mapping
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from gateway.otlp.fields import Fields
from gateway.otlp.values import decode
from processors.mlflow_mapping.keys import SESSION, USER
from processors.mlflow_mapping.parts import BY_TYPE
from processors.mlflow_mapping.plan import Layout, Reading
from processors.mlflow_mapping.texts import leaves, parse, read

_PARTS = frozenset({*BY_TYPE, "tool-call", "tool-result", "json", "function", "message"})
"""Types of parts of messages, which MLflow's shape says in its own words."""

_TYPE_KEYS = ("message_content.type", "tool_calls.0.type")

Texts = Mapping[str, str | bytes]

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


class _Suspect(NamedTuple):
    """An attribute that may say nothing new."""

    key: str
    place: int
    counters: tuple[str, ...]
    """What it counts, in MLflow's words."""
    is_type: bool
    """Whether it may be no more than the type of a part."""
    is_content: bool


def superfluous(reading: Reading, written: Texts, usage: Mapping[str, int] | None) -> set[str]:
    """Return the keys whose attributes say nothing that ``written`` does not say."""
    memo = reading.layout.memo
    suspects = memo.get(superfluous)
    if suspects is None:
        suspects = memo[superfluous] = _suspects(reading.layout)
    said = _Said(written)
    counted = usage or {}
    fields = reading.fields
    return {
        suspect.key
        for suspect in suspects
        if suspect.key not in written and _is_superfluous(suspect, fields, said, counted)
    }


def _suspects(layout: Layout) -> list[_Suspect]:
    concepts: dict[str, set[str]] = {}
    for concept, hits in layout.hits.items():
        for hit in hits:
            concepts.setdefault(hit.key, set()).add(concept)
    return [
        _Suspect(
            key,
            layout.keys[key],
            tuple([_COUNTERS[name] for name in told if name in _COUNTERS]),
            key.endswith(_TYPE_KEYS),
            not told.isdisjoint(_CONTENT) and told.isdisjoint(_COUNTERS),
        )
        for key, told in concepts.items()
        if key not in (SESSION, USER) and not key.startswith("mlflow.")
    ]


def _is_superfluous(
    suspect: _Suspect, fields: Fields, said: "_Said", counted: Mapping[str, int]
) -> bool:
    value = fields.value(suspect.place)
    if suspect.counters:
        number = read(value)
        if all(counted.get(name) == number for name in suspect.counters):
            return True
    if suspect.is_type and _is_part_type("type", read(value)):
        return True
    return suspect.is_content and said.holds(value)


class _Said:
    """All that was written, taken apart."""

    def __init__(self, written: Texts) -> None:
        self._whole: dict[int, list[str]] = {}
        self._short: set[object] = set()
        self._long: dict[int, list[str]] = {}
        """Texts by their length: they are compared faster than hashed."""
        for held in written.values():
            text = held if isinstance(held, str) else held.decode()
            parsed = parse(text)
            if parsed is None:
                self._add(text)
            else:
                self._whole.setdefault(len(text), []).append(text)
                for leaf in leaves(parsed):
                    self._add(leaf)

    def _add(self, leaf: object) -> None:
        if isinstance(leaf, str) and len(leaf) >= _LONG:
            self._long.setdefault(len(leaf), []).append(leaf)
        else:
            self._short.add(_plain(leaf))

    def holds(self, value: AnyValue) -> bool:
        """Whether each text, number and flag in a value was written."""
        text = value.string_value
        if not text:
            return self._all(decode(value))
        if text in self._whole.get(len(text), ()):
            return True
        parsed = parse(text)
        return self._has(text) if parsed is None else self._all(parsed)

    def _all(self, value: object) -> bool:
        return all(self._has(leaf) for leaf in leaves(value, but=_is_part_type))

    def _has(self, leaf: object) -> bool:
        if not isinstance(leaf, str) or len(leaf) < _LONG:
            return _plain(leaf) in self._short
        size = len(leaf)
        if leaf in self._long.get(size, ()):
            return True
        return any(
            leaf in text for long, texts in self._long.items() if long > size for text in texts
        )


def _is_part_type(key: str, value: object) -> bool:
    return key == "type" and isinstance(value, str) and value in _PARTS


def _plain(leaf: object) -> object:
    """Return something that tells ``True`` from ``1``."""
    return (bool, leaf) if isinstance(leaf, bool) else leaf
