"""
Where spans tell of priced calls: MLflow's words, which ``mlflow_mapping`` writes, and what it has
no word for, such as the service tier.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Final

from gateway.otlp.values import Value, decode
from gateway.plugin import Span
from processors.cost.reported import REPORTED_KEYS
from processors.cost.written import WRITTEN_KEYS

SPAN_TYPE: Final = "mlflow.spanType"
TOKEN_USAGE: Final = "mlflow.chat.tokenUsage"  # noqa: S105 - tokens of a model, no secret
ROLLUP: Final = "spangate.rollup"
MODEL: Final = "mlflow.llm.model"

CHAT, _EMBEDDING, _RERANKER = "chat", "embedding", "reranker"
TYPES: Final = {"LLM": CHAT, "CHAT_MODEL": CHAT, "EMBEDDING": _EMBEDDING, "RERANKER": _RERANKER}
"""Span types that call a model; usage on any other repeats that of spans below."""
OTHER_TYPES: Final = frozenset({
    "CHAIN", "AGENT", "TOOL", "RETRIEVER", "PARSER", "MEMORY", "WORKFLOW", "TASK", "GUARDRAIL",
    "EVALUATOR", "CLASSIFIER",
})  # fmt: skip
NO_TYPE: Final = "UNKNOWN"
WRAPPER: Final = "ai.operationId"

_MODEL: Final = (
    MODEL, "gen_ai.response.model", "llm.response.model_name", "ai.response.model",
    "llm.model_name", "gen_ai.request.model", "llm.request.model_name", "embedding.model_name",
    "reranker.model_name", "ai.model.id", "langfuse.observation.model.name",
)  # fmt: skip
_PROVIDER: Final = (
    "mlflow.llm.provider", "gen_ai.provider.name", "llm.provider", "gen_ai.system",
    "ai.model.provider", "llm.system",
)  # fmt: skip

_TIERS: Final = (
    "gen_ai.openai.response.service_tier", "openai.response.service_tier",
    "gen_ai.response.service_tier", "gen_ai.usage.service_tier", "gen_ai.request.service_tier",
    "gen_ai.openai.request.service_tier", "openai.request.service_tier", "service_tier",
)  # fmt: skip
"""Where the service tier stands: the one that served before the one that was asked for."""
_PARAMETERS: Final = ("llm.invocation_parameters", "langfuse.observation.model.parameters")
"""JSON in which callers pass ``service_tier`` on."""
_MLFLOW_SDK, _MLFLOW_INPUTS = "mlflow.traceRequestId", "mlflow.spanInputs"
"""The sign of MLflow's own SDK, and where it writes parameters."""
BATCH_FLAGS: Final = ("gen_ai.request.batch", "gen_ai.batch", "llm.batch")
STANDARD_TIERS: Final = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand"})

OUTPUTS: Final = "mlflow.spanOutputs"
_FINISH_REASONS: Final = (
    "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "ai.response.finishReason",
    "llm.finish_reason", "llm.response.finish_reason", OUTPUTS,
)  # fmt: skip
CUT_OFF: Final = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""What providers say, in lower case, when an answer reached the limit of tokens."""

_LOOKED_AT: Final = frozenset(
    chain(
        (SPAN_TYPE, TOKEN_USAGE, ROLLUP, WRAPPER, _MLFLOW_SDK, _MLFLOW_INPUTS),
        _MODEL, _PROVIDER, _TIERS, _PARAMETERS,
        BATCH_FLAGS, REPORTED_KEYS, WRITTEN_KEYS, _FINISH_REASONS,
    )
)  # fmt: skip
_LAYOUTS: Final = 4096
_LONGEST: Final = 300
"""Layouts that are kept, and attributes of the longest one; spans of one kind share a layout."""


class Layout:
    """Where a span that has certain attributes holds what is looked at here."""

    __slots__ = (
        "at", "finish", "is_rollup", "is_written", "may_be_batch", "models", "parameters",
        "providers", "reported", "tiers",
    )  # fmt: skip

    def __init__(self, at: dict[str, int]) -> None:
        def present(wanted: Iterable[str]) -> list[str]:
            return [key for key in wanted if key in at]

        self.at = at
        """Key to position."""
        self.models = present(_MODEL)
        self.providers = present(_PROVIDER)
        self.tiers = present(_TIERS)
        has_inputs = _MLFLOW_SDK in at
        self.parameters = present((*_PARAMETERS, _MLFLOW_INPUTS) if has_inputs else _PARAMETERS)
        self.finish = present(_FINISH_REASONS)
        """Where it says why an answer ended."""
        self.is_rollup = ROLLUP in at
        self.may_be_batch = bool(present(BATCH_FLAGS))
        self.reported = present(REPORTED_KEYS)
        self.is_written = bool(present(WRITTEN_KEYS))


class Told:
    """The attributes of a span: no index is built, and only what is asked for is decoded."""

    __slots__ = ("_added", "_fields", "_messages", "at", "layout", "span")

    def __init__(self, span: Span, layout: Layout) -> None:
        self.span = span
        self.layout = layout
        self.at = layout.at
        self._added = span.told
        self._fields = span.fields
        self._messages: Any = None

    def text(self, key: str) -> str | None:
        """Return a text, or ``None`` where there is none."""
        at = self.at.get(key)
        if at is None:
            return None
        added = self._added.get(key)
        if added:
            return added.decode() if isinstance(added, bytes) else str(added)
        if self._fields is not None and key not in self._added:
            return self._fields.text(at) or None
        text: str = self._field(key, at).value.string_value
        return text or None

    def utf8(self, key: str) -> bytes:
        """Return a text as UTF-8; empty where there is none."""
        added = self._added.get(key)
        if isinstance(added, bytes):
            return added
        if self._fields is None or key in self._added:
            return (self.text(key) or "").encode()
        at = self.at.get(key)
        return b"" if at is None else self._fields.utf8(at)

    def raw(self, key: str) -> bytes | None:
        """Return any value as it is encoded; ``None`` where that is not known."""
        at = self.at[key]
        return None if self._fields is None or key in self._added else self._fields.raw(at)

    def value(self, key: str) -> Value:
        """Return any value; the key must be there."""
        return decode(self._field(key, self.at[key]).value)

    def _field(self, key: str, at: int) -> Any:
        if key in self._added:  # the message may lack it so far
            return self.span.peek.attributes[at]
        if self._messages is None:
            self._messages = self.span.core.attributes
        return self._messages[at]

    def first(self, keys: Iterable[str]) -> str:
        """Return the first text that says something."""
        for key in keys:
            if text := self.text(key):
                return text.strip('"')
        return ""


_layouts: dict[tuple[str, ...], Layout] = {}


def layout_of(keys: tuple[str, ...]) -> Layout:
    """Return where spans with these keys hold what is looked at; the same one each time."""
    known = _layouts.get(keys)
    if known is not None:
        return known
    layout = Layout({key: at for at, key in enumerate(keys) if key in _LOOKED_AT})
    if len(keys) <= _LONGEST:
        if len(_layouts) >= _LAYOUTS:
            _layouts.clear()
        _layouts[keys] = layout
    return layout
