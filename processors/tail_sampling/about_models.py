"""Policies about calls of models: what they were, used, cost, and how tools around them fared."""

from fnmatch import fnmatchcase

from processors.tail_sampling.model_settings import (
    CostConfig,
    HasLlmSpanConfig,
    ModelConfig,
    TokensConfig,
    ToolErrorConfig,
)
from processors.tail_sampling.terms import (
    MODEL,
    as_mapping,
    cost_of,
    outputs_of,
    text_of,
    tokens_of,
    type_of,
)
from processors.tail_sampling.view import Policy, View

_MODEL_KEYS = (MODEL, "gen_ai.request.model", "gen_ai.response.model")
_TOOL_NAMES = ("gen_ai.tool.name", "tool.name")


class HasLlmSpan(Policy):
    """Match where there is a span of one of some types."""

    def __init__(self, config: HasLlmSpanConfig) -> None:
        self._types = {name.upper() for name in config.span_types}

    def matches(self, view: View) -> bool:
        """Return whether there is one."""
        return any(type_of(span) in self._types for span in view.in_terms.spans)


class InRange:
    """Whether a number lies between two others, where they are given."""

    def __init__(self, low: float | None, high: float | None) -> None:
        self._low = float("-inf") if low is None else low
        self._high = float("inf") if high is None else high

    def __call__(self, value: float | None) -> bool:
        """Return whether it does; what is unknown does not."""
        return value is not None and self._low <= value <= self._high


class TotalCost(Policy):
    """Match by what the calls of models cost together."""

    def __init__(self, config: CostConfig) -> None:
        self._fits = InRange(config.min_usd, config.max_usd)

    def matches(self, view: View) -> bool:
        """Return whether they cost as much."""
        return self._fits(cost_of(view.priced))


class Tokens(Policy):
    """Match by how many tokens the calls of models used together."""

    def __init__(self, config: TokensConfig) -> None:
        self._fits = InRange(config.min_tokens, config.max_tokens)
        self._counter = f"{config.direction}_tokens"

    def matches(self, view: View) -> bool:
        """Return whether they used as many."""
        return self._fits(tokens_of(view.in_terms, self._counter))


class Model(Policy):
    """Match where one of some models was called."""

    def __init__(self, config: ModelConfig) -> None:
        self._globs = [glob.lower() for glob in config.models]

    def matches(self, view: View) -> bool:
        """Return whether one was."""
        names = {text_of(span, key).lower() for span in view.in_terms.spans for key in _MODEL_KEYS}
        return any_fits(names - {""}, self._globs)


class ToolError(Policy):
    """Match where a call of a tool failed."""

    def __init__(self, config: ToolErrorConfig) -> None:
        self._globs = config.tools or ("*",)

    def matches(self, view: View) -> bool:
        """Return whether one did: by its status, its error type, an exception, or its result."""
        for span in view.in_terms.spans:
            if type_of(span) != "TOOL":
                continue
            failed = (
                span.is_error
                or "error.type" in span.attributes
                or any(event.name == "exception" for event in span.peek.events)
                or any(as_mapping(one).get("isError") is True for one in outputs_of(span))
            )
            names = {span.name, *(text_of(span, key) for key in _TOOL_NAMES)}
            if failed and any_fits(names, self._globs):
                return True
        return False


def any_fits(names: set[str], globs: list[str] | tuple[str, ...]) -> bool:
    """Return whether any of the names is like any of the globs."""
    return any(fnmatchcase(name, glob) for name in names for glob in globs)
