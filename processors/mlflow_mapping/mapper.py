"""One span's attributes in MLflow's terms."""

import functools
from collections.abc import Iterable

from gateway.plugin import Span
from processors.mlflow_mapping import keys
from processors.mlflow_mapping.dialect import Dialect
from processors.mlflow_mapping.encoding import encoded_key, flag_attribute, text_attribute
from processors.mlflow_mapping.events import Told, read_events
from processors.mlflow_mapping.failures import show_failure
from processors.mlflow_mapping.identity import (
    find_model,
    find_provider,
    find_session,
    find_tags,
    find_user,
    short_id,
)
from processors.mlflow_mapping.inout import beside_chat, read_inputs, read_outputs
from processors.mlflow_mapping.mending import mend
from processors.mlflow_mapping.moving import superfluous
from processors.mlflow_mapping.plan import Plan, Reading
from processors.mlflow_mapping.span_types import find_type, is_rollup, said_type
from processors.mlflow_mapping.texts import encode, read, string
from processors.mlflow_mapping.tools import Tool, read_tools
from processors.mlflow_mapping.usage import Counters, normalise, read_usage

_NO_EVENTS = Told()

_FIXED = {
    key: encoded_key(key)
    for key in (
        keys.SPAN_TYPE, keys.INPUTS, keys.OUTPUTS, keys.MESSAGE_FORMAT, keys.CHAT_TOOLS,
        keys.TOKEN_USAGE, keys.MODEL, keys.PROVIDER, keys.SESSION, keys.USER, keys.TRACE_NAME,
        keys.ROLLUP,
    )
}  # fmt: skip
_ROLLUP = flag_attribute(_FIXED[keys.ROLLUP])
_OWN = frozenset({keys.MODEL, keys.PROVIDER, keys.MESSAGE_FORMAT})

Texts = dict[str, str | bytes]


class Mapper:
    """
    Write MLflow's attributes onto spans.

    Args:
        dialects: the tables, in order of preference.
        move: whether to take away source attributes that the result says again.

    """

    def __init__(self, dialects: Iterable[Dialect], *, move: bool) -> None:
        self._plan = Plan(dialects)
        self._move = move

    def write(self, span: Span) -> None:
        """Map one span in place."""
        name = span.peek.name
        if "\0" in name:  # PostgreSQL holds no such text
            span.name = name.replace("\0", "\ufffd")
        reading = self._plan.read(span)
        texts: Texts = dict(mend(reading))
        told = read_events(span) if span.peek.events else _NO_EVENTS
        kind = said_type(reading) or find_type(self._plan, reading, span)
        usage: Counters | None = None
        rollup = False
        if reading.hits or told is not _NO_EVENTS:
            self._add_content(texts, reading, told, kind)
            usage, rollup = self._add_usage(texts, reading, span, kind)
            self._add_people(texts, reading)
        texts[keys.SPAN_TYPE] = kind
        if span.is_root:
            for key, value in find_tags(reading, span):
                texts[key] = value
        if kind != keys.UNKNOWN:
            show_failure(span, reading, told)
        _store(span, reading, texts, rollup=rollup)
        if self._move:
            span.attributes.discard(superfluous(reading, texts, usage))

    @staticmethod
    def _add_content(texts: Texts, reading: Reading, told: Told, kind: str) -> None:
        """Add inputs, outputs and tools."""
        present = reading.keys
        inputs = None if keys.INPUTS in present else read_inputs(reading, told, kind)
        outputs = None if keys.OUTPUTS in present else read_outputs(reading, told, kind)
        inputs, outputs = beside_chat(inputs, outputs, kind)
        if inputs is not None:
            texts[keys.INPUTS] = inputs.text
        if outputs is not None:
            texts[keys.OUTPUTS] = outputs.text
        chat = (inputs is not None and inputs.chat) or (outputs is not None and outputs.chat)
        if chat and keys.MESSAGE_FORMAT not in reading.keys:
            texts[keys.MESSAGE_FORMAT] = "openai"
        if keys.CHAT_TOOLS not in reading.keys:
            tools = _tools(reading)
            if tools:
                texts[keys.CHAT_TOOLS] = encode(tools)

    def _add_usage(
        self, texts: Texts, reading: Reading, span: Span, kind: str
    ) -> tuple[Counters | None, bool]:
        """Add tokens, model and provider; return the tokens and whether they repeat others'."""
        provider = find_provider(reading)
        usage: Counters | None = None
        if keys.TOKEN_USAGE not in reading.keys:
            counters = read_usage(reading)
            exclusive = "cache_read" in counters and self._plan.is_exclusive(span, provider)
            usage = normalise(counters, exclusive=exclusive) if counters else None
            if usage is not None:
                texts[keys.TOKEN_USAGE] = encode(usage)
        counted = usage is not None or keys.TOKEN_USAGE in reading.keys
        rollup = counted and (kind in keys.ROLLUP_TYPES or is_rollup(reading))
        if not rollup:  # MLflow prices whatever has both tokens and a model
            model = find_model(reading)
            if model and keys.MODEL not in reading.keys:
                texts[keys.MODEL] = model
        if provider and keys.PROVIDER not in reading.keys:
            texts[keys.PROVIDER] = provider
        return usage, rollup

    @staticmethod
    def _add_people(texts: Texts, reading: Reading) -> None:
        for key, find in ((keys.SESSION, find_session), (keys.USER, find_user)):
            written = reading.at(key)
            if key in texts or (written is not None and written.string_value):
                continue
            found = find(reading)
            if found:
                texts[key] = short_id(found)


def _tools(reading: Reading) -> list[Tool]:
    for hit in reading.get("tools"):
        tools = read_tools(read(reading.value(hit)))
        if tools:
            return tools
    for listed in reading.lists("tool_groups"):
        tools = read_tools(listed)
        if tools:
            return tools
    return []


def _attribute(key: str, text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return text_attribute(_FIXED.get(key) or encoded_key(key), data)


@functools.lru_cache(maxsize=4096)
def _words(*found: tuple[str, str]) -> bytes:
    """Return several attributes whose texts are few, such as the type and the model."""
    return b"".join([_attribute(key, text) for key, text in found])


_REPEATED = frozenset({keys.SPAN_TYPE, keys.MESSAGE_FORMAT, keys.MODEL, keys.PROVIDER})


def _store(span: Span, reading: Reading, texts: Texts, *, rollup: bool) -> None:
    """Write attributes: over those that are there, the rest as ready-made bytes at the end."""
    present = reading.keys
    parts: list[bytes] = []
    words: list[tuple[str, str]] = []
    for key, text in texts.items():
        if key in present:
            span.attributes[key] = text if isinstance(text, str) else text.decode()
        elif key in _REPEATED:
            words.append((key, str(text)))
        else:
            parts.append(_attribute(key, text))
    parts.append(_words(*words))
    if not _OWN.isdisjoint(present):
        _unquote(span, reading, texts)
    if rollup:
        parts.append(_ROLLUP)
    span.append(b"".join(parts))


def _unquote(span: Span, reading: Reading, texts: Texts) -> None:
    """Take the JSON quotes, which MLflow's own SDK writes, off plain words."""
    for key in _OWN:
        value = reading.at(key)
        if value is not None and key not in texts and value.string_value[:1] == '"':
            span.attributes[key] = string(value)
