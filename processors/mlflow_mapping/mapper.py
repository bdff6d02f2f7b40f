"""One span's attributes in MLflow's terms."""

import functools
from collections.abc import Callable, Collection, Iterable
from typing import Final, cast

from gateway.otlp.keys import MOST, Names
from gateway.otlp.ready import add_text, flag_attribute, word_attribute
from gateway.plugin import Batch, Scope, Span
from processors.mlflow_mapping import keys
from processors.mlflow_mapping.dialect import Dialect
from processors.mlflow_mapping.events import NO_EVENTS, Told, read_events
from processors.mlflow_mapping.failures import show_failure
from processors.mlflow_mapping.globs import Globs
from processors.mlflow_mapping.identity import (
    MAX_ID,
    find_model,
    find_provider,
    find_session,
    find_tags,
    find_user,
    short_id,
)
from processors.mlflow_mapping.inout import read_content
from processors.mlflow_mapping.mending import mend, mend_id
from processors.mlflow_mapping.moving import superfluous
from processors.mlflow_mapping.plan import Layout, Origin, Plan, Reading
from processors.mlflow_mapping.silent import Added, ScopeTypes, SilentTypes
from processors.mlflow_mapping.span_types import (
    find_type,
    is_rollup,
    plain_type,
    said_type,
)
from processors.mlflow_mapping.texts import encode, parse, read, string
from processors.mlflow_mapping.tools import read_tools
from processors.mlflow_mapping.usage import Counters, normalise, read_usage

_ROLLUP: Final = flag_attribute(keys.ROLLUP)

_PEOPLE: Final = {keys.SESSION: find_session, keys.USER: find_user}

Texts = dict[str, str | bytes]


class Mapper:
    """
    Write MLflow's attributes onto spans.

    Args:
        dialects: the tables, in order of preference.
        move: whether to take away source attributes that the result says again.
        tags: which tags of traces are not written.

    """

    def __init__(self, dialects: Iterable[Dialect], *, move: bool, tags: Globs) -> None:
        self._plan = Plan(dialects)
        self._move = move
        self._tags = tags
        self._silent: dict[int, Names] = {}
        """Keys of spans that say nothing, by their id, which stays theirs while they are here."""
        self._types = SilentTypes(self._plan)

    def write(self, batch: Batch) -> None:
        """Map the spans of a batch in place."""
        layouts: dict[int, Layout] = {}
        scope: Scope | None = None
        origin: Origin | None = None
        types: ScopeTypes | None = None
        last: Names | None = None
        layout: Layout | None = None
        found = batch.fields(self._silent)
        for at, span in enumerate(batch.spans):
            names, fields = found[at]
            if layout is None or names is not last:
                last = names
                layout = layouts.get(id(names))  # of one kind all have the same tuple
                if layout is None:
                    layouts[id(names)] = layout = self._layout(names)
            if origin is None or types is None or span.scope is not scope:
                scope = span.scope
                origin = Origin(scope, span.resource)
                types = self._types.of(origin.scope)
            told = NO_EVENTS
            if fields.may_have_events and (events := span.peek.events):
                told = read_events(events)
            if layout.is_silent and told.is_empty:
                added = self._types.find(types, fields.name(), is_root=fields.is_root())
                if added is not None:
                    span.append(added[0], added[1])
                    continue
            self._write(span, Reading(layout, fields, origin), told)

    def _layout(self, names: Names) -> Layout:
        """Return what keys tell together; those that tell nothing are remembered."""
        layout = self._plan.layout(names)
        if layout.is_silent and len(self._silent) < MOST:
            self._silent[id(names)] = names
        return layout

    def _write(self, span: Span, reading: Reading, told: Told) -> None:
        """Map one span in place."""
        fields = reading.fields
        is_root = fields.is_root()
        if 0 in fields.name():  # PostgreSQL holds no such text
            span.name = span.name.replace("\0", "\ufffd")
        texts: Texts = {}
        kind = plain_type(reading)
        if kind is None:
            texts = mend(reading)
            kind = said_type(reading) or find_type(self._plan, reading, span)
        if kind == keys.UNKNOWN and told.type:
            kind = told.type
        usage: Counters | None = None
        rollup = False
        if reading.hits or told is not NO_EVENTS:
            self._add_content(texts, reading, told, kind)
            if reading.layout.tells_of_calls:
                usage, rollup = self._add_usage(texts, reading, span, kind)
            elif told.type:
                usage = _add_told(texts, told)
            for key, place in reading.layout.people:
                if place < 0 or not 0 < fields.size(place) <= MAX_ID:
                    _add_person(texts, reading, key, _PEOPLE[key])
        texts[keys.SPAN_TYPE] = kind
        if is_root:
            for key, value in find_tags(reading, span, self._tags):
                texts[key] = value
        if kind != keys.UNKNOWN:
            show_failure(span, reading, told)
        doomed = superfluous(reading, texts, usage) if self._move else ()
        _store(span, reading, texts, doomed, rollup=rollup)

    @staticmethod
    def _add_content(texts: Texts, reading: Reading, told: Told, kind: str) -> None:
        """Add inputs, outputs and tools."""
        inputs, outputs = read_content(reading, told, kind)
        chat = False
        if inputs is not None:
            texts[keys.INPUTS] = inputs.text
            chat = inputs.chat
        if outputs is not None:
            texts[keys.OUTPUTS] = outputs.text
            chat = chat or outputs.chat
        if chat and keys.MESSAGE_FORMAT not in reading.keys:
            texts[keys.MESSAGE_FORMAT] = "openai"
        if reading.layout.has_tools and keys.CHAT_TOOLS not in reading.keys:
            tools = _tools(reading, kind)
            if tools:
                texts[keys.CHAT_TOOLS] = tools

    def _add_usage(
        self, texts: Texts, reading: Reading, span: Span, kind: str
    ) -> tuple[Counters | None, bool]:
        """Add tokens, model and provider; return the tokens and whether they repeat others'."""
        provider = find_provider(reading)
        usage: Counters | None = None
        if keys.TOKEN_USAGE not in reading.keys:
            counters = read_usage(reading)
            exclusive = "cache_read" in counters and self._plan.is_exclusive(
                reading.origin, span.core.name, provider
            )
            usage = normalise(counters, exclusive=exclusive) if counters else None
            if usage is not None:
                texts[keys.TOKEN_USAGE] = encode(usage)
        counted = usage is not None or keys.TOKEN_USAGE in reading.keys
        rollup = counted and (kind in keys.ROLLUP_TYPES or is_rollup(reading))
        model = find_model(reading)
        if keys.MODEL not in reading.keys and (model or (rollup and _names_model(texts))):
            # MLflow 3.17 finds the model by itself and prices whatever has one and tokens, which
            # would hide the costs of the calls below; an empty name stops it.
            texts[keys.MODEL] = "" if rollup else model or ""
        if provider and keys.PROVIDER not in reading.keys:
            texts[keys.PROVIDER] = provider
        return usage, rollup


def _add_told(texts: Texts, told: Told) -> Counters | None:
    """Add tokens and model, where events alone tell of them."""
    usage = normalise(told.usage, exclusive=False) if told.usage else None
    if usage is not None:
        texts[keys.TOKEN_USAGE] = encode(usage)
    if told.model:
        texts[keys.MODEL] = told.model[:MAX_ID]
    return usage


_MODEL: Final = '"model":'
_MODEL_UTF8: Final = _MODEL.encode()


def _names_model(texts: Texts) -> bool:
    """Whether inputs or outputs name a model, where MLflow looks for it."""
    for key in (keys.INPUTS, keys.OUTPUTS):
        text = texts.get(key, "")
        at = text.find(_MODEL) if isinstance(text, str) else text.find(_MODEL_UTF8)
        if at >= 0:
            return True
    return False


def _add_person(
    texts: Texts, reading: Reading, key: str, find: Callable[[Reading], str | None]
) -> None:
    """Add a session or a user, or mend the one that is there."""
    written = reading.at(key)
    if written is not None:
        if not 0 < len(written.string_value) <= MAX_ID:
            mend_id(texts, key, written)
        if written.string_value or key in texts:
            return
    found = find(reading)
    if found:
        texts[key] = short_id(found)


def _tools(reading: Reading, kind: str) -> bytes:
    """Return the tools that a model may call, as JSON; empty where there are none."""
    for hit in reading.get("tools"):
        text = reading.fields.text(hit.place)
        is_short = 0 < len(text) <= _LONGEST_TOOLS
        tools = _tools_in(text) if is_short else _as_json(reading.held(hit))
        if tools:
            return tools
    for listed in reading.lists("tool_groups"):
        tools = _as_json(listed)
        if tools:
            return tools
    for hit in reading.get("tools_within") if kind in keys.MODEL_CALLS else ():
        held = read(reading.value(hit))
        if isinstance(held, dict) and isinstance(held.get("tools"), list):
            return _as_json(held["tools"])
    return b""


_LONGEST_TOOLS: Final = 32_000


@functools.lru_cache(maxsize=128)
def _tools_in(text: str) -> bytes:
    """Return the tools that a text defines; all calls of an agent have the same."""
    return _as_json(parse(text) or text)


def _as_json(held: object) -> bytes:
    tools = read_tools(held)
    return encode(tools) if tools else b""


_WORDS: Final = frozenset({
    keys.SPAN_TYPE, keys.MESSAGE_FORMAT, keys.MODEL, keys.PROVIDER, keys.SESSION, keys.USER,
})  # fmt: skip
"""What is short, and the same on many spans."""


def _store(
    span: Span, reading: Reading, texts: Texts, doomed: Collection[str], *, rollup: bool
) -> None:
    """
    Write attributes: over those that are there, the rest as ready-made bytes at the end.

    Those that are ``doomed`` go.
    """
    present = reading.keys
    mended = _unquoted(reading) if reading.layout.has_own else {}
    parts: list[bytes] = []
    for key, text in texts.items():
        if key in present:
            mended[key] = text
        elif isinstance(text, str) and key in _WORDS:
            parts.append(word_attribute(key, text))
        else:
            add_text(parts, key, text)
    for key, text in mended.items():
        span.attributes[key] = text if isinstance(text, str) else text.decode()
        texts.pop(key, None)
    if doomed:
        span.attributes.discard(doomed)
    told = cast("Added", texts)  # nobody else has it
    if keys.INPUTS in told:
        told[keys.INPUTS] = None  # long, and nobody reads it again
    if rollup:
        parts.append(_ROLLUP)
        told[keys.ROLLUP] = True
    span.append(b"".join(parts), told)


def _unquoted(reading: Reading) -> Texts:
    """Return plain words without the JSON quotes, which MLflow's own SDK writes around them."""
    return {
        key: string(value)
        for key in keys.OWN
        if (value := reading.at(key)) is not None and value.string_value[:1] == '"'
    }
