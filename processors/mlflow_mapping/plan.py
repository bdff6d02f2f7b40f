"""
All tables joined: which concept an attribute speaks of, found with one look-up a key.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from gateway.plugin import Span
from processors.mlflow_mapping.dialect import Dialect, Names
from processors.mlflow_mapping.dialects.common import KINDS

_REMEMBERED = 20_000
"""Distinct keys whose meaning is kept; more of them than that come from a broken sender."""

_PLAIN = (
    "model", "provider", "input_tokens", "output_tokens", "total_tokens", "cache_read",
    "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output", "usage", "system",
    "input_messages", "output_messages", "finish", "inputs", "outputs", "document_lists", "vectors",
    "tools", "session", "user", "trace_name", "tags", "metadata", "error_type", "error_message",
)  # fmt: skip
_NAMED = ("reply", "input_fields", "output_fields", "hints", "tag_fields", "rollups")
_GROUPED = (
    "input_groups", "output_groups", "documents", "input_documents", "tool_groups", "texts",
    "metadata_prefixes",
)  # fmt: skip

Path = tuple[str | int, ...]


class Meaning(NamedTuple):
    """What a key tells: ``concept`` is a field of :class:`Dialect`."""

    concept: str
    rank: int
    detail: Any = None
    """The name in an object, the path in a flattened list, or the table of a kind."""
    gate: tuple[str, ...] = ()


class Hit(NamedTuple):
    """An attribute that tells something."""

    rank: int
    key: str
    value: AnyValue
    detail: Any


class Reading:
    """What one span tells, by concept, best first."""

    __slots__ = ("fields", "hits")

    def __init__(self, fields: dict[str, AnyValue], hits: dict[str, list[Hit]]) -> None:
        self.fields = fields
        """Attributes that tell something or are MLflow's own, by key."""
        self.hits = hits

    def get(self, concept: str) -> Sequence[Hit]:
        """Return the attributes that tell a concept, best first."""
        return self.hits.get(concept, ())


class Plan:
    """The joined tables."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._known: dict[str, list[Meaning]] = {}
        self._prefixes: list[tuple[str, str, int]] = []
        self._memory: dict[str, tuple[Meaning, ...]] = {}
        self._names: list[tuple[tuple[str, ...], Names]] = []
        self._exclusive: list[tuple[Dialect, tuple[str, ...]]] = []
        kinds: dict[str, dict[str, str]] = {}
        for number, dialect in enumerate(dialects):
            self._add(dialect, number * 100)
            for key, table in dialect.kinds.items():
                merged = kinds.setdefault(key, {})
                merged.update({value: of for value, of in table.items() if value not in merged})
        for rank, (key, merged) in enumerate(kinds.items()):
            self._known.setdefault(key, []).append(Meaning("kinds", rank, {**KINDS, **merged}))

    def _add(self, dialect: Dialect, base: int) -> None:
        for concept in _PLAIN:
            for rank, key in enumerate(getattr(dialect, concept), base):
                self._learn(dialect, key, Meaning(concept, rank))
        for concept in _NAMED:
            named: Mapping[str, str] = getattr(dialect, concept)
            for rank, (key, name) in enumerate(named.items(), base):
                self._learn(dialect, key, Meaning(concept, rank, name))
        for concept in _GROUPED:
            for rank, prefix in enumerate(getattr(dialect, concept), base):
                if concept != "metadata_prefixes":
                    self._learn(dialect, prefix, Meaning(concept, rank, ()))
                self._prefixes.append((prefix.rstrip(".") + ".", concept, rank))
        if dialect.span_names:
            self._names.append((dialect.scopes, dialect.span_names))
        if dialect.exclusive:
            self._exclusive.append((dialect, dialect.exclusive))

    def _learn(self, dialect: Dialect, key: str, meaning: Meaning) -> None:
        if key in dialect.plain:
            meaning = meaning._replace(gate=dialect.only_with)
        self._known.setdefault(key, []).append(meaning)

    def _meanings(self, key: str) -> tuple[Meaning, ...]:
        """Work out what a key means; flattened keys by their prefix."""
        found = list(self._known.get(key, ()))
        for prefix, concept, rank in self._prefixes:
            if key.startswith(prefix):
                rest = key[len(prefix) :]
                if concept == "metadata_prefixes":
                    found.append(Meaning(concept, rank, rest))
                elif rest[:1].isdecimal():
                    found.append(Meaning(concept, rank, _path(rest)))
        if len(self._memory) >= _REMEMBERED:
            self._memory.clear()
        self._memory[key] = meanings = tuple(found)
        return meanings

    def read(self, span: Span) -> Reading:
        """Look once at each attribute of a span."""
        memory, find = self._memory, self._meanings
        fields: dict[str, AnyValue] = {}
        hits: dict[str, list[Hit]] = {}
        gated = False
        for field in span.peek.attributes:
            key = field.key
            meanings = memory.get(key)
            if meanings is None:
                meanings = find(key)
            if meanings:
                fields[key] = value = field.value
                for concept, rank, detail, gate in meanings:
                    gated = gated or bool(gate)
                    hits.setdefault(concept, []).append(Hit(rank, key, value, detail))
            elif key.startswith("mlflow."):
                fields[key] = field.value
        if gated:
            self._close_gates(span, hits)
        for found in hits.values():
            if len(found) > 1:
                found.sort(key=_rank)
        return Reading(fields, hits)

    def _close_gates(self, span: Span, hits: dict[str, list[Hit]]) -> None:
        """Take back the plain words of dialects that the span shows no sign of."""
        keys = [field.key for field in span.peek.attributes]
        for concept, found in list(hits.items()):
            kept = [hit for hit in found if self._open(concept, hit, keys)]
            if kept:
                hits[concept] = kept
            else:
                del hits[concept]

    def _open(self, concept: str, hit: Hit, keys: Sequence[str]) -> bool:
        for meaning in self._memory[hit.key]:
            if meaning.concept == concept and meaning.rank == hit.rank:
                return not meaning.gate or _shows(keys, meaning.gate)
        return True

    def named_type(self, span: Span) -> str | None:
        """Return the type that the span's name tells within its instrumentation's scope."""
        scope = span.scope.name
        for scopes, names in self._names:
            if scope.startswith(scopes):
                name = span.name.lower()
                return names.get(name) or names.get(name.split(" ", 1)[0].split("[", 1)[0])
        return None

    def is_exclusive(self, span: Span, provider: str | None) -> bool:
        """Whether the dialect counts input tokens without those of the cache."""
        for dialect, providers in self._exclusive:
            if "*" not in providers and provider not in providers:
                continue
            if dialect.scopes and span.scope.name.startswith(dialect.scopes):
                return True
            if dialect.scopes and _sdk(span).startswith(dialect.scopes):
                return True
            if dialect.only_with and span.name.startswith(tuple(dialect.span_names) or ("\0",)):
                return True
        return False


def _sdk(span: Span) -> str:
    return span.resource.attributes.text("telemetry.sdk.name") or ""


def _shows(keys: Sequence[str], gate: tuple[str, ...]) -> bool:
    starts = tuple(part for part in gate if part.endswith("."))
    return any(key in gate or (starts and key.startswith(starts)) for key in keys)


def _rank(hit: Hit) -> int:
    return hit.rank


def _path(rest: str) -> Path:
    return tuple(int(step) if step.isdecimal() and len(step) < 6 else step for step in rest.split("."))
