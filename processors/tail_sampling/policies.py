"""Make policies of their settings."""

from collections.abc import Callable

from processors.conditions import Teller
from processors.tail_sampling import about_models, basic, by_attribute, joined, shares, verdicts
from processors.tail_sampling.policy_settings import PolicyConfig, ProbabilisticConfig
from processors.tail_sampling.view import Policy

_MAKERS: dict[str, Callable[..., Policy]] = {
    "latency": basic.Latency,
    "status_code": basic.StatusCode,
    "span_count": basic.SpanCount,
    "trace_state": basic.TraceState,
    "numeric_attribute": by_attribute.NumericAttribute,
    "string_attribute": by_attribute.StringAttribute,
    "boolean_attribute": by_attribute.BooleanAttribute,
    "rate_limiting": shares.RateLimiting,
    "bytes_limiting": shares.BytesLimiting,
    "has_llm_span": about_models.HasLlmSpan,
    "cost": about_models.TotalCost,
    "tokens": about_models.Tokens,
    "model": about_models.Model,
    "tool_error": about_models.ToolError,
    "guardrail": verdicts.Guardrail,
    "evaluation": verdicts.Evaluation,
}


def make(config: PolicyConfig, teller: Callable[[], Teller]) -> Policy:
    """
    Return the policy that settings describe.

    Args:
        config: its settings.
        teller: returns what says which conditions could not be evaluated.

    """

    def inside(policies: tuple[PolicyConfig, ...]) -> list[Policy]:
        return [make(one, teller) for one in policies]

    block = config.block
    match config.type:
        case "always_sample":
            return basic.Always()
        case "trace_flags":
            return basic.TraceFlags()
        case "probabilistic":
            return _probabilistic(block)
        case "condition":
            return by_attribute.ConditionMet(block, teller)
        case "and":
            return joined.And(inside(block.and_sub_policy))
        case "not":
            return joined.Not(make(block.not_sub_policy, teller))
        case "drop":
            return joined.And(inside(block.drop_sub_policy), drops=True)
        case "composite":
            return joined.Composite(block, inside(block.composite_sub_policy))
    return _MAKERS[config.type](block)


def _probabilistic(config: ProbabilisticConfig) -> Policy:
    return shares.Salted(config) if config.hash_salt else shares.Probabilistic(config)
