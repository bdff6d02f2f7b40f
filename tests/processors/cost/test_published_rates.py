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
ALL = [*OPENAI, *ANTHROPIC, *GOOGLE, *BEDROCK, *AZURE, *OTHERS]


def test_there_are_enough_cases() -> None:
    """Forty cases and more, over eight providers and more."""
    assert len(ALL) >= 40
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
