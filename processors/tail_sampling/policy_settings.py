"""Settings of the policies: a name, a type, and a block named after the type."""

import difflib
from typing import Annotated, Any, Literal

import msgspec

from gateway.plugin import Config
from processors.conditions import ErrorMode, compile_all
from processors.patterns import Pattern
from processors.tail_sampling.model_settings import (
    CostConfig,
    EvaluationConfig,
    GuardrailConfig,
    HasLlmSpanConfig,
    ModelConfig,
    TokensConfig,
    ToolErrorConfig,
    check_range,
)

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Percentage = Annotated[float, msgspec.Meta(ge=0, le=100)]


class LatencyConfig(Config):
    """From the start of the first span to the end of the last one."""

    threshold_ms: Count = 0
    """Matches from this on."""

    upper_threshold_ms: Count = 0
    """Matches up to this, and above ``threshold_ms``; 0 for no end."""


class NumericAttributeConfig(Config):
    """A number among the attributes of any span or resource."""

    key: str
    """Name of the attribute."""

    min_value: float | None = None
    """Matches from this on."""

    max_value: float | None = None
    """Matches up to this."""

    invert_match: bool = False
    """Match where no span or resource does."""

    def validate(self) -> None:
        """Check that there is a range."""
        check_range(self.min_value, self.max_value, "min_value", "max_value")


class StringAttributeConfig(Config):
    """A text among the attributes of any span or resource."""

    key: str
    """Name of the attribute."""

    values: tuple[str, ...]
    """What it may be; any of them matches."""

    enabled_regex_matching: bool = False
    """Take ``values`` for regular expressions (RE2), found anywhere in the text."""

    cache_max_size: Count = 0
    """How many texts and their results are remembered, where expressions are costly; 0 for 128."""

    invert_match: bool = False
    """Match where no span or resource does."""

    def validate(self) -> None:
        """Check that there are values, and that they are expressions where they should be."""
        if not self.values:
            raise ValueError("values: expected at least one")
        mistakes: list[str] = []
        for at, value in enumerate(self.values if self.enabled_regex_matching else ()):
            try:
                Pattern(value)
            except ValueError as error:
                mistakes.append(f"values[{at}]: {error}")
        if mistakes:
            raise ValueError(*mistakes)


class BooleanAttributeConfig(Config):
    """A truth value among the attributes of any span or resource."""

    key: str
    """Name of the attribute."""

    value: bool = True
    """What it must be."""

    invert_match: bool = False
    """Match where no span or resource does."""


class StatusCodeConfig(Config):
    """The status of any span."""

    status_codes: tuple[Literal["OK", "ERROR", "UNSET"], ...]
    """Any of them matches."""

    def validate(self) -> None:
        """Check that there is one."""
        if not self.status_codes:
            raise ValueError("status_codes: expected at least one of OK, ERROR, UNSET")


class ProbabilisticConfig(Config):
    """A share of the traces, chosen by trace id."""

    sampling_percentage: Percentage
    """Which share, of the traces that come."""

    hash_salt: str = ""
    """Unset, the choice is that of ``probabilistic_sampler`` and of the OpenTelemetry
    specification, and kept spans say so (``ot=th``). Set, it is the Collector's hash of salt and
    trace id, which is independent of what others have sampled before."""


class RateLimitingConfig(Config):
    """As many traces as fit."""

    spans_per_second: Positive
    """Spans kept in a second at the most; a larger trace never fits."""

    burst_capacity: Count = 0
    """Spans kept at once at the most, where the rate need only hold on average; a larger trace
    never fits. 0 for no more than ``spans_per_second`` in any second."""


class BytesLimitingConfig(Config):
    """As many traces as fit."""

    bytes_per_second: Positive
    """Bytes kept in a second, on average."""

    burst_capacity: Count = 0
    """Bytes kept at once at the most; a larger trace never fits. 0 for ``bytes_per_second``
    twice."""


class SpanCountConfig(Config):
    """The number of spans."""

    min_spans: Count = 0
    """Matches from this on."""

    max_spans: Count = 0
    """Matches up to this; 0 for no end."""


class TraceStateConfig(Config):
    """A member of the trace state of any span."""

    key: str
    """Name of the member."""

    values: tuple[str, ...]
    """What it may be; any of them matches."""

    def validate(self) -> None:
        """Check that there are values."""
        if not self.values:
            raise ValueError("values: expected at least one")


class ConditionConfig(Config):
    """Conditions in the Common Expression Language, the counterpart of ``ottl_condition``."""

    error_mode: ErrorMode = "ignore"
    """What happens where a condition cannot be evaluated: ``ignore`` logs and takes it for not met,
    ``silent`` does so without the log, ``propagate`` counts as a failure of the processor."""

    span: tuple[str, ...] = ()
    """Conditions on spans; one met by one span is enough."""

    spanevent: tuple[str, ...] = ()
    """Conditions on the events of spans; one met by one event is enough."""

    def validate(self) -> None:
        """Check that there are conditions, and that they can be asked."""
        if not (self.span or self.spanevent):
            raise ValueError(
                """span: expected at least one condition, as in ['span.duration_ms > 500.0']"""
            )
        mistakes: tuple[str, ...] = ()
        for level in ("span", "spanevent"):
            try:
                compile_all(level, getattr(self, level), level)
            except ValueError as error:
                mistakes += error.args
        if mistakes:
            raise ValueError(*mistakes)


class AndConfig(Config):
    """All of several policies."""

    and_sub_policy: tuple["PolicyConfig", ...]
    """What must all match."""

    def validate(self) -> None:
        """Check what may stand inside."""
        _check_inside("and_sub_policy", self.and_sub_policy)


class NotConfig(Config):
    """The opposite of a policy."""

    not_sub_policy: "PolicyConfig"
    """What must not match."""

    def validate(self) -> None:
        """Check what may stand inside."""
        if self.not_sub_policy.type == "drop":
            raise ValueError("not_sub_policy.type: a drop policy stands by itself only")


class DropConfig(Config):
    """All of several policies; what they match is dropped, whatever else matches."""

    drop_sub_policy: tuple["PolicyConfig", ...]
    """What must all match."""

    def validate(self) -> None:
        """Check what may stand inside."""
        _check_inside("drop_sub_policy", self.drop_sub_policy)


class RateAllocationConfig(Config):
    """A policy's part of the spans of a ``composite``."""

    policy: str
    """Name of the policy."""

    percent: Percentage
    """Its part of ``max_total_spans_per_second``."""


class CompositeConfig(Config):
    """Several policies that share a rate; the first that matches decides, if its part is left."""

    max_total_spans_per_second: Positive
    """Spans kept in a second at the most."""

    composite_sub_policy: tuple["PolicyConfig", ...]
    """The policies."""

    policy_order: tuple[str, ...] = ()
    """Their names in the order they are asked; as they stand where unset."""

    rate_allocation: tuple[RateAllocationConfig, ...] = ()
    """Who gets which part; policies that are not named share what is left equally."""

    def validate(self) -> None:
        """Check that names lead somewhere and that parts are no more than all."""
        _check_inside("composite_sub_policy", self.composite_sub_policy)
        known = [policy.name for policy in self.composite_sub_policy]
        mistakes = [
            f'{where}: "{name}" is none of composite_sub_policy: {", ".join(known)}'
            for where, name in [
                *((f"policy_order[{at}]", name) for at, name in enumerate(self.policy_order)),
                *(
                    (f"rate_allocation[{at}].policy", one.policy)
                    for at, one in enumerate(self.rate_allocation)
                ),
            ]
            if name not in known
        ]
        total = sum(one.percent for one in self.rate_allocation)
        if total > 100:
            mistakes.append(f"rate_allocation: the parts are {total:g} percent together, not 100")
        if mistakes:
            raise ValueError(*mistakes)


class PolicyConfig(Config):
    """A policy: its name, its type, and the block of that type."""

    name: str
    """Names it in metrics."""

    type: str
    """What kind it is: the name of one of the blocks below, or ``always_sample`` or
    ``trace_flags``, which have none."""

    latency: LatencyConfig | None = None
    """Settings of that type."""

    numeric_attribute: NumericAttributeConfig | None = None
    """Settings of that type."""

    string_attribute: StringAttributeConfig | None = None
    """Settings of that type."""

    boolean_attribute: BooleanAttributeConfig | None = None
    """Settings of that type."""

    status_code: StatusCodeConfig | None = None
    """Settings of that type."""

    probabilistic: ProbabilisticConfig | None = None
    """Settings of that type."""

    rate_limiting: RateLimitingConfig | None = None
    """Settings of that type."""

    bytes_limiting: BytesLimitingConfig | None = None
    """Settings of that type."""

    span_count: SpanCountConfig | None = None
    """Settings of that type."""

    trace_state: TraceStateConfig | None = None
    """Settings of that type."""

    condition: ConditionConfig | None = None
    """Settings of that type."""

    has_llm_span: HasLlmSpanConfig | None = None
    """Settings of that type; may be left out."""

    cost: CostConfig | None = None
    """Settings of that type."""

    tokens: TokensConfig | None = None
    """Settings of that type."""

    model: ModelConfig | None = None
    """Settings of that type."""

    tool_error: ToolErrorConfig | None = None
    """Settings of that type; may be left out."""

    guardrail: GuardrailConfig | None = None
    """Settings of that type; may be left out."""

    evaluation: EvaluationConfig | None = None
    """Settings of that type."""

    all_of: AndConfig | None = msgspec.field(default=None, name="and")
    """Settings of that type."""

    none_of: NotConfig | None = msgspec.field(default=None, name="not")
    """Settings of that type."""

    drop: DropConfig | None = None
    """Settings of that type."""

    composite: CompositeConfig | None = None
    """Settings of that type."""

    @property
    def block(self) -> Any:
        """The settings of its type; the defaults where they may be left out; else None."""
        found = getattr(self, _FIELDS.get(self.type, self.type), None)
        return _OPTIONAL[self.type]() if found is None and self.type in _OPTIONAL else found

    def validate(self) -> None:
        """Check that type and block belong together."""
        blocks = [name for name, field in _blocks().items() if getattr(self, field) is not None]
        known = [*_blocks(), *_PLAIN]
        if self.type == "ottl_condition":
            raise ValueError(
                "type: there is no OTTL here; write type: condition with conditions in CEL, as in "
                "condition: {span: ['span.duration_ms > 500.0']}"
            )
        if self.type not in known:
            close = difflib.get_close_matches(self.type, known, n=1, cutoff=0.5)
            hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(known)}"
            raise ValueError(f'type: unknown policy type "{self.type}"; {hint}')
        others = [name for name in blocks if name != self.type]
        if others:
            raise ValueError(f"{others[0]}: the policy is of type {self.type}; remove one of both")
        if self.block is None and self.type not in _PLAIN:
            raise ValueError(f'type: a policy of type {self.type} needs the block "{self.type}"')


_PLAIN = ("always_sample", "trace_flags")
_OPTIONAL: dict[str, type[Config]] = {
    "has_llm_span": HasLlmSpanConfig,
    "tool_error": ToolErrorConfig,
    "guardrail": GuardrailConfig,
}
_FIELDS = {"and": "all_of", "not": "none_of"}


def _blocks() -> dict[str, str]:
    """Return the fields of the blocks by policy type."""
    pairs = zip(PolicyConfig.__struct_encode_fields__, PolicyConfig.__struct_fields__, strict=True)
    return {written: field for written, field in pairs if written not in ("name", "type")}


def _check_inside(key: str, policies: tuple[PolicyConfig, ...]) -> None:
    if not policies:
        raise ValueError(f"{key}: expected at least one policy")
    for at, policy in enumerate(policies):
        if policy.type == "drop":
            raise ValueError(f"{key}[{at}].type: a drop policy stands by itself only")
