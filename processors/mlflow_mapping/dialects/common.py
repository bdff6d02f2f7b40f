"""Words for kinds of spans that mean the same in every dialect."""

from types import MappingProxyType

KINDS = MappingProxyType(
    {
        "llm": "LLM",
        "chat": "CHAT_MODEL",
        "chat_model": "CHAT_MODEL",
        "completion": "LLM",
        "generation": "LLM",
        "chain": "CHAIN",
        "agent": "AGENT",
        "tool": "TOOL",
        "function": "TOOL",
        "retriever": "RETRIEVER",
        "retrieval": "RETRIEVER",
        "rag": "RETRIEVER",
        "reranker": "RERANKER",
        "rerank": "RERANKER",
        "embedding": "EMBEDDING",
        "embeddings": "EMBEDDING",
        "parser": "PARSER",
        "output_parser": "PARSER",
        "memory": "MEMORY",
        "workflow": "WORKFLOW",
        "task": "TASK",
        "prompt": "TASK",
        "guardrail": "GUARDRAIL",
        "evaluator": "EVALUATOR",
        "evaluation": "EVALUATOR",
        "classifier": "CLASSIFIER",
        "unknown": "UNKNOWN",
    }
)
