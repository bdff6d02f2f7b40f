"""Find type, duration, tokens and cost of a span, in whatever dialect it speaks."""

from collections.abc import Iterable

from gateway.plugin import Attributes

_TYPES = (
    "mlflow.spanType",
    "openinference.span.kind",
    "gen_ai.operation.name",
    "traceloop.span.kind",
    "langfuse.observation.type",
    "langsmith.span.kind",
)
_INPUT_TOKENS = ("gen_ai.usage.input_tokens", "llm.token_count.prompt", "ai.usage.inputTokens")
_OUTPUT_TOKENS = (
    "gen_ai.usage.output_tokens",
    "llm.token_count.completion",
    "ai.usage.outputTokens",
)
_COSTS = ("operation.cost", "llm.cost.total", "gen_ai.usage.cost")


def span_type(attributes: Attributes) -> str:
    """Return what kind of step a span is, such as ``LLM``; ``""`` where it does not say."""
    for key in _TYPES:
        text = attributes.text(key)
        if text:
            return text.strip('"').upper()  # MLflow's own SDK writes it as JSON
    return ""


def token_text(attributes: Attributes) -> str:
    """Return tokens in and out, ``""`` where there are none."""
    usage = attributes.json("mlflow.chat.tokenUsage")
    if isinstance(usage, dict):
        used, made = usage.get("input_tokens"), usage.get("output_tokens")
    else:
        used, made = _first(attributes, _INPUT_TOKENS), _first(attributes, _OUTPUT_TOKENS)
    if used is None and made is None:
        return ""
    return f"{used or 0} → {made or 0} tokens"


def cost_text(attributes: Attributes) -> str:
    """Return the cost in dollars, ``""`` where it is not known."""
    cost = attributes.json("mlflow.llm.cost")
    total = cost.get("total_cost") if isinstance(cost, dict) else _first(attributes, _COSTS)
    return f"${total:.6f}".rstrip("0").rstrip(".") if isinstance(total, int | float) else ""


def _first(attributes: Attributes, keys: Iterable[str]) -> object:
    return next((attributes[key] for key in keys if key in attributes), None)


def duration_text(start_ns: int, end_ns: int) -> str:
    """Return the time between two points, ``""`` where that makes no sense."""
    if end_ns < start_ns or not start_ns:
        return ""
    nanoseconds = end_ns - start_ns
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000)):
        if nanoseconds >= size:
            return (
                f"{nanoseconds / size:.3g} {unit}"
                if nanoseconds < 1000 * size
                else (f"{nanoseconds / size:.0f} {unit}")
            )
    return f"{nanoseconds} ns"
