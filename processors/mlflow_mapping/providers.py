"""Names of providers as MLflow's price catalogue has them."""

import functools
import re

from processors.mlflow_mapping.texts import unquoted

PROVIDERS = {
    "azure.ai.openai": "azure", "az.ai.openai": "azure", "azure_openai": "azure",
    "azure-openai": "azure", "azureopenai": "azure", "azure.openai": "azure", "azure": "azure",
    "azure.ai.inference": "azure_ai", "az.ai.inference": "azure_ai", "azure_ai": "azure_ai",
    "aws.bedrock": "bedrock", "aws_bedrock": "bedrock", "amazon-bedrock": "bedrock",
    "amazon_bedrock": "bedrock", "bedrock": "bedrock", "aws": "bedrock", "bedrock_converse":
    "bedrock", "amazon.bedrock": "bedrock", "chatbedrock": "bedrock",
    "gcp.vertex_ai": "vertex_ai", "vertex_ai": "vertex_ai", "vertexai": "vertex_ai",
    "google.vertex": "vertex_ai", "google-vertex": "vertex_ai", "google_vertexai": "vertex_ai",
    "gcp.vertex.agent": "gemini", "gcp.gemini": "gemini", "gcp.gen_ai": "gemini",
    "google": "gemini", "gemini": "gemini", "google_genai": "gemini", "google-gla": "gemini",
    "google-genai": "gemini", "google.generative-ai": "gemini", "google_generativeai": "gemini",
    "google_ai_studio": "gemini", "gen_ai_google": "gemini", "google-vertex-ai": "vertex_ai",
    "googleai": "gemini",
    "mistral_ai": "mistral", "mistralai": "mistral", "mistral": "mistral",
    "x_ai": "xai", "x-ai": "xai", "xai": "xai", "grok": "xai",
    "together": "together_ai", "togetherai": "together_ai", "together_ai": "together_ai",
    "fireworks": "fireworks_ai", "fireworks_ai": "fireworks_ai", "fireworks-ai": "fireworks_ai",
    "ibm.watsonx.ai": "watsonx", "watsonx": "watsonx", "oracle": "oci",
    "moonshot_ai": "moonshot", "moonshotai": "moonshot", "z-ai": "zai", "z.ai": "zai",
    "vertexai_anthropic": "vertex_ai", "anthropic_bedrock": "bedrock", "openai_agents": "openai",
    "claude": "anthropic", "chatanthropic": "anthropic", "chatopenai": "openai",
}  # fmt: skip
"""Spelling (lower case) to MLflow's name; other names are kept, lower case."""

FRAMEWORKS = frozenset({
    "langchain", "langgraph", "langsmith", "llamaindex", "llama_index", "llama-index", "haystack",
    "crewai", "autogen", "ag2", "dspy", "smolagents", "strands", "strands-agents", "agno",
    "pydantic-ai", "semantic_kernel", "microsoft.agents", "mcp", "litellm", "unknown", "_other",
    "portkey", "n8n", "flowise", "vercel", "mastra", "spring_ai", "spring-ai", "none", "",
    "microsoft.agent_framework",
})  # fmt: skip
"""What is written where a provider belongs, but is none."""

_PREFIXES = ("openai", "anthropic", "mistral", "cohere", "groq", "deepseek", "perplexity", "xai",
             "togetherai", "fireworks", "cerebras", "ollama", "openrouter")  # fmt: skip


_HOSTS = {
    "openai.azure.com": "azure", "services.ai.azure.com": "azure_ai", "api.openai.com": "openai",
    "api.anthropic.com": "anthropic", "generativelanguage.googleapis.com": "gemini",
    "aiplatform.googleapis.com": "vertex_ai", "amazonaws.com": "bedrock",
    "api.mistral.ai": "mistral", "api.groq.com": "groq", "api.deepseek.com": "deepseek",
    "api.x.ai": "xai", "api.together.xyz": "together_ai", "api.fireworks.ai": "fireworks_ai",
    "openrouter.ai": "openrouter", "api.cohere.com": "cohere", "api.cohere.ai": "cohere",
    "api.perplexity.ai": "perplexity", "api.cerebras.ai": "cerebras",
}  # fmt: skip
"""Ends of the hosts that LiveKit and others write where the provider belongs."""
_ADDRESS = re.compile(r"(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])(?::\d+)?")


@functools.lru_cache(maxsize=1024)
def provider_name(text: str) -> str | None:
    """
    Return the provider that a text names; ``openai.chat`` and ``OpenAI`` are ``openai``.

    Space and JSON quotes around it do not matter.
    """
    text = unquoted(text)
    name = text.lower()
    if name in FRAMEWORKS or len(name) > 250:
        return None
    known = PROVIDERS.get(name)
    if known:
        return known
    if "." in name or ":" in name:
        if _ADDRESS.fullmatch(name):
            return None
        host = name.partition(":")[0]
        for end, provider in _HOSTS.items():
            if host.endswith(end):
                return provider
    head = name.split(".", 1)[0]
    while head != name:
        longest = name.rsplit(".", 1)[0]
        if longest in PROVIDERS:
            return PROVIDERS[longest]
        if longest in _PREFIXES:
            return PROVIDERS.get(longest, longest)
        name = longest
    return PROVIDERS.get(head, head) if head in PROVIDERS or head in _PREFIXES else text.lower()
