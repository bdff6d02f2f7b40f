"""Which entry of the catalogue an id is found under, however it is written."""

import pytest

from processors.cost.catalogue import catalogue
from processors.cost.model_ids import MAX_LENGTH, guesses
from processors.cost.providers import canonical

FOUND = [
    # providers before the id
    ("", "openai/gpt-4o", "openai/gpt-4o"),
    ("", "openai:gpt-4o", "openai/gpt-4o"),
    ("openai", "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
    ("litellm", "anthropic/claude-3-haiku-20240307", "anthropic/claude-3-haiku"),
    ("litellm", "azure/gpt-4o", "azure/gpt-4o"),
    ("", "azure/eu/gpt-4o-2024-08-06", "azure/gpt-4o"),
    ("", "gemini/gemini-2.5-flash", "google/gemini-2.5-flash"),
    ("", "google-gla:gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("", "vertex_ai/claude-sonnet-4@20250514", "google/claude-4-sonnet"),
    ("", "groq/llama-3.3-70b-versatile", "groq/llama-3.3-70b-versatile"),
    ("", "bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0",
     "aws/regional.anthropic.claude-sonnet-4-20250514-v1:0"),
    ("", "bedrock/converse/us-east-1/anthropic.claude-3-haiku-20240307-v1:0",
     "aws/regional.anthropic.claude-3-haiku-20240307-v1:0"),
    ("openai", "anthropic/claude-3-5-sonnet-20241022", "anthropic/claude-3-5-sonnet"),
    # spellings of providers
    ("openai.chat", "gpt-4o", "openai/gpt-4o"),
    ("azure-openai.responses", "gpt-4o", "azure/gpt-4o"),
    ("google.vertex.chat", "gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("AWS.Bedrock", "amazon.nova-lite-v1:0", "aws/amazon.nova-lite-v1:0"),
    ("x_ai", "grok-3", "x-ai/grok-3"),
    ("unheard-of proxy", "gpt-4o", "openai/gpt-4o"),
    ("litellm", "litellm_proxy/anthropic/claude-3-5-sonnet-20241022",
     "anthropic/claude-3-5-sonnet"),
    # nobody says who ran it
    ("", "gpt-4o-2024-11-20", "openai/gpt-4o"),
    ("", "text-embedding-3-large", "openai/text-embedding-3-large"),
    ("", "claude-opus-4-1-20250805", "anthropic/claude-opus-4-1"),
    ("", "sonar-pro", "perplexity/sonar-pro"),
    ("", "embed-v4.0", "cohere/embed-v4.0"),
    ("", "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
     "aws/regional.anthropic.claude-haiku-4-5-20251001-v1:0"),
    ("openai", "deepseek-chat", "deepseek/deepseek-chat"),
    ("openai", "mistral-large-latest", "mistral/mistral-large"),
    # Azure
    ("azure", "gpt-35-turbo-16k", "azure/gpt-3.5-turbo-16k"),
    ("azure", "gpt-35-turbo-1106", "azure/gpt-3.5-turbo-1106"),
    # Bedrock
    ("anthropic", "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
     "aws/regional.anthropic.claude-3-5-sonnet-20241022-v2:0"),
    ("bedrock",
     "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
     "aws/regional.anthropic.claude-3-haiku-20240307-v1:0"),
    ("bedrock",
     "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.amazon.nova-micro-v1:0",
     "aws/amazon.nova-micro-v1:0"),
    ("bedrock", "us-gov.anthropic.claude-3-haiku-20240307-v1:0",
     "aws/regional.anthropic.claude-3-haiku-20240307-v1:0"),
    ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0:48k",
     "aws/regional.anthropic.claude-3-haiku-20240307-v1:0"),
    # Vertex
    ("google", "publishers/google/models/gemini-2.5-pro", "google/gemini-2.5-pro"),
    ("google", "projects/acme/locations/us-central1/publishers/google/models/gemini-2.0-flash-001",
     "google/gemini-2.0-flash"),
    ("google", "models/gemini-1.5-pro-002", "google/gemini-1.5-pro"),
    ("vertex_ai", "gemini-1.5-flash@001", "google/gemini-1.5-flash"),
    ("vertex_ai", "claude-3-opus@20240229", "google/claude-3-opus"),
    # OpenRouter
    ("openrouter", "openrouter/anthropic/claude-sonnet-4", "openrouter/anthropic/claude-sonnet-4"),
    ("openrouter", "openai/gpt-4o:online", "openrouter/openai/gpt-4o"),
    ("openrouter", "x-ai/grok-4", "x-ai/grok-4-0709"),
    # fine-tunes and snapshots
    ("openai", "ft:gpt-3.5-turbo-0125:acme:x:y", "openai/ft:gpt-3.5-turbo-"),
    ("", "ft:gpt-4o-mini-2024-07-18:acme:x:y", "openai/ft:gpt-4o-mini"),
    ("mistral", "ft:open-mistral-7b:acme:20250101:y", "mistral/mistral-7b"),
    ("openai", "gpt-4o-mini-2031-01-01", "openai/gpt-4o-mini"),
    ("openai", "gpt-4.1-20250414", "openai/gpt-4.1"),
    ("anthropic", "claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet"),
    # as MLflow's own SDK writes texts, and in capitals
    ('"openai"', '"gpt-4o"', "openai/gpt-4o"),
    ("OpenAI", "GPT-4o", "openai/gpt-4o"),
]  # fmt: skip

UNKNOWN = [
    ("azure", "my-gpt4o-deployment"),
    ("openai", "my-gpt4o-deployment"),
    ("bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"),
    ("bedrock", "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3"),
    ("google", "projects/acme/locations/us-central1/endpoints/1234567890"),
    ("", "ft:gpt-4.1-2025-04-14:acme::z"),
    ("openai", "ft:gpt-4.1-2025-04-14:acme::z"),  # more than its base, nobody says how much
    ("ollama", "gpt-4o"),
    ("ollama", "llama3.1:8b"),
    ("", "ollama/mistral"),
    ("vllm", "mistral-large-latest"),
    ("openai", "llama3.1:8b"),
    ("openai", "deepseek-r1:14b"),
    ("openai", "mistralai/Mistral-7B-Instruct-v0.3"),
    ("openai", "meta-llama/Llama-3.1-8B-Instruct"),
    ("", "mistral-7b-instruct"),
    ("", "test"),
    ("", ""),
    ("", "claude"),
    ("", "x" * (MAX_LENGTH + 1)),
    ("openai", "gpt-4o" + "x" * MAX_LENGTH),
]


@pytest.mark.parametrize(("provider", "model", "entry"), FOUND)
def test_ids_are_found_however_they_are_written(provider: str, model: str, entry: str) -> None:
    """Prefixes, regions, dates, versions and variants are understood."""
    found = catalogue().find(provider, model)
    assert found is not None
    assert entry == found.name


@pytest.mark.parametrize(("provider", "model"), UNKNOWN)
def test_what_nobody_knows_is_not_guessed(provider: str, model: str) -> None:
    """Deployments, one's own machines and fine-tunes without a price have none."""
    assert catalogue().find(provider, model) is None


def test_the_id_as_sent_is_tried_first() -> None:
    """Nothing is dropped from an id that is known as it is."""
    assert ("openai", "gpt-4o-2024-05-13") == next(guesses("openai", "gpt-4o-2024-05-13"))
    assert [] == list(guesses("", " "))


def test_frameworks_are_no_providers() -> None:
    """Names that say nothing about who ran a model are passed over."""
    assert ["", "", "openai", "local"] == [
        canonical(name) for name in ("langchain", "", "openai.responses", "Ollama")
    ]
