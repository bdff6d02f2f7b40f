"""
What calls cost by the vendors' published prices, worked out by hand.

Each case states the tokens of a call and the USD per million that the vendor publishes for each
kind, so that the sum can be checked with pencil and paper.
"""

from typing import Any, NamedTuple

import pytest

from tests.processors.cost.support import cost_of


class Case(NamedTuple):
    """Tokens by kind, and (tokens, published USD per million) for input and for output."""

    provider: str
    model: str
    usage: dict[str, int]
    input: list[tuple[int, float]]
    output: list[tuple[int, float]]
    more: dict[str, Any] = {}  # noqa: RUF012 - never written


def usage(
    taken: int, given: int, read: int = 0, write: int = 0, hour: int = 0, *, thought: int = 0
) -> dict[str, int]:
    """Return token usage as mapping writes it."""
    named = {
        "input_tokens": taken,
        "output_tokens": given,
        "total_tokens": taken + given,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": write,
        "cache_creation_input_tokens_above_1hr": hour,
        "reasoning_tokens": thought,
    }
    return {name: count for name, count in named.items() if count}


def heard(taken: int, given: int, sound_in: int, sound_out: int) -> dict[str, int]:
    """Return the usage of a call with sound."""
    sound = {"audio_input_tokens": sound_in, "audio_output_tokens": sound_out}
    return {**usage(taken, given), **sound}


def seen(taken: int, given: int, drawn_in: int, drawn_out: int, read: int = 0) -> dict[str, int]:
    """Return the usage of a call with pictures."""
    pictures = {"image_input_tokens": drawn_in, "image_output_tokens": drawn_out}
    return {**usage(taken, given, read), **pictures}


FLEX = {"gen_ai.openai.response.service_tier": "flex"}
PRIORITY = {"openai.response.service_tier": "priority"}
BATCH = {"gen_ai.request.batch": True}

OPENAI = [
    Case("openai", "gpt-4o", usage(1000, 500), [(1000, 2.5)], [(500, 10)]),
    Case("openai", "gpt-4o-2024-05-13", usage(1000, 500), [(1000, 5)], [(500, 15)]),
    Case("openai", "gpt-4o", usage(5000, 10, 4096), [(904, 2.5), (4096, 1.25)], [(10, 10)]),
    Case("openai", "gpt-4o-mini-2024-07-18", usage(1200, 80, 1024, thought=32),
         [(176, 0.15), (1024, 0.075)], [(80, 0.6)]),
    Case("openai", "o4-mini", usage(1200, 800, thought=640), [(1200, 1.1)], [(800, 4.4)]),
    Case("openai", "o1-2024-12-17", usage(7, 9000, thought=8000), [(7, 15)], [(9000, 60)]),
    Case("openai", "gpt-4-turbo-2024-04-09", usage(333, 777), [(333, 10)], [(777, 30)]),
    Case("openai", "gpt-3.5-turbo-0125", usage(333, 777), [(333, 0.5)], [(777, 1.5)]),
    Case("openai", "gpt-4.1-nano-2025-04-14", usage(100_000, 1), [(100_000, 0.1)], [(1, 0.4)]),
    Case("openai", "ft:gpt-4o-mini-2024-07-18:acme::abc", usage(1000, 100), [(1000, 0.3)],
         [(100, 1.2)]),
    Case("openai", "text-embedding-3-small", usage(16, 0), [(16, 0.02)], []),
    Case("openai", "gpt-4o", usage(1000, 500), [(1000, 1.25)], [(500, 5)],
         {"openai.request.service_tier": "batch"}),
    Case("openai", "gpt-4o", usage(1000, 500), [(1000, 4.25)], [(500, 17)],
         {"gen_ai.openai.response.service_tier": "priority"}),
]  # fmt: skip
ANTHROPIC = [
    Case("anthropic", "claude-3-5-haiku-20241022", usage(1000, 500), [(1000, 0.8)], [(500, 4)]),
    Case("anthropic", "claude-opus-4-1-20250805", usage(1000, 500), [(1000, 15)], [(500, 75)]),
    Case("anthropic", "claude-sonnet-4-5-20250929", usage(2450, 90, 2000, 300),
         [(150, 3), (2000, 0.3), (300, 3.75)], [(90, 15)]),
    Case("anthropic", "claude-sonnet-4-20250514", usage(2450, 90, 2000, 300, 100),
         [(150, 3), (2000, 0.3), (200, 3.75), (100, 6)], [(90, 15)]),
    Case("anthropic", "claude-sonnet-4-5", usage(200_000, 1000), [(200_000, 3)], [(1000, 15)]),
    Case("anthropic", "claude-sonnet-4-5", usage(200_001, 1000), [(200_001, 6)], [(1000, 22.5)]),
    Case("anthropic", "claude-3-haiku-20240307", usage(9, 9), [(9, 0.25)], [(9, 1.25)]),
    Case("anthropic", "claude-sonnet-4-5", usage(1000, 100), [(1000, 1.5)], [(100, 7.5)],
         {"gen_ai.request.service_tier": "batch"}),
]  # fmt: skip
GOOGLE = [
    Case("gcp.gemini", "gemini-2.5-pro", usage(1000, 500), [(1000, 1.25)], [(500, 10)]),
    Case("gcp.gemini", "gemini-2.5-pro", usage(250_000, 500), [(250_000, 2.5)], [(500, 15)]),
    Case("vertex_ai", "gemini-2.5-flash", usage(1000, 900, thought=800), [(1000, 0.3)],
         [(900, 2.5)]),
    Case("google", "gemini-2.0-flash-001", usage(1000, 500), [(1000, 0.1)], [(500, 0.4)]),
    Case("gcp.vertex_ai", "claude-3-5-sonnet-v2@20241022", usage(1000, 500), [(1000, 3)],
         [(500, 15)]),
    Case("google", "models/gemini-embedding-001", usage(100, 0), [(100, 0.15)], []),
]  # fmt: skip
BEDROCK = [
    Case("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", usage(1000, 500),
         [(1000, 3)], [(500, 15)]),
    Case("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", usage(1000, 500), [(1000, 3)],
         [(500, 15)]),
    Case("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", usage(1000, 500),
         [(1000, 3.3)], [(500, 16.5)]),
    Case("bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", usage(1000, 500),
         [(1000, 3)], [(500, 15)]),
    Case("aws.bedrock", "us.amazon.nova-pro-v1:0", usage(1000, 500, 400), [(600, 0.8), (400, 0.2)],
         [(500, 3.2)]),
    Case("aws.bedrock", "us.meta.llama3-3-70b-instruct-v1:0", usage(1000, 500), [(1000, 0.72)],
         [(500, 0.72)]),
]  # fmt: skip
AZURE = [
    Case("azure.ai.openai", "gpt-4o", usage(1000, 500), [(1000, 2.5)], [(500, 10)]),
    Case("az.ai.openai", "gpt-35-turbo", usage(1000, 500), [(1000, 0.5)], [(500, 1.5)]),
    Case("azure", "azure/gpt-4.1", usage(1000, 500, 100), [(900, 2), (100, 0.5)], [(500, 8)]),
]
OTHERS = [
    Case("mistral_ai", "mistral-large-2411", usage(1000, 500), [(1000, 2)], [(500, 6)]),
    Case("mistral", "codestral-latest", usage(1000, 500), [(1000, 0.3)], [(500, 0.9)]),
    Case("cohere", "command-r-plus-08-2024", usage(1000, 500), [(1000, 2.5)], [(500, 10)]),
    Case("xai", "grok-4", usage(1000, 500, 200), [(800, 3), (200, 0.75)], [(500, 15)]),
    Case("groq", "llama-3.3-70b-versatile", usage(1000, 500), [(1000, 0.59)], [(500, 0.79)]),
    Case("openrouter", "anthropic/claude-sonnet-4", usage(1000, 500), [(1000, 3)], [(500, 15)]),
]
MORE_OPENAI = [
    Case("openai", "gpt-5", usage(1000, 500, 400), [(600, 1.25), (400, 0.125)], [(500, 10)]),
    Case("openai", "gpt-5", usage(1000, 500), [(1000, 0.625)], [(500, 5)], FLEX),
    Case("openai", "gpt-5", usage(1000, 500), [(1000, 2.5)], [(500, 20)], PRIORITY),
    Case("openai", "gpt-5", usage(1000, 500, 400), [(600, 0.625), (400, 0.0625)], [(500, 5)],
         BATCH),
    Case("openai", "gpt-5-mini-2025-08-07", usage(900, 90, thought=64), [(900, 0.25)], [(90, 2)]),
    Case("openai", "gpt-5-nano", usage(1, 1), [(1, 0.05)], [(1, 0.4)]),
    Case("openai", "o3", usage(2000, 1500, 512, thought=1024), [(1488, 2), (512, 0.5)],
         [(1500, 8)]),
    Case("openai", "o3-mini-2025-01-31", usage(10, 20), [(10, 1.1)], [(20, 4.4)]),
    Case("openai", "o1-mini", usage(1000, 500, 500), [(500, 1.1), (500, 0.55)], [(500, 4.4)]),
    Case("openai", "gpt-4", usage(123, 456), [(123, 30)], [(456, 60)]),
    Case("openai", "gpt-4-0613", usage(123, 456), [(123, 30)], [(456, 60)]),
    Case("openai", "gpt-4.1", usage(1000, 500, 1000), [(1000, 0.5)], [(500, 8)]),
    Case("openai", "gpt-4.1-mini-2025-04-14", usage(1000, 500), [(1000, 0.4)], [(500, 1.6)]),
    Case("OpenAI", "GPT-4O-MINI", usage(1000, 500), [(1000, 0.15)], [(500, 0.6)]),
    Case("openai.chat", "gpt-4o-mini", usage(0, 7), [], [(7, 0.6)]),
    Case("openai", "openai/gpt-4o-mini", usage(7, 0), [(7, 0.15)], []),
    Case("", "gpt-4o-2024-11-20", usage(1000, 500), [(1000, 2.5)], [(500, 10)]),
    Case("langchain", "gpt-4o", usage(1000, 500), [(1000, 2.5)], [(500, 10)]),
    Case("openai", "gpt-3.5-turbo-instruct", usage(5, 4), [(5, 1.5)], [(4, 2)]),
    Case("openai", "ft:gpt-3.5-turbo-0125:acme::xyz", usage(1000, 500), [(1000, 3)], [(500, 6)]),
    Case("openai", "ft:gpt-4o-2024-08-06:acme:support:1", usage(1000, 500), [(1000, 3.75)],
         [(500, 15)]),
    Case("openai", "text-embedding-3-large", usage(4096, 0), [(4096, 0.13)], []),
    Case("openai", "text-embedding-ada-002", usage(4096, 0), [(4096, 0.1)], []),
    Case("openai", "gpt-image-1", usage(10, 1056), [(10, 5)], [(1056, 40)]),
    Case("openai", "gpt-image-1", seen(1000, 1056, 900, 0), [(100, 5), (900, 10)], [(1056, 40)]),
    Case("openai", "gpt-image-1.5", seen(1000, 1100, 1000, 1056, 400), [(600, 8), (400, 2)],
         [(44, 10), (1056, 32)]),
    Case("openai", "gpt-4o-realtime-preview", heard(1000, 500, 800, 400), [(200, 5), (800, 40)],
         [(100, 20), (400, 80)]),
]  # fmt: skip
MORE_ANTHROPIC = [
    Case("anthropic", "claude-haiku-4-5", usage(1000, 500), [(1000, 1)], [(500, 5)]),
    Case("anthropic", "claude-haiku-4-5-20251001", usage(5000, 9, 1000, 2000, 500),
         [(2000, 1), (1000, 0.1), (1500, 1.25), (500, 2)], [(9, 5)]),
    Case("anthropic", "claude-haiku-4-5", usage(1000, 500, 500), [(500, 0.5), (500, 0.05)],
         [(500, 2.5)], BATCH),
    Case("anthropic", "claude-opus-4-5-20251101", usage(1000, 500, 0, 1000), [(1000, 6.25)],
         [(500, 25)]),
    Case("anthropic", "claude-opus-4-20250514", usage(1000, 500), [(1000, 15)], [(500, 75)]),
    Case("Anthropic", "Claude-3-5-Sonnet-20241022", usage(1000, 500), [(1000, 3)], [(500, 15)]),
    Case("anthropic", "claude-3-7-sonnet-latest", usage(1000, 500, thought=300), [(1000, 3)],
         [(500, 15)]),
    Case("anthropic", "claude-3-opus-latest", usage(1000, 500, 1000), [(1000, 1.5)], [(500, 75)]),
    Case("anthropic.messages", "claude-sonnet-4-0", usage(1, 2), [(1, 3)], [(2, 15)]),
    Case("", "anthropic/claude-sonnet-4-5-20250929", usage(10, 20), [(10, 3)], [(20, 15)]),
    Case("anthropic", "claude-sonnet-4-5", usage(300_000, 1000, 200_000),
         [(100_000, 6), (200_000, 0.6)], [(1000, 22.5)]),
]  # fmt: skip
MORE_GOOGLE = [
    Case("google", "gemini-2.5-flash-image", seen(100, 1300, 0, 1290), [(100, 0.3)],
         [(10, 2.5), (1290, 30)]),
    Case("google", "models/gemini-2.5-flash-lite", usage(1000, 500), [(1000, 0.1)], [(500, 0.4)]),
    Case("gemini", "gemini-2.5-flash-lite", heard(1000, 5, 400, 0), [(600, 0.1), (400, 0.3)],
         [(5, 0.4)]),
    Case("google", "gemini-2.5-flash", usage(2000, 10, 1500), [(500, 0.3), (1500, 0.03)],
         [(10, 2.5)]),
    Case("vertex_ai", "publishers/google/models/gemini-2.5-pro", usage(200_000, 1),
         [(200_000, 1.25)], [(1, 10)]),
    Case("google-vertex", "gemini-2.5-pro", usage(200_001, 1), [(200_001, 2.5)], [(1, 15)]),
    Case("gcp.gemini", "gemini-2.5-pro", usage(1000, 500), [(1000, 0.625)], [(500, 5)], BATCH),
    Case("google", "gemini-3-pro-preview", usage(1000, 500, thought=400), [(1000, 2)],
         [(500, 12)]),
    Case("google", "gemini-3-pro-preview", usage(250_000, 500), [(250_000, 4)], [(500, 18)]),
    Case("google", "gemini-1.5-pro-002", usage(128_001, 10), [(128_001, 2.5)], [(10, 10)]),
    Case("google", "gemini-1.5-flash-002", usage(1000, 500), [(1000, 0.075)], [(500, 0.3)]),
    Case("google", "gemini-2.0-flash-lite", usage(1000, 500), [(1000, 0.075)], [(500, 0.3)]),
    Case("", "vertex_ai/gemini-2.0-flash", usage(1000, 500), [(1000, 0.1)], [(500, 0.4)]),
    Case("gcp.vertex_ai", "claude-3-5-haiku@20241022", usage(1000, 500), [(1000, 0.8)],
         [(500, 4)]),
    Case("gcp.vertex_ai",
         "projects/p/locations/us-central1/publishers/anthropic/models/claude-3-7-sonnet@20250219",
         usage(1000, 500), [(1000, 3)], [(500, 15)]),
]  # fmt: skip
MORE_BEDROCK = [
    Case("aws.bedrock", "nova-pro-v1:0", usage(1000, 500), [(1000, 0.8)], [(500, 3.2)]),
    Case("bedrock", "amazon.nova-lite-v1:0", usage(1000, 500), [(1000, 0.06)], [(500, 0.24)]),
    Case("bedrock", "bedrock/converse/us.amazon.nova-micro-v1:0", usage(1000, 500),
         [(1000, 0.035)], [(500, 0.14)]),
    Case("aws.bedrock", "titan-embed-text-v2:0", usage(5, 0), [(5, 0.02)], []),
    Case("aws.bedrock", "llama3-1-70b-instruct-v1:0", usage(1000, 500), [(1000, 0.72)],
         [(500, 0.72)]),
    Case("bedrock",
         "arn:aws:bedrock:us-east-1:123456789012:inference-profile/"
         "us.anthropic.claude-sonnet-4-20250514-v1:0",
         usage(1000, 500), [(1000, 3)], [(500, 15)]),
    Case("bedrock", "arn:aws:bedrock:us-east-1::foundation-model/"
         "anthropic.claude-3-haiku-20240307-v1:0", usage(1000, 500), [(1000, 0.25)],
         [(500, 1.25)]),
    Case("", "bedrock/anthropic.claude-3-5-haiku-20241022-v1:0", usage(1000, 500), [(1000, 0.8)],
         [(500, 4)]),
    Case("aws", "us.deepseek.r1-v1:0", usage(1000, 500, thought=400), [(1000, 1.35)],
         [(500, 5.4)]),
    Case("anthropic", "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
         usage(2450, 90, 2000, 300), [(150, 3), (2000, 0.3), (300, 3.75)], [(90, 15)]),
    Case("amazon_bedrock", "openai.gpt-oss-120b-1:0", usage(1000, 500), [(1000, 0.15)],
         [(500, 0.6)]),
]  # fmt: skip
MORE_AZURE = [
    Case("azure", "azure/eu/gpt-4o-mini", usage(1000, 500), [(1000, 0.15)], [(500, 0.6)]),
    Case(
        "azure.ai.openai",
        "GPT-4o-2024-08-06",
        usage(1000, 500, 400),
        [(600, 2.5), (400, 1.25)],
        [(500, 10)],
    ),
    Case("azure", "o3-mini", usage(1000, 500), [(1000, 1.1)], [(500, 4.4)]),
    Case("azure", "text-embedding-3-large", usage(1000, 0), [(1000, 0.13)], []),
    Case("azure", "gpt-4-32k", usage(1000, 500), [(1000, 60)], [(500, 120)]),
]
MORE_OTHERS = [
    Case("mistral_ai", "mistral-embed", usage(1000, 0), [(1000, 0.1)], []),
    Case("mistral", "pixtral-large-latest", usage(1000, 500), [(1000, 2)], [(500, 6)]),
    Case("mistral", "mistral-medium-2505", usage(1000, 500), [(1000, 0.4)], [(500, 2)]),
    Case("mistral", "open-mixtral-8x7b", usage(1000, 500), [(1000, 0.7)], [(500, 0.7)]),
    Case("cohere", "command-a-03-2025", usage(1000, 500), [(1000, 2.5)], [(500, 10)]),
    Case("cohere", "command-r-08-2024", usage(1000, 500), [(1000, 0.15)], [(500, 0.6)]),
    Case("cohere", "command-r7b-12-2024", usage(1000, 500), [(1000, 0.0375)], [(500, 0.15)]),
    Case("cohere", "embed-v4.0", usage(1000, 0), [(1000, 0.12)], []),
    Case("x_ai", "grok-3", usage(1000, 500), [(1000, 3)], [(500, 15)]),
    Case("xai", "xai/grok-3-mini", usage(1000, 500), [(1000, 0.3)], [(500, 0.5)]),
    Case("groq", "groq/llama-3.1-8b-instant", usage(1000, 500), [(1000, 0.05)], [(500, 0.08)]),
    Case("groq", "openai/gpt-oss-120b", usage(1000, 500), [(1000, 0.15)], [(500, 0.6)]),
    Case("together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", usage(1000, 500), [(1000, 0.88)],
         [(500, 0.88)]),
    Case("cerebras", "llama3.1-8b", usage(1000, 500), [(1000, 0.1)], [(500, 0.1)]),
    Case("moonshot", "kimi-k2-0711-preview", usage(1000, 500, 400), [(600, 0.6), (400, 0.15)],
         [(500, 2.5)]),
    Case("voyageai", "voyage-3", usage(1000, 0), [(1000, 0.06)], []),
    Case("openrouter", "openai/gpt-4o-mini", usage(1000, 500), [(1000, 0.15)], [(500, 0.6)]),
    Case("", "openrouter/google/gemini-2.5-flash", usage(1000, 500), [(1000, 0.3)], [(500, 2.5)]),
    Case("openrouter", "anthropic/claude-sonnet-4:nitro", usage(10, 5), [(10, 3)], [(5, 15)]),
    Case("openrouter", "deepseek/deepseek-r1:free", usage(1000, 500), [], []),
]  # fmt: skip
ALL = [
    *OPENAI, *ANTHROPIC, *GOOGLE, *BEDROCK, *AZURE, *OTHERS,
    *MORE_OPENAI, *MORE_ANTHROPIC, *MORE_GOOGLE, *MORE_BEDROCK, *MORE_AZURE, *MORE_OTHERS,
]  # fmt: skip


def test_there_are_enough_cases() -> None:
    """A hundred cases and more, over eight providers and more."""
    assert len(ALL) >= 100
    assert len({case.provider for case in ALL}) >= 8


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.provider}-{case.model}")
def test_costs_are_those_of_the_published_rates(case: Case) -> None:
    """Every kind of token costs what the vendor publishes for it."""
    taken = sum(tokens * rate for tokens, rate in case.input) / 1_000_000
    given = sum(tokens * rate for tokens, rate in case.output) / 1_000_000
    cost = cost_of(case.provider, case.model, case.usage, **case.more)
    assert cost is not None
    assert {
        "input_cost": pytest.approx(taken, rel=1e-9),
        "output_cost": pytest.approx(given, rel=1e-9),
        "total_cost": pytest.approx(taken + given, rel=1e-9),
    } == cost
