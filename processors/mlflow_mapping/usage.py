"""Token counters, normalised: whole numbers, input including the cache, total the sum."""

from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.texts import parse

Counters = dict[str, int]

_WRITTEN: Final[dict[str, str]] = {
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
    "cache_write_1h": "cache_creation_input_tokens_above_1hr",
    "reasoning": "reasoning_tokens",
    "audio_input": "audio_input_tokens",
    "audio_output": "audio_output_tokens",
    "image_input": "image_input_tokens",
    "image_output": "image_output_tokens",
}
"""Counters that are written only when something was counted, and MLflow's names for them."""

_NAMES: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "input_tokens", "prompt_tokens", "inputTokens", "promptTokens", "input",
        "prompt_token_count", "promptTokenCount", "inputTokenCount",
    ),
    "output_tokens": (
        "output_tokens", "completion_tokens", "outputTokens", "completionTokens", "output",
        "candidates_token_count", "candidatesTokenCount", "outputTokenCount",
    ),
    "total_tokens": (
        "total_tokens", "totalTokens", "total", "total_token_count", "totalTokenCount", "tokens",
    ),
    "cache_read": (
        "cache_read_input_tokens", "input_cached_tokens", "cacheReadInputTokens", "cached_tokens",
        "cached_content_token_count", "cachedContentTokenCount", "cachedInputTokens",
        "cachedContentTokens", "input_cache_read", "cache_read_tokens", "prompt_cached_tokens",
        "cache_read",
        "prompt_cache_hit_tokens", "input_cache_read_tokens",
    ),
    "cache_write": (
        "cache_creation_input_tokens", "cacheWriteInputTokens", "cache_write_tokens",
        "input_cache_creation", "prompt_cache_creation_tokens", "cache_write_input_tokens",
        "input_cache_write", "cache_creation", "cache_creation_tokens",
    ),
    "cache_write_1h": (
        "ephemeral_1h_input_tokens", "cache_creation_input_tokens_above_1hr",
        "input_cache_creation_1h",
    ),
    "reasoning": (
        "reasoning_tokens", "output_reasoning_tokens", "thoughts_token_count",
        "thoughtsTokenCount", "reasoningTokens", "thoughtsTokens", "completion_reasoning_tokens",
        "output_reasoning",
    ),
    "audio_input": (
        "input_audio_tokens", "prompt_audio_tokens", "audio_input_tokens", "input_audio",
        "audio_prompt_tokens",
    ),
    "audio_output": (
        "output_audio_tokens", "completion_audio_tokens", "audio_output_tokens", "output_audio",
        "audio_candidates_tokens",
    ),
    "image_input": (
        "input_image_tokens", "prompt_image_tokens", "image_input_tokens", "input_image",
        "image_prompt_tokens",
    ),
    "image_output": (
        "output_image_tokens", "completion_image_tokens", "image_output_tokens", "output_image",
        "image_candidates_tokens",
    ),
}  # fmt: skip
"""What vendors call each counter in their usage objects."""

_NESTED: dict[str, dict[str, str]] = {
    "prompt_tokens_details": {"cached_tokens": "cache_read", "audio_tokens": "audio_input",
                              "cache_creation_tokens": "cache_write",
                              "image_tokens": "image_input"},
    "input_tokens_details": {"cached_tokens": "cache_read", "audio_tokens": "audio_input",
                             "image_tokens": "image_input"},
    "completion_tokens_details": {"reasoning_tokens": "reasoning", "audio_tokens": "audio_output",
                                  "image_tokens": "image_output"},
    "output_tokens_details": {"reasoning_tokens": "reasoning", "audio_tokens": "audio_output",
                              "image_tokens": "image_output"},
    "cache_creation": {"ephemeral_1h_input_tokens": "cache_write_1h"},
    "input_token_details": {"cache_read": "cache_read", "cache_creation": "cache_write",
                            "audio": "audio_input"},
    "output_token_details": {"reasoning": "reasoning", "audio": "audio_output"},
    "inputTokenDetails": {"cacheReadTokens": "cache_read", "cacheWriteTokens": "cache_write"},
    "outputTokenDetails": {"reasoningTokens": "reasoning"},
}  # fmt: skip
_BY_MODALITY: Final = {
    "prompt_tokens_details": ("audio_input", "image_input"),
    "promptTokensDetails": ("audio_input", "image_input"),
    "candidates_tokens_details": ("audio_output", "image_output"),
    "candidatesTokensDetails": ("audio_output", "image_output"),
}
"""Gemini's lists of counts by modality, to what their sound and pictures are called here."""
_MOST: Final = 2**53
"""Larger numbers are no counters."""

_ZERO: Final = b"\x18\x00"
"""The number 0 as the value of an attribute."""

_LONGEST: Final = 4000
"""Letters of the longest text that is tried as what Python shows."""

_HOLDERS: Final = ("usage_metadata", "usageMetadata", "usage", "token_usage")


def whole(value: Any) -> int | None:
    """Return a counter as a whole number, or ``None`` where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int):
        return value if 0 <= value < 2**53 else None
    if isinstance(value, float) and value.is_integer():
        return int(value) if 0 <= value < 2**53 else None
    return None


def _count(value: AnyValue) -> int | None:
    kind = value.WhichOneof("value")
    if kind == "int_value":
        return whole(value.int_value)
    if kind == "double_value":
        return whole(value.double_value)
    return whole(value.string_value.strip().strip('"')) if kind == "string_value" else None


def read_usage(reading: Reading) -> Counters:
    """Return the counters that a span's attributes hold, as reported."""
    counters: Counters = {}
    fields = reading.fields
    for concept, places in reading.layout.counters:
        for place in places:
            number: int | None = fields.number(place)
            if number is None or not 0 < number < _MOST:
                is_zero = fields.raw(place) == _ZERO
                number = 0 if is_zero else _count(fields.value(place))
            if number is not None:
                counters[concept] = number
                break
    for hit in reading.get("usage"):
        held = reading.held(hit)
        if isinstance(held, str):
            held = _from_python(held)
        if isinstance(held, dict):
            for concept, number in from_object(held).items():
                if not counters.get(concept):
                    counters.setdefault(concept, number)
    for hit in reading.get("usage_within"):
        held = reading.held(hit)
        inner = held.get("usage") if isinstance(held, dict) else None
        if isinstance(inner, dict):
            return {**from_object(inner), **counters}
    return counters


def _from_python(text: str) -> Any:
    """Return counters that were written as Python shows them, as LiteLLM does."""
    for python, json in (("'", '"'), ("None", "null"), ("True", "true"), ("False", "false")):
        text = text.replace(python, json)
    return parse(text) if len(text) <= _LONGEST else None


def from_object(usage: dict[str, Any]) -> Counters:
    """Return the counters in a vendor's usage object."""
    for holder in _HOLDERS:
        held = usage.get(holder)
        if isinstance(held, dict):
            usage = held
            break
    counters: Counters = {}
    for concept, names in _NAMES.items():
        for name in names:
            number = whole(usage.get(name))
            if number is not None:
                counters[concept] = number
                break
    for holder, nested in _NESTED.items():
        held = usage.get(holder)
        if isinstance(held, dict):
            for name, concept in nested.items():
                number = whole(held.get(name))
                if number is not None:
                    counters.setdefault(concept, number)
    for holder, (audio, image) in _BY_MODALITY.items():
        held = usage.get(holder)
        for one in held if isinstance(held, list) else ():
            modality = str(one.get("modality")).rpartition(".")[2] if isinstance(one, dict) else ""
            meant = {"AUDIO": audio, "IMAGE": image}.get(modality.upper())
            number = whole(one.get("token_count", one.get("tokenCount"))) if meant else None
            if meant and number is not None:
                counters.setdefault(meant, number)
    return counters


def normalise(counters: Counters, *, exclusive: bool) -> Counters | None:
    """
    Return usage as MLflow adds it up, or ``None`` where nothing was counted.

    ``exclusive`` says that the dialect counts input without the cache. Without it the numbers
    themselves may show it: input smaller than what came from the cache, or a total that is
    right only with the cache added.
    """
    taken = counters.get("input_tokens")
    given = counters.get("output_tokens")
    total = counters.get("total_tokens")
    usual = (taken is not None) + (given is not None) + (total is not None)
    if not usual:
        return None
    if taken is None:
        taken = max((total or 0) - (given or 0), 0)
    if given is None:
        given = max((total or 0) - taken, 0)
    if len(counters) == usual:
        return _usage(taken, given, total)
    cached = counters.get("cache_read", 0) + counters.get("cache_write", 0)
    if cached and (exclusive or taken < cached or total == taken + given + cached):
        taken += cached
    thoughts = counters.get("reasoning", 0)
    if thoughts and total == taken + given + thoughts:  # Gemini counts thoughts apart
        given += thoughts
    usage = _usage(taken, given, total)
    if len(counters) == usual + 1 and "cache_read" in counters:  # nearly always
        if read := counters["cache_read"]:
            usage["cache_read_input_tokens"] = read
        return usage
    for concept, name in _WRITTEN.items():
        if concept in counters and (number := counters[concept]):
            usage[name] = number
    return usage


def _usage(taken: int, given: int, total: int | None) -> Counters:
    return {
        "input_tokens": taken,
        "output_tokens": given,
        "total_tokens": max(total or 0, taken + given),
    }
