"""
MLflow's attribute names and span types, and our own few.

Source: mlflow.tracing.constant and mlflow.entities.SpanType; a test keeps them equal.
"""

from typing import Final

SPAN_TYPE: Final = "mlflow.spanType"
INPUTS: Final = "mlflow.spanInputs"
OUTPUTS: Final = "mlflow.spanOutputs"
MESSAGE_FORMAT: Final = "mlflow.message.format"
CHAT_TOOLS: Final = "mlflow.chat.tools"
TOKEN_USAGE: Final = "mlflow.chat.tokenUsage"  # noqa: S105 - tokens of a model, no secret
COST: Final = "mlflow.llm.cost"
MODEL: Final = "mlflow.llm.model"
PROVIDER: Final = "mlflow.llm.provider"
SESSION: Final = "session.id"
USER: Final = "user.id"
TAG: Final = "mlflow.traceTag."
TRACE_NAME: Final = "mlflow.traceTag.mlflow.traceName"

ROLLUP: Final = "spangate.rollup"
"""``true`` on a span whose usage repeats that of the spans below it: it must not be priced."""

UNCHANGED: Final = "spangate.original."
"""Prefix under which a value is kept that MLflow would choke on."""

UNKNOWN: Final = "UNKNOWN"

SPAN_TYPES: Final = frozenset({
    "LLM", "CHAIN", "AGENT", "TOOL", "CHAT_MODEL", "RETRIEVER", "PARSER", "EMBEDDING", "RERANKER",
    "MEMORY", "UNKNOWN", "WORKFLOW", "TASK", "GUARDRAIL", "EVALUATOR",
})  # fmt: skip
"""The types that MLflow knows; it takes any other text too."""

CUSTOM_TYPES: Final = frozenset({"CLASSIFIER"})
"""Types that only we write."""

OWN: Final = frozenset({MODEL, PROVIDER, MESSAGE_FORMAT})
"""What MLflow's own SDK writes with JSON quotes around it."""

MODEL_CALLS: Final = frozenset({"LLM", "CHAT_MODEL"})
"""Types whose inputs and outputs are a conversation."""

CALLING_TYPES: Final = MODEL_CALLS | {"EMBEDDING", "RERANKER"}
"""Types whose tokens are their own."""

ROLLUP_TYPES: Final = frozenset(
    {"AGENT", "CHAIN", "WORKFLOW", "TASK", "TOOL", "RETRIEVER", "UNKNOWN"}
)
"""Types that call no model themselves: usage on them repeats that of spans below."""
