"""
Read the calls of models from spans: which model, who ran it, how many tokens.

``mlflow_mapping`` has written what is needed in MLflow's words. Without it every dialect that it
knows is read as it is.
"""

from typing import Any, Final

import msgspec

from gateway.plugin import Span
from processors.cost.rates import NOTHING_SPECIAL, Usage, checked
from processors.cost.told import (
    BATCH_FLAGS,
    CUT_OFF,
    NO_TYPE,
    OUTPUTS,
    SPAN_TYPE,
    STANDARD_TIERS,
    TOKEN_USAGE,
    TYPES,
    WRAPPER,
    Layout,
    Told,
)
from processors.mlflow_mapping import dialects
from processors.mlflow_mapping.model_calls import ModelCallReader

_MOST: Final = 2**53
"""Larger numbers are no counters."""
_FINISH: Final = b'"finish_reason":"'
_TAIL: Final = 6
"""Last attributes among which mapping's type is looked for before all are."""


class ModelCall:
    """A span that calls a model, and how many tokens that took."""

    __slots__ = (
        "cached", "entry", "given", "is_counted", "is_cut_off", "kind", "layout", "model",
        "provider", "span", "special", "taken", "tier",
    )  # fmt: skip

    def __init__(self, told: Told, kind: str, model: str, provider: str) -> None:
        self.span = told.span
        self.layout = told.layout
        self.kind = kind
        """``chat``, ``embedding`` or ``reranker``."""
        self.is_counted = False
        """Whether it says anything of tokens, as failed ones do not."""
        self.taken = 0
        self.given = 0
        self.cached = 0
        """Input tokens, output tokens, and those of the input that were read from the cache."""
        self.special: Usage | None = None
        """All tokens, where there is more to tell of them."""
        self.model = model
        self.provider = provider
        self.tier = _tier(told)
        self.is_cut_off = _is_cut_off(told)
        """Whether the answer reached the limit of tokens."""
        self.entry = self.model
        """What it is priced by; calls with the same one are of the same model."""

    def count(self, taken: int, given: int, cached: int) -> None:
        """Note usual tokens."""
        self.is_counted = True
        self.taken, self.given, self.cached = taken, given, cached

    def count_all(self, usage: Usage) -> None:
        """Note tokens of whatever kinds."""
        self.count(usage.input, usage.output, usage.cache_read)
        if usage[3:] != NOTHING_SPECIAL or usage.cache_read > usage.input:
            self.special = usage


def written_type(span: Span) -> str:
    """Return the span type where mapping has just written it, among the last attributes."""
    told = span.told.get(SPAN_TYPE)
    if type(told) is str:
        return told
    fields = span.peek.attributes
    for at in range(1, min(len(fields), _TAIL) + 1):
        field = fields[-at]
        if field.key == SPAN_TYPE:
            text: str = field.value.string_value
            return text
    return ""


def read_call(span: Span, layout: Layout) -> ModelCall | None:
    """Return the call that a span is, or ``None`` where it is none or sums up others."""
    told = Told(span, layout)
    if layout.is_rollup or _is_wrapper(told):
        return None
    written = told.text(SPAN_TYPE)
    if written is None or TOKEN_USAGE not in told.at:
        return _from_dialects(told)
    kind = TYPES.get(written) or TYPES.get(written.strip('"').upper())
    if kind is None:
        return None
    call = ModelCall(told, kind, told.first(layout.models), told.first(layout.providers))
    if not _count_usual(call, told.utf8(TOKEN_USAGE)):
        _count(call, _written_usage(told))
    return call


def _from_dialects(told: Told) -> ModelCall | None:
    """Read a call as ``mlflow_mapping`` would, where it has not."""
    found = _reader.read(told.span)
    if found is None:
        return None
    call = ModelCall(told, TYPES[found.type], found.model, found.provider)
    if found.usage is not None:
        _count(call, _Written(**found.usage))
    return call


def is_transparent(span: Span) -> bool:
    """Whether a span says nothing of what it is, so that it cannot part a call from its copy."""
    written = span.attributes.text(SPAN_TYPE)
    return written is None or written.strip('"') == NO_TYPE


def _is_wrapper(told: Told) -> bool:
    """Whether a span is one of Vercel's calls around the call itself."""
    operation = told.text(WRAPPER)
    return operation is not None and ".do" not in operation


class _Written(msgspec.Struct):
    """Token usage as mapping writes it, in the order of :class:`Usage`, and the total."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_creation_input_tokens_above_1hr: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    total_tokens: int = 0


_astuple: Final = msgspec.structs.astuple
_decode_usage: Final = msgspec.json.Decoder(_Written).decode
_decode: Final = msgspec.json.Decoder().decode


_reader: Final = ModelCallReader(dialects.ALL)


def _count_usual(call: ModelCall, written: bytes) -> bool:
    """Count tokens with nothing special, as nearly all are; whether these are."""
    try:
        held = _decode(written)
    except msgspec.DecodeError:
        return False
    if not isinstance(held, dict):
        return False
    taken, given = held.get("input_tokens"), held.get("output_tokens")
    cached = held.get("cache_read_input_tokens", 0)
    known = 2 + ("total_tokens" in held) + ("cache_read_input_tokens" in held)
    if len(held) != known:
        return False
    if type(taken) is not int or type(given) is not int or type(cached) is not int:
        return False
    if not (0 < taken < _MOST and 0 <= given < _MOST and 0 <= cached <= taken):
        return False
    call.count(taken, given, cached)
    return True


def _written_usage(told: Told) -> _Written:
    try:
        return _decode_usage(told.utf8(TOKEN_USAGE))
    except msgspec.DecodeError:
        return _lenient(told)


def _lenient(told: Told) -> _Written:
    """Read usage that others wrote: an object, or numbers as text."""
    held = told.span.attributes.json(TOKEN_USAGE) or told.value(TOKEN_USAGE)
    if not isinstance(held, dict):
        return _Written()
    return _Written(**{name: _whole(held.get(name)) for name in _Written.__struct_fields__})


def _count(call: ModelCall, written: _Written) -> None:
    """Count tokens so that they fit together, if there are any."""
    counters: tuple[int, ...] = _astuple(written)
    taken, given, read, write, write_1h, thoughts, heard, sound, seen, drawn, total = counters
    if total > 0 and not taken and not given:
        taken = total
    counted = (taken, given, read, write, write_1h, thoughts, heard, sound, seen, drawn)
    if min(counted) < 0 or not any(counted):
        return
    if thoughts and total == taken + given + thoughts:
        given += thoughts  # Gemini counts them apart
    call.count_all(
        checked(Usage(taken, given, read, write, write_1h, thoughts, heard, sound, seen, drawn))
    )


def _whole(value: Any) -> int:
    """Return a counter; 0 where it is none."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, int | float) and 0 <= value < _MOST:
        return int(value)
    return 0


def _tier(told: Told) -> str:
    layout = told.layout
    if layout.tiers and (tier := told.first(layout.tiers)):
        return _named_tier(tier)
    if layout.may_be_batch and any(
        key in told.at and told.value(key) in (True, "true") for key in BATCH_FLAGS
    ):
        return "batch"
    for key in layout.parameters:
        if tier := _parameter(told, key):
            return tier
    return ""


def _is_cut_off(told: Told) -> bool:
    for key in told.layout.finish:
        is_ours = key == OUTPUTS
        reason = _reason_in(told.utf8(key)) if is_ours else _written_reason(told, key)
        if reason:
            return reason in CUT_OFF
    return False


_reasons: Final[dict[bytes, str]] = {}
"""Reasons by how they are encoded: there are few, and most stand in lists."""
_REASONS: Final = 256
_LONGEST_REASON: Final = 64


def _written_reason(told: Told, key: str) -> str:
    """Return the reason that an attribute names; empty where there is none."""
    raw = told.raw(key)
    known = None if raw is None else _reasons.get(raw)
    if known is None:
        known = _plain_reason(told.text(key) or str(told.value(key)))
        if raw is not None and len(raw) <= _LONGEST_REASON:
            if len(_reasons) >= _REASONS:
                _reasons.clear()
            _reasons[raw] = known
    return known


def _plain_reason(text: str) -> str:
    return text.strip("[]'\"()").lower() or text


def _reason_in(outputs: bytes) -> str:
    """Return the last reason that choices name; empty where there is none."""
    start = outputs.rfind(_FINISH)
    if start < 0:
        return ""
    start += len(_FINISH)
    return _plain_reason(outputs[start : outputs.find(b'"', start)].decode(errors="replace"))


def _parameter(told: Told, key: str) -> str:
    """Return the service tier among a call's parameters."""
    if told.utf8(key).find(b'"service_tier"') < 0:
        return ""
    parameters = told.span.attributes.json(key)
    tier = parameters.get("service_tier") if isinstance(parameters, dict) else None
    return _named_tier(tier) if isinstance(tier, str) else ""


def _named_tier(text: str) -> str:
    tier = text.strip('"').lower()
    return "" if tier in STANDARD_TIERS or len(tier) > 40 else tier
