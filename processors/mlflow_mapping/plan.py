"""
All tables joined: what each attribute of a span speaks of.

Spans of one instrumentation have the same keys in the same order, so what keys mean together is
worked out once a layout and remembered; a span then costs one look at its keys.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from gateway.otlp.fields import Fields
from gateway.otlp.values import decode
from gateway.plugin import Resource, Scope, Span
from processors.mlflow_mapping.dialect import Dialect, Names
from processors.mlflow_mapping.dialects.common import KINDS
from processors.mlflow_mapping.flattened import Path, Tree, parse_path, plant
from processors.mlflow_mapping.keys import (
    COST,
    MESSAGE_FORMAT,
    MODEL,
    OWN,
    PROVIDER,
    SESSION,
    SPAN_TYPE,
    TOKEN_USAGE,
    TRACE_NAME,
    UNKNOWN,
    USER,
)
from processors.mlflow_mapping.texts import parse_utf8, parsed

_REMEMBERED = 20_000
"""Distinct keys whose meaning is kept; more of them than that come from a broken sender."""
_LAID_OUT = 40_000
"""Keys in all layouts that are kept, about 400 bytes each."""
_LONGEST = 1_000
"""Spans with more attributes than this are worked out anew each time."""
_OPENING: Final = (0x7B, 0x5B)
"""A brace and a bracket."""
_SDK: Final = "telemetry.sdk.name"
_TELLING: Final = 300
"""Letters of a name that tell it from the others; senders may choose endless ones."""

_PLAIN = (
    "model", "provider", "input_tokens", "output_tokens", "total_tokens", "cache_read",
    "cache_write", "cache_write_1h", "reasoning", "audio_input", "audio_output",
    "image_input", "image_output", "usage", "usage_within", "system",
    "input_messages", "output_messages", "finish", "inputs", "outputs", "document_lists", "vectors",
    "tools", "tools_within", "session", "user", "trace_name", "tags", "metadata", "error_type",
    "error_message", "error_level",
)  # fmt: skip
_NAMED = (
    "model_behind",
    "reply",
    "input_fields",
    "output_fields",
    "hints",
    "tag_fields",
    "rollups",
)
_GROUPED = (
    "input_groups",
    "output_groups",
    "documents",
    "input_documents",
    "tool_groups",
    "texts",
)
_OURS = frozenset({SPAN_TYPE, MODEL, PROVIDER, MESSAGE_FORMAT, SESSION, USER, TRACE_NAME})
_ERRORS = frozenset({"error_type", "error_message", "error_level"})
_TAGGED = frozenset({"tag_fields", "tags", "metadata_prefixes", "metadata"})
_TOOLS = frozenset({"tools", "tool_groups", "tools_within"})
_COUNTED = (
    "input_tokens", "output_tokens", "total_tokens", "cache_read", "cache_write", "cache_write_1h",
    "reasoning", "audio_input", "audio_output", "image_input", "image_output",
)  # fmt: skip
_CALLED = frozenset({"model", "model_behind", "provider", "usage", "usage_within", *_COUNTED})

SUSPECTS = (
    "gen_ai.conversation.id",
    COST,
    TOKEN_USAGE,
    SPAN_TYPE,
    "ai.prompt.tools",
)
"""Keys, besides those of kinds, sessions and users, whose values MLflow may fail on."""


class Meaning(NamedTuple):
    """What a key tells: ``concept`` is a field of :class:`Dialect`."""

    concept: str
    rank: int
    detail: Any = None
    """The name in an object, the path in a flattened list, or the table of a kind."""
    gate: tuple[str, ...] = ()


class Hit:
    """An attribute that tells something."""

    __slots__ = ("detail", "key", "place", "rank")

    def __init__(self, rank: int, key: str, place: int, detail: Any) -> None:
        self.rank = rank
        self.key = key
        self.place = place
        """Where among the span's attributes it stands."""
        self.detail = detail
        """The name in an object, the path in a flattened list, or the table of a kind."""


_NO_HITS: dict[str, tuple[Hit, ...]] = dict.fromkeys(
    (*_PLAIN, *_NAMED, *_GROUPED, "kinds", "metadata_prefixes"), ()
)


class Layout:
    """What the keys of a span tell together."""

    __slots__ = (
        "counters", "get", "has_own", "has_tools", "hits", "is_silent", "is_tagged", "keys",
        "kind_place", "kind_words", "may_fail", "memo", "people", "suspects", "tells_of_calls",
        "trees",
    )  # fmt: skip

    def __init__(
        self,
        keys: dict[str, int],
        hits: dict[str, tuple[Hit, ...]],
        kind_words: dict[bytes, str],
    ) -> None:
        self.keys = keys
        """Where each key stands; the last one where it stands twice."""
        self.hits = hits
        """The attributes that tell a concept, best first."""
        self.get = {**_NO_HITS, **hits}.__getitem__
        """Return the same of any concept; nothing where no attribute tells it."""
        self.trees: dict[str, list[Tree]] = {
            concept: plant((hit.rank, hit.detail, hit.place) for hit in hits[concept])
            for concept in _GROUPED
            if concept in hits
        }
        """The lists that flattened keys spell, one a prefix, best first."""
        self.suspects = tuple(key for key in SUSPECTS if key in keys)
        self.counters = tuple(
            (name, tuple(hit.place for hit in hits[name])) for name in _COUNTED if name in hits
        )
        """The counters, and where they stand, best first."""
        self.is_silent = not hits and not self.suspects and _OURS.isdisjoint(keys)
        """Whether no key tells anything."""
        kinds = hits.get("kinds", ())
        is_clear = len(kinds) == 1 and not self.suspects
        self.kind_place: int = kinds[0].place if is_clear else -1
        """Where the only word stands that tells a span's type; -1: it is not so clear."""
        self.kind_words = kind_words
        self.tells_of_calls = TOKEN_USAGE in keys or not _CALLED.isdisjoint(hits)
        """Whether a key tells of a model, its provider, or tokens."""
        self.has_own = not OWN.isdisjoint(keys)
        """Whether there are words that MLflow's own SDK may have written."""
        self.is_tagged = not _TAGGED.isdisjoint(hits)
        """Whether a key may tell tags of the trace."""
        self.has_tools = not _TOOLS.isdisjoint(hits)
        self.memo: dict[Any, Any] = {}
        """What readers found out about such spans, by reader."""
        self.people = tuple(
            [
                (key, keys.get(key, -1))
                for key, concept in ((SESSION, "session"), (USER, "user"))
                if key in keys or concept in hits or "metadata" in hits
            ]
        )
        """Whom a key tells of, and where MLflow's own word stands, -1 for nowhere."""
        self.may_fail = not _ERRORS.isdisjoint(hits)
        """Whether a key tells of a failure."""


class Origin:
    """
    What made spans.

    Args:
        scope: the instrumentation's.
        resource: the program's.

    """

    __slots__ = ("_resource", "_sdk", "scope")

    def __init__(self, scope: Scope, resource: Resource) -> None:
        self.scope = scope.name
        """The name of the instrumentation."""
        self._resource = resource
        self._sdk: str | None = None

    @property
    def sdk(self) -> str:
        """The name of the SDK; empty where the resource does not say it."""
        known = self._sdk
        if known is None:
            known = ""
            attributes = self._resource.attributes
            for at, key in enumerate(attributes.names()):
                if key == _SDK:
                    known = str(attributes.fields[at].value.string_value)
            self._sdk = known
        return known


class Reading:
    """What one span tells."""

    __slots__ = ("fields", "get", "hits", "keys", "layout", "origin")

    def __init__(self, layout: Layout, fields: Fields, origin: Origin) -> None:
        self.layout = layout
        self.origin = origin
        self.hits = layout.hits
        self.get = layout.get
        """Return the attributes that tell a concept, best first."""
        self.keys = layout.keys
        self.fields = fields
        """The attributes, by their places."""

    def value(self, hit: Hit) -> AnyValue:
        """Return what stands there."""
        return self.fields.value(hit.place)

    def text(self, hit: Hit) -> str:
        """Return the text that stands there; empty where there is none."""
        return self.fields.text(hit.place)

    def held(self, hit: Hit) -> Any:
        """Return what stands there; JSON objects and lists in texts are parsed."""
        text = self.fields.utf8(hit.place)
        if not text:
            return decode(self.fields.value(hit.place))
        held = parse_utf8(text) if text[0] in _OPENING else None
        return parsed(text.decode()) if held is None else held

    def at(self, key: str) -> AnyValue | None:
        """Return the value of a key."""
        index = self.keys.get(key)
        return None if index is None else self.fields.value(index)

    def lists(self, concept: str) -> list[list[Any]]:
        """Return the lists that flattened keys spell, one a prefix, best first."""
        trees = self.layout.trees.get(concept)
        return [tree.fill(self.fields) for tree in trees] if trees else []


class Plan:
    """The joined tables."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._known: dict[str, list[Meaning]] = {}
        self._prefixes: list[tuple[str, str, int]] = []
        self._memory: dict[str, tuple[Meaning, ...]] = {}
        self._kind_words: dict[str, dict[bytes, str]] = {}
        self._layouts: dict[tuple[str, ...], Layout] = {}
        self._laid_out = 0
        self._names: list[tuple[tuple[str, ...], Names]] = []
        self._named_type = functools.lru_cache(maxsize=4096)(self._find_named_type)
        self._exclusive: list[Dialect] = []
        self._counts_apart = functools.lru_cache(maxsize=1024)(self._find_exclusive)
        kinds: dict[str, dict[str, str]] = {}
        for number, dialect in enumerate(dialects):
            self._add(dialect, number * 100)
            for key, table in dialect.kinds.items():
                merged = kinds.setdefault(key, {})
                merged.update({value: of for value, of in table.items() if value not in merged})
        for rank, (key, merged) in enumerate(kinds.items()):
            table = {**KINDS, **merged}
            table.update({value.upper(): of for value, of in table.items()})
            self._known.setdefault(key, []).append(Meaning("kinds", rank, table))
            self._kind_words[key] = {
                word.encode(): of for word, of in table.items() if of != UNKNOWN
            }

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
                self._learn(dialect, prefix, Meaning(concept, rank, ()))
                self._prefixes.append((f"{prefix}.", concept, rank))
        for rank, prefix in enumerate(dialect.metadata_prefixes, base):
            self._prefixes.append((prefix, "metadata_prefixes", rank))
        if dialect.span_names:
            self._names.append((dialect.scopes, dialect.span_names))
        if dialect.exclusive:
            self._exclusive.append(dialect)

    def _learn(self, dialect: Dialect, key: str, meaning: Meaning) -> None:
        if key in dialect.plain:
            meaning = meaning._replace(gate=dialect.only_with)
        self._known.setdefault(key, []).append(meaning)

    def read(self, span: Span) -> Reading:
        """Look once at each key of a span."""
        origin = Origin(span.scope, span.resource)
        return Reading(self.layout(span.names()), Fields(span.peek), origin)

    def layout(self, keys: tuple[str, ...]) -> Layout:
        """Return what the keys of a span tell together."""
        return self._layouts.get(keys) or self._lay_out(keys)

    def _lay_out(self, keys: tuple[str, ...]) -> Layout:
        hits: dict[str, list[Hit]] = {}
        for index, key in enumerate(keys):
            for meaning in self._memory.get(key) or self._meanings(key):
                if not meaning.gate or _shows(keys, meaning.gate):
                    hit = Hit(meaning.rank, key, index, meaning.detail)
                    hits.setdefault(meaning.concept, []).append(hit)
        kinds = hits.get("kinds")
        layout = Layout(
            {key: index for index, key in enumerate(keys)},
            {concept: tuple(sorted(found, key=_rank)) for concept, found in hits.items()},
            self._kind_words[kinds[0].key] if kinds else {},
        )
        if len(keys) <= _LONGEST:
            if self._laid_out > _LAID_OUT:
                self._layouts.clear()
                self._laid_out = 0
            self._laid_out += len(keys)
            self._layouts[keys] = layout
        return layout

    def _meanings(self, key: str) -> tuple[Meaning, ...]:
        """Work out what a key means; flattened keys by their prefix."""
        found = list(self._known.get(key, ()))
        for prefix, concept, rank in self._prefixes:
            if key.startswith(prefix):
                detail: str | Path | None = key[len(prefix) :]
                if concept != "metadata_prefixes":
                    detail = parse_path(key[len(prefix) :])
                if detail:
                    found.append(Meaning(concept, rank, detail))
        if len(self._memory) >= _REMEMBERED:
            self._memory.clear()
        self._memory[key] = meanings = tuple(found)
        return meanings

    def named_type(self, scope: str, span_name: str) -> str | None:
        """Return the type that the span's name tells within its instrumentation's scope."""
        return self._named_type(scope[:_TELLING], span_name[:_TELLING])

    def _find_named_type(self, scope: str, span_name: str) -> str | None:
        for scopes, names in self._names:
            if scope.startswith(scopes):
                name = span_name.lower()
                return names.get(name) or names.get(name.split(" ", 1)[0].split("[", 1)[0])
        return None

    def is_exclusive(self, origin: Origin, span_name: str, provider: str | None) -> bool:
        """Whether the dialect counts input tokens without those of the cache."""
        return self._counts_apart(
            provider, origin.scope[:_TELLING], origin.sdk[:_TELLING], span_name[:_TELLING]
        )

    def _find_exclusive(self, provider: str | None, scope: str, sdk: str, span_name: str) -> bool:
        return any(
            ("*" in dialect.exclusive or provider in dialect.exclusive)
            and (
                scope.startswith(dialect.scopes)
                or sdk.startswith(dialect.scopes)
                or span_name in dialect.span_names
            )
            for dialect in self._exclusive
        )


def _shows(keys: Sequence[str], gate: tuple[str, ...]) -> bool:
    starts = tuple(part for part in gate if part.endswith("."))
    return any(key in gate or (starts and key.startswith(starts)) for key in keys)


def _rank(hit: Hit) -> int:
    return hit.rank
