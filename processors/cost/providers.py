"""Names of providers: what senders write, and what the catalogue calls them."""

LOCAL = "local"
"""Models on one's own machines: no catalogue knows what they cost."""

_NAMES: dict[str, tuple[str, ...]] = {
    "anthropic": ("claude", "chatanthropic", "anthropic_messages"),
    "aws": (
        "aws.bedrock", "aws_bedrock", "aws-bedrock", "bedrock", "bedrock_converse", "chatbedrock",
        "amazon", "amazon-bedrock", "amazon_bedrock", "amazon.bedrock", "anthropic_bedrock",
    ),
    "azure": (
        "azure.ai.openai", "az.ai.openai", "azure_openai", "azure-openai", "azureopenai",
        "azure.openai", "azure.ai.inference", "az.ai.inference", "azure_ai", "azure-ai",
        "azure_ai_foundry", "azurechatopenai", "microsoft.foundry", "azure_text",
    ),
    "cerebras": (),
    "cohere": ("cohere_chat", "chatcohere"),
    "databricks": ("databricks-genai",),
    "deepseek": ("deep_seek", "chatdeepseek"),
    "fireworks": ("fireworks_ai", "fireworks-ai"),
    "github-copilot": ("github_copilot", "copilot"),
    "google": (
        "gcp", "gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai", "gcp.vertex.agent", "vertex_ai",
        "vertex_ai_beta", "vertexai", "vertex", "google.vertex", "google-vertex",
        "google_vertexai", "google-vertex-ai", "gemini", "google_genai", "google-genai",
        "google-gla", "google.generative-ai", "google_generativeai", "google_ai_studio",
        "chatgooglegenerativeai", "chatvertexai",
    ),
    "groq": ("chatgroq",),
    "minimax": (),
    "mistral": ("mistral_ai", "mistralai", "chatmistralai"),
    "moonshotai": ("moonshot", "moonshot_ai"),
    "novita": ("novita_ai",),
    "openai": (
        "chatopenai", "openai_agents", "openai-chat", "openai_responses", "text-completion-openai",
    ),
    "openrouter": ("open_router",),
    "perplexity": ("perplexity_ai", "pplx"),
    "together": ("together_ai", "together-ai", "togetherai", "together.ai"),
    "voyageai": ("voyage", "voyage_ai"),
    "x-ai": ("x_ai", "xai", "grok"),
    "zai": ("z-ai", "z.ai"),
    "zhipuai": ("zhipu", "zhipu_ai"),
    LOCAL: (
        "ollama", "ollama_chat", "vllm", "hosted_vllm", "lmstudio", "lm_studio", "llamacpp",
        "llama.cpp", "llama_cpp", "llamafile", "sglang", "tgi", "transformers", "xinference",
        "localai", "mlx", "gpt4all", "docker_model_runner", "jan", "self-hosted", "self_hosted",
    ),
}  # fmt: skip

NAMES = {spelling: name for name, spellings in _NAMES.items() for spelling in (name, *spellings)}
"""Spelling (lower case) to the catalogue's name."""

ORGANISATIONS = {
    "meta-llama": "", "qwen": "", "microsoft": "", "nvidia": "", "nousresearch": "", "meta": "",
    "mistralai": "mistral", "deepseek-ai": "deepseek", "google": "google", "openai": "openai",
    "anthropic": "anthropic", "cohere": "cohere", "x-ai": "x-ai", "deepseek": "deepseek",
    "moonshotai": "moonshotai", "perplexity": "perplexity", "z-ai": "zai", "zai-org": "zai",
    "minimax": "minimax", "minimaxai": "minimax", "cohereforai": "", "tiiuae": "",
}  # fmt: skip
"""Who made a model, as repositories of models write it before the slash; not who runs it."""


def canonical(text: str) -> str:
    """
    Return the catalogue's name of a provider; ``""`` where it is none.

    ``openai.chat`` is ``openai``; frameworks and proxies are no providers.
    """
    name = text.strip().strip('"').lower()
    while name:
        if name in NAMES:
            return NAMES[name]
        name = name.rpartition(".")[0]
    return ""
