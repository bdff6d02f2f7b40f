"""
Where spans tell of priced calls: MLflow's words, which ``mlflow_mapping`` writes, and what it has
no word for, such as the service tier.
"""

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from gateway.otlp.values import Value, decode
from gateway.plugin import Span
from processors.cost.reported import REPORTED_KEYS
from processors.cost.written import WRITTEN_KEYS

SPAN_TYPE = "mlflow.spanType"
TOKEN_USAGE = "mlflow.chat.tokenUsage"  # noqa: S105 - tokens of a model, no secret
ROLLUP = "spangate.rollup"
MODEL = "mlflow.llm.model"

CHAT, _EMBEDDING, _RERANKER = "chat", "embedding", "reranker"
TYPES = {"LLM": CHAT, "CHAT_MODEL": CHAT, "EMBEDDING": _EMBEDDING, "RERANKER": _RERANKER}
"""Span types that call a model; usage on any other repeats that of spans below."""
OTHER_TYPES = frozenset({
    "CHAIN", "AGENT", "TOOL", "RETRIEVER", "PARSER", "MEMORY", "WORKFLOW", "TASK", "GUARDRAIL",
    "EVALUATOR", "CLASSIFIER",
})  # fmt: skip
NO_TYPE = "UNKNOWN"
WRAPPER = "ai.operationId"

_MODEL = (
    MODEL, "gen_ai.response.model", "llm.response.model_name", "ai.response.model",
    "llm.model_name", "gen_ai.request.model", "llm.request.model_name", "embedding.model_name",
    "reranker.model_name", "ai.model.id", "langfuse.observation.model.name",
)  # fmt: skip
_PROVIDER = (
    "mlflow.llm.provider", "gen_ai.provider.name", "llm.provider", "gen_ai.system",
    "ai.model.provider", "llm.system",
)  # fmt: skip

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
BATCH_FLAGS = ("gen_ai.request.batch", "gen_ai.batch", "llm.batch")
STANDARD_TIERS = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand"})

OUTPUTS = "mlflow.spanOutputs"
_FINISH_REASONS = (
    "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "ai.response.finishReason",
    "llm.finish_reason", "llm.response.finish_reason", OUTPUTS,
)  # fmt: skip
CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""What providers say, in lower case, when an answer reached the limit of tokens."""

_LOOKED_AT = frozenset(
    chain(
        (SPAN_TYPE, TOKEN_USAGE, ROLLUP, WRAPPER, _MLFLOW_SDK, _MLFLOW_INPUTS),
        _MODEL, _PROVIDER, _TIERS, _PARAMETERS,
        BATCH_FLAGS, REPORTED_KEYS, WRITTEN_KEYS, _FINISH_REASONS,
    )
)  # fmt: skip
_LAYOUTS = 4096
_LONGEST = 300
"""Layouts that are kept, and attributes of the longest one; spans of one kind share a layout."""


class Layout(NamedTuple):
    """Where a span that has certain attributes holds what is looked at here."""

    at: dict[str, int]
    """Key to position."""
    models: tuple[str, ...]
    providers: tuple[str, ...]
    tiers: tuple[str, ...]
    parameters: tuple[str, ...]
    finish: tuple[str, ...]
    """Where it says why an answer ended."""
    is_rollup: bool
    may_be_batch: bool
    is_reported: bool
    is_written: bool


class Told:
    """The attributes of a span: no index is built, and only what is asked for is decoded."""

    __slots__ = ("_added", "at", "layout", "span")

    def __init__(self, span: Span) -> None:
        self.span = span
        keys = span.names()
        self._added = span.told
        self.layout = _layouts.get(keys) or _lay_out(keys)
        self.at = self.layout.at

    def text(self, key: str) -> str | None:
        """Return a text, or ``None`` where there is none."""
        added = self._added.get(key)
        if added:
            return added.decode() if isinstance(added, bytes) else str(added)
        at = self.at.get(key)
        if at is None:
            return None
        message = self.span.core if key not in self._added else self.span.peek
        return message.attributes[at].value.string_value or None

    def utf8(self, key: str) -> bytes:
        """Return a text as UTF-8; empty where there is none."""
        added = self._added.get(key)
        return added if isinstance(added, bytes) else (self.text(key) or "").encode()

    def value(self, key: str) -> Value:
        """Return any value; the key must be there."""
        message = self.span.core if key not in self._added else self.span.peek
        return decode(message.attributes[self.at[key]].value)

    def first(self, keys: Iterable[str]) -> str:
        """Return the first text that says something."""
        for key in keys:
            if text := self.text(key):
                return text.strip('"')
        return ""


_layouts: dict[tuple[str, ...], Layout] = {}


def _lay_out(keys: tuple[str, ...]) -> Layout:
    at = {key: position for position, key in enumerate(keys) if key in _LOOKED_AT}

    def present(wanted: Iterable[str]) -> tuple[str, ...]:
        return tuple(key for key in wanted if key in at)

    layout = Layout(
        at,
        present(_MODEL),
        present(_PROVIDER),
        present(_TIERS),
        present((*_PARAMETERS, _MLFLOW_INPUTS) if _MLFLOW_SDK in at else _PARAMETERS),
        present(_FINISH_REASONS),
        ROLLUP in at,
        bool(present(BATCH_FLAGS)),
        bool(present(REPORTED_KEYS)),
        bool(present(WRITTEN_KEYS)),
    )
    if len(keys) <= _LONGEST:
        if len(_layouts) >= _LAYOUTS:
            _layouts.clear()
        _layouts[keys] = layout
    return layout
