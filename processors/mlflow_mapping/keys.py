"""
MLflow's attribute names and span types, and our own few.

Source: mlflow.tracing.constant and mlflow.entities.SpanType; a test keeps them equal.
"""

SPAN_TYPE = "mlflow.spanType"
INPUTS = "mlflow.spanInputs"
OUTPUTS = "mlflow.spanOutputs"
MESSAGE_FORMAT = "mlflow.message.format"
CHAT_TOOLS = "mlflow.chat.tools"
TOKEN_USAGE = "mlflow.chat.tokenUsage"  # noqa: S105 - tokens of a model, no secret
COST = "mlflow.llm.cost"
MODEL = "mlflow.llm.model"
PROVIDER = "mlflow.llm.provider"
SESSION = "session.id"
USER = "user.id"
TAG = "mlflow.traceTag."
TRACE_NAME = "mlflow.traceTag.mlflow.traceName"

ROLLUP = "spangate.rollup"
"""``true`` on a span whose usage repeats that of the spans below it: it must not be priced."""

UNCHANGED = "spangate.original."
"""Prefix under which a value is kept that MLflow would choke on."""

UNKNOWN = "UNKNOWN"

SPAN_TYPES = frozenset({
    "LLM", "CHAIN", "AGENT", "TOOL", "CHAT_MODEL", "RETRIEVER", "PARSER", "EMBEDDING", "RERANKER",
    "MEMORY", "UNKNOWN", "WORKFLOW", "TASK", "GUARDRAIL", "EVALUATOR",
})  # fmt: skip
"""The types that MLflow knows; it takes any other text too."""

CUSTOM_TYPES = frozenset({"CLASSIFIER"})
"""Types that only we write."""

OWN = frozenset({MODEL, PROVIDER, MESSAGE_FORMAT})
"""What MLflow's own SDK writes with JSON quotes around it."""

MODEL_CALLS = frozenset({"LLM", "CHAT_MODEL"})
"""Types whose inputs and outputs are a conversation."""

CALLING_TYPES = MODEL_CALLS | {"EMBEDDING", "RERANKER"}
"""Types whose tokens are their own."""

ROLLUP_TYPES = frozenset({"AGENT", "CHAIN", "WORKFLOW", "TASK", "TOOL", "RETRIEVER", "UNKNOWN"})
"""Types that call no model themselves: usage on them repeats that of spans below."""
