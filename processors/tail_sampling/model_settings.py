"""Settings of the policies about calls of models, guardrails and evaluations."""

from typing import Annotated, Literal

import msgspec

from gateway.plugin import Config

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]


class HasLlmSpanConfig(Config):
    """A call of a model."""

    span_types: tuple[str, ...] = ("LLM", "CHAT_MODEL")
    """Types of spans, as MLflow names them; one of any is enough."""


class CostConfig(Config):
    """US dollars of all calls of models together; a trace whose cost is unknown does not match."""

    min_usd: Amount | None = None
    """Matches from this on."""

    max_usd: Amount | None = None
    """Matches up to this."""

    def validate(self) -> None:
        """Check that there is a range."""
        check_range(self.min_usd, self.max_usd, "min_usd", "max_usd")


class TokensConfig(Config):
    """Tokens of all calls of models together; a trace without any does not match."""

    min_tokens: Count | None = None
    """Matches from this on."""

    max_tokens: Count | None = None
    """Matches up to this."""

    direction: Literal["total", "input", "output"] = "total"
    """Which ones are counted; input includes what was cached."""

    def validate(self) -> None:
        """Check that there is a range."""
        check_range(self.min_tokens, self.max_tokens, "min_tokens", "max_tokens")


class ModelConfig(Config):
    """The model of any call."""

    models: tuple[str, ...]
    """Names of models, in which ``*`` and ``?`` stand for anything; case does not matter."""

    def validate(self) -> None:
        """Check that there is one."""
        if not self.models:
            raise ValueError('models: expected at least one, as in ["gpt-4*"]')


class ToolErrorConfig(Config):
    """A call of a tool that failed."""

    tools: tuple[str, ...] = ()
    """Names of tools or their spans, in which ``*`` and ``?`` stand for anything; none for all."""


class GuardrailConfig(Config):
    """A guardrail that stepped in, or an answer that the provider's filter cut off."""

    names: tuple[str, ...] = ()
    """Names of the guardrails' spans, in which ``*`` and ``?`` stand for anything; none for all."""


class EvaluationConfig(Config):
    """The score of an evaluation."""

    name: str = "*"
    """Name of the evaluation, in which ``*`` and ``?`` stand for anything."""

    min_score: float | None = None
    """Matches from this on."""

    max_score: float | None = None
    """Matches up to this."""

    labels: tuple[str, ...] = ()
    """Matches any of these labels, whatever the score."""

    def validate(self) -> None:
        """Check that there is something to match."""
        if not self.labels:
            check_range(self.min_score, self.max_score, "min_score", "max_score")


def check_range(low: float | None, high: float | None, low_key: str, high_key: str) -> None:
    """Refuse a range without an end, or whose ends are the wrong way round."""
    if low is None and high is None:
        raise ValueError(f"{low_key}: expected {low_key}, {high_key} or both")
    if low is not None and high is not None and low > high:
        raise ValueError(f"{low_key}: {low:g} is above {high_key}, {high:g}")
