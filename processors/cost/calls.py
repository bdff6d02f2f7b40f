"""
Read the calls of models from spans: which model, who ran it, how many tokens.

``mlflow_mapping`` has written what is needed in MLflow's words. Without it the dialects that
most senders speak are read as they are.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from gateway.otlp.values import Value, decode
from gateway.plugin import Span
from processors.cost.rates import Usage, checked
from processors.cost.reported import REPORTED_KEYS
from processors.cost.written import WRITTEN_KEYS

SPAN_TYPE = "mlflow.spanType"
TOKEN_USAGE = "mlflow.chat.tokenUsage"  # noqa: S105 - tokens of a model, no secret
ROLLUP = "spangate.rollup"

_CHAT, _EMBEDDING, _RERANKER = "chat", "embedding", "reranker"
_TYPES = {"LLM": _CHAT, "CHAT_MODEL": _CHAT, "EMBEDDING": _EMBEDDING, "RERANKER": _RERANKER}
"""Span types that call a model; usage on any other repeats that of spans below."""
OTHER_TYPES = frozenset({
    "CHAIN", "AGENT", "TOOL", "RETRIEVER", "PARSER", "MEMORY", "WORKFLOW", "TASK", "GUARDRAIL",
    "EVALUATOR", "CLASSIFIER",
})  # fmt: skip
NO_TYPE = "UNKNOWN"
_TAIL = 6
_WRAPPER = "ai.operationId"
_SPEAKERS = ("traceloop.span.kind", "gen_ai.agent.name", "gen_ai.tool.name")
"""Attributes of spans that sum up others."""

_KINDS: dict[str, dict[str, str]] = {
    "openinference.span.kind": {
        "llm": _CHAT, "embedding": _EMBEDDING, "reranker": _RERANKER,
    },
    "ai.operationId": {
        "ai.generatetext.dogenerate": _CHAT, "ai.streamtext.dostream": _CHAT,
        "ai.generateobject.dogenerate": _CHAT, "ai.streamobject.dostream": _CHAT,
        "ai.embed.doembed": _EMBEDDING, "ai.embedmany.doembed": _EMBEDDING,
    },
    "langsmith.span.kind": {"llm": _CHAT},
    "langfuse.observation.type": {"generation": _CHAT, "embedding": _EMBEDDING},
    "gen_ai.operation.name": {
        "chat": _CHAT, "text_completion": _CHAT, "generate_content": _CHAT, "response": _CHAT,
        "responses": _CHAT, "completion": _CHAT, "embeddings": _EMBEDDING, "rerank": _RERANKER,
    },
    "llm.request.type": {
        "chat": _CHAT, "completion": _CHAT, "embedding": _EMBEDDING, "rerank": _RERANKER,
    },
}  # fmt: skip
"""Where dialects say what a span is, to their words (lower case) for calls of models; the first
key that a span has decides."""

_MODEL = (
    "mlflow.llm.model", "gen_ai.response.model", "llm.response.model_name", "ai.response.model",
    "llm.model_name", "gen_ai.request.model", "llm.request.model_name", "embedding.model_name",
    "reranker.model_name", "ai.model.id", "langfuse.observation.model.name",
)  # fmt: skip
_PROVIDER = (
    "mlflow.llm.provider", "gen_ai.provider.name", "llm.provider", "gen_ai.system",
    "ai.model.provider", "llm.system",
)  # fmt: skip

_COUNTERS: dict[str, tuple[str, ...]] = {
    "input": (
        "gen_ai.usage.input_tokens", "llm.token_count.prompt", "ai.usage.inputTokens",
        "gen_ai.usage.prompt_tokens", "ai.usage.promptTokens", "ai.usage.tokens",
    ),
    "output": (
        "gen_ai.usage.output_tokens", "llm.token_count.completion", "ai.usage.outputTokens",
        "gen_ai.usage.completion_tokens", "ai.usage.completionTokens",
    ),
    "cache_read": (
        "gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_read_input_tokens",
        "llm.token_count.prompt_details.cache_read", "ai.usage.cachedInputTokens",
        "llm.token_count.prompt_details.cache_input",
    ),
    "cache_write": (
        "gen_ai.usage.cache_write.input_tokens", "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens", "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "cache_write_1h": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    "reasoning": (
        "gen_ai.usage.reasoning.output_tokens", "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens", "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
    ),
    "audio_input": (
        "llm.token_count.prompt_details.audio", "gen_ai.usage.details.input_audio_tokens",
    ),
    "audio_output": (
        "llm.token_count.completion_details.audio", "gen_ai.usage.details.output_audio_tokens",
    ),
}  # fmt: skip
_TOTAL = ("llm.token_count.total", "gen_ai.usage.total_tokens", "ai.usage.totalTokens")

_TIERS = (
    "gen_ai.openai.response.service_tier", "openai.response.service_tier",
    "gen_ai.response.service_tier", "gen_ai.usage.service_tier", "gen_ai.request.service_tier",
    "gen_ai.openai.request.service_tier", "openai.request.service_tier", "service_tier",
)  # fmt: skip
"""Where the service tier stands: the one that served before the one that was asked for."""
_PARAMETERS = ("llm.invocation_parameters", "langfuse.observation.model.parameters")
"""JSON in which callers pass ``service_tier`` on."""
_MLFLOW_SDK, _MLFLOW_INPUTS = "mlflow.traceRequestId", "mlflow.spanInputs"
"""The sign of MLflow's own SDK, and where it writes parameters."""
_BATCH_FLAGS = ("gen_ai.request.batch", "gen_ai.batch", "llm.batch")
_STANDARD = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand"})

_LOOKED_AT = frozenset(
    chain(
        (SPAN_TYPE, TOKEN_USAGE, ROLLUP, _WRAPPER, _MLFLOW_SDK, _MLFLOW_INPUTS),
        _KINDS, _SPEAKERS, _MODEL, _PROVIDER, *_COUNTERS.values(), _TOTAL, _TIERS, _PARAMETERS,
        _BATCH_FLAGS, REPORTED_KEYS, WRITTEN_KEYS,
    )
)  # fmt: skip
_LAYOUTS = 4096
_LONGEST = 300
"""Layouts that are kept, and attributes of the longest one; spans of one kind share a layout."""


class Layout(NamedTuple):
    """Where a span that has certain attributes holds what is looked at here."""

    at: dict[str, int]
    """Key to position."""
    kinds: tuple[str, ...]
    models: tuple[str, ...]
    providers: tuple[str, ...]
    counters: dict[str, str]
    """Kind of tokens to the key that counts them."""
    tiers: tuple[str, ...]
    parameters: tuple[str, ...]
    is_rollup: bool
    may_be_batch: bool
    is_reported: bool
    is_written: bool


class Told:
    """The attributes of a span: no index is built, and only what is asked for is decoded."""

    __slots__ = ("at", "fields", "layout", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.fields, keys = span.attributes.layout()
        self.layout = _layouts.get(keys) or _lay_out(keys)
        self.at = self.layout.at

    def text(self, key: str) -> str | None:
        """Return a text, or ``None`` where there is none."""
        at = self.at.get(key)
        return None if at is None else self.fields[at].value.string_value or None

    def value(self, key: str) -> Value:
        """Return any value; the key must be there."""
        return decode(self.fields[self.at[key]].value)

    def first(self, keys: Iterable[str]) -> str:
        """Return the first text that says something."""
        for key in keys:
            if text := self.fields[self.at[key]].value.string_value:
                return text.strip('"')
        return ""


_layouts: dict[tuple[str, ...], Layout] = {}


def _lay_out(keys: tuple[str, ...]) -> Layout:
    at = {key: position for position, key in enumerate(keys) if key in _LOOKED_AT}

    def present(wanted: Iterable[str]) -> tuple[str, ...]:
        return tuple(key for key in wanted if key in at)

    layout = Layout(
        at,
        present(_KINDS),
        present(_MODEL),
        present(_PROVIDER),
        {kind: found[0] for kind, keys in _COUNTERS.items() if (found := present(keys))},
        present(_TIERS),
        present((*_PARAMETERS, _MLFLOW_INPUTS) if _MLFLOW_SDK in at else _PARAMETERS),
        ROLLUP in at,
        bool(present(_BATCH_FLAGS)),
        bool(present(REPORTED_KEYS)),
        bool(present(WRITTEN_KEYS)),
    )
    if len(keys) <= _LONGEST:
        if len(_layouts) >= _LAYOUTS:
            _layouts.clear()
        _layouts[keys] = layout
    return layout


class ModelCall:
    """A span that calls a model and says how many tokens that took."""

    __slots__ = ("entry", "kind", "layout", "model", "provider", "span", "tier", "usage")

    def __init__(self, told: Told, kind: str, usage: Usage) -> None:
        self.span = told.span
        self.layout = layout = told.layout
        self.kind = kind
        """``chat``, ``embedding`` or ``reranker``."""
        self.usage = usage
        self.model = told.first(layout.models)
        self.provider = told.first(layout.providers)
        self.tier = _tier(told)
        self.entry = self.model
        """What it is priced by; calls with the same one are of the same model."""


def written_type(span: Span) -> str:
    """Return the span type where mapping has just written it, among the last attributes."""
    fields = span.peek.attributes
    for at in range(1, min(len(fields), _TAIL) + 1):
        field = fields[-at]
        if field.key == SPAN_TYPE:
            text: str = field.value.string_value
            return text
    return ""


def read_call(span: Span) -> ModelCall | None:
    """Return the call that a span is, or ``None`` where there is nothing to price."""
    told = Told(span)
    written = told.text(SPAN_TYPE)
    if written is None:
        kind = _dialect_kind(told)
    else:
        kind = _TYPES.get(written) or _TYPES.get(written.strip('"').upper())
    if kind is None or told.layout.is_rollup or _is_wrapper(told):
        return None
    usage = _usage(told)
    return ModelCall(told, kind, usage) if usage is not None else None


def is_transparent(span: Span) -> bool:
    """Whether a span says nothing of what it is, so that it cannot part a call from its copy."""
    written = span.attributes.text(SPAN_TYPE)
    return written is None or written.strip('"') == NO_TYPE


def _is_wrapper(told: Told) -> bool:
    """Whether a span is one of Vercel's calls around the call itself."""
    operation = told.text(_WRAPPER)
    return operation is not None and ".do" not in operation


def _dialect_kind(told: Told) -> str | None:
    for key in told.layout.kinds:
        word = told.text(key)
        if word is not None:
            return _KINDS[key].get(word.lower())
    said = any(key in told.at for key in _SPEAKERS)
    return _CHAT if told.layout.models and not said else None


class _Written(msgspec.Struct):
    """Token usage as mapping writes it."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_input_tokens_above_1hr: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0


_decode_usage = msgspec.json.Decoder(_Written).decode


def _usage(told: Told) -> Usage | None:
    if TOKEN_USAGE not in told.at:
        return _reported_usage(told)
    try:
        written = _decode_usage(told.text(TOKEN_USAGE) or "")
    except msgspec.DecodeError:
        written = _lenient(told)
    usage = Usage(
        written.input_tokens,
        written.output_tokens,
        written.cache_read_input_tokens,
        written.cache_creation_input_tokens,
        written.cache_creation_input_tokens_above_1hr,
        written.reasoning_tokens,
        written.audio_input_tokens,
        written.audio_output_tokens,
    )
    return _settled(usage, written.total_tokens)


def _lenient(told: Told) -> _Written:
    """Read usage that others wrote: an object, or numbers as text."""
    held = told.span.attributes.json(TOKEN_USAGE) or told.value(TOKEN_USAGE)
    if not isinstance(held, Mapping):
        return _Written()
    return _Written(**{name: _whole(held.get(name)) for name in _Written.__struct_fields__})


def _reported_usage(told: Told) -> Usage | None:
    counters = {kind: _whole(told.value(key)) for kind, key in told.layout.counters.items()}
    total = next((_whole(told.value(key)) for key in _TOTAL if key in told.at), 0)
    return _settled(Usage(**counters), total)


def _settled(usage: Usage, total: int) -> Usage | None:
    """Return usage that fits together; ``None`` where no token was counted."""
    if total > 0 and not usage.input and not usage.output:
        usage = usage._replace(input=total)
    if min(usage) < 0 or not any(usage):
        return None
    if not any(usage[2:]):
        return usage
    if usage.reasoning and total == usage.input + usage.output + usage.reasoning:
        usage = usage._replace(output=usage.output + usage.reasoning)  # Gemini counts them apart
    return checked(usage)


def _whole(value: Any) -> int:
    """Return a counter; 0 where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, int | float) and 0 <= value < 2**53:
        return int(value)
    return 0


def _tier(told: Told) -> str:
    layout = told.layout
    if layout.tiers and (tier := told.first(layout.tiers)):
        return _named_tier(tier)
    if layout.may_be_batch and any(
        key in told.at and told.value(key) in (True, "true") for key in _BATCH_FLAGS
    ):
        return "batch"
    for key in layout.parameters:
        if tier := _parameter(told, key):
            return tier
    return ""


def _parameter(told: Told, key: str) -> str:
    """Return the service tier among a call's parameters."""
    text = told.text(key)
    if text is None or '"service_tier"' not in text:
        return ""
    parameters = told.span.attributes.json(key)
    tier = parameters.get("service_tier") if isinstance(parameters, dict) else None
    return _named_tier(tier) if isinstance(tier, str) else ""


def _named_tier(text: str) -> str:
    tier = text.strip('"').lower()
    return "" if tier in _STANDARD or len(tier) > 40 else tier
