"""Token counters from any vendor, as MLflow adds them up."""

import json

import pytest

from processors.mlflow_mapping.usage import from_object, normalise
from tests.processors.mlflow_mapping.conftest import Map


@pytest.mark.parametrize(
    ("counters", "expected"),
    [
        ({"input_tokens": 10, "output_tokens": 4}, (10, 4, 14)),
        ({"total_tokens": 8}, (8, 0, 8)),
        ({"total_tokens": 14, "output_tokens": 4}, (10, 4, 14)),
        ({"input_tokens": 10}, (10, 0, 10)),
        ({"input_tokens": 150, "output_tokens": 90, "cache_read": 2000, "cache_write": 300},
         (2450, 90, 2540)),
        ({"input_tokens": 2450, "output_tokens": 90, "cache_read": 2000}, (2450, 90, 2540)),
        ({"input_tokens": 10, "output_tokens": 4, "cache_read": 5, "total_tokens": 19},
         (15, 4, 19)),
        ({"input_tokens": 10, "output_tokens": 4, "reasoning": 6, "total_tokens": 20},
         (10, 10, 20)),
        ({"input_tokens": 10, "output_tokens": 4, "reasoning": 3, "total_tokens": 14},
         (10, 4, 14)),
    ],
    ids=["both", "total alone", "no input", "no output", "cache apart", "cache within",
         "cache apart by the total", "thoughts apart", "thoughts within"],
)  # fmt: skip
def test_input_includes_the_cache_and_output_the_reasoning(
    counters: dict[str, int], expected: tuple[int, int, int]
) -> None:
    """Whatever the vendor counts apart is added, as far as the numbers show it."""
    usage = normalise(counters, exclusive=False)

    assert usage is not None
    assert expected == (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"])


def test_nothing_counted_is_nothing_written() -> None:
    """A cache counter alone is no usage."""
    assert normalise({"cache_read": 5}, exclusive=False) is None


OBJECTS = {
    "openai": (
        {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14,
         "prompt_tokens_details": {"cached_tokens": 6, "audio_tokens": 1},
         "completion_tokens_details": {"reasoning_tokens": 2}},
        {"input_tokens": 10, "output_tokens": 4, "total_tokens": 14, "cache_read": 6,
         "audio_input": 1, "reasoning": 2},
    ),
    "anthropic": (
        {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3,
         "cache_creation_input_tokens": 4, "cache_creation": {"ephemeral_1h_input_tokens": 5}},
        {"input_tokens": 1, "output_tokens": 2, "cache_read": 3, "cache_write": 4,
         "cache_write_1h": 5},
    ),
    "gemini": (
        {"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2,
                           "totalTokenCount": 6, "thoughtsTokenCount": 3}},
        {"input_tokens": 1, "output_tokens": 2, "total_tokens": 6, "reasoning": 3},
    ),
    "bedrock": (
        {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "cacheReadInputTokens": 4},
        {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cache_read": 4},
    ),
    "langchain": (
        {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3,
         "input_token_details": {"cache_read": 1}, "output_token_details": {"reasoning": 1}},
        {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cache_read": 1,
         "reasoning": 1},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("usage", "expected"), OBJECTS.values(), ids=OBJECTS.keys())
def test_reads_the_usage_object_of(usage: dict[str, object], expected: dict[str, int]) -> None:
    """Each vendor's names are known."""
    assert expected == from_object(usage)


@pytest.mark.parametrize("value", [-1, 1.5, "many", True, 2**60, [1]])
def test_what_is_no_counter_is_passed_over(mapped: Map, value: object) -> None:
    """MLflow fails on tokens that are no whole numbers."""
    out = mapped({"gen_ai.usage.input_tokens": value, "gen_ai.usage.output_tokens": 4})

    assert {"input_tokens": 0, "output_tokens": 4, "total_tokens": 4} == out[
        "mlflow.chat.tokenUsage"
    ]


@pytest.mark.parametrize("kind", ["AGENT", "CHAIN", "TOOL", "RETRIEVER", "workflow", "task"])
def test_usage_that_repeats_others_is_marked(mapped: Map, kind: str) -> None:
    """Types that call no model keep their tokens, but neither we nor MLflow price them."""
    out = mapped(
        {
            "openinference.span.kind": kind,
            "llm.token_count.prompt": 10,
            "llm.token_count.completion": 4,
            "llm.model_name": "gpt-4o",
        }
    )

    assert out["spangate.rollup"] is True
    assert 10 == out["mlflow.chat.tokenUsage"]["input_tokens"]
    assert "" == out["mlflow.llm.model"]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {"input_tokens": 9, "output_tokens": 5, "input_tokens_details": {"image_tokens": 8}},
            {"image_input_tokens": 8},
        ),
        (
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 5,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 7}],
                "candidatesTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 1},
                    {"modality": "MediaModality.IMAGE", "tokenCount": 4},
                ],
            },
            {"audio_input_tokens": 7, "image_output_tokens": 4},
        ),
    ],
)
def test_tokens_of_pictures_and_sound_are_kept(
    mapped: Map, usage: dict[str, object], expected: dict[str, int]
) -> None:
    """They have prices of their own."""
    out = mapped({"gen_ai.usage.raw": json.dumps(usage)})

    total = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    assert {**total, **expected} == out["mlflow.chat.tokenUsage"]
