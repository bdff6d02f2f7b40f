"""
What LlamaIndex's own instrumentation tells: its events, written as events of spans.

Source: llama-index-observability-otel and llama_index.core.instrumentation.events. The spans
themselves have a name and nothing else.
"""

from typing import Any, NamedTuple

from processors.mlflow_mapping.documents import Document, read_document
from processors.mlflow_mapping.messages import read_message, read_messages
from processors.mlflow_mapping.parts import Message, first
from processors.mlflow_mapping.texts import reparse
from processors.mlflow_mapping.usage import Counters, from_object

ENDING = "Event"
_TYPES = {
    "LLMChat": "CHAT_MODEL", "StreamChat": "CHAT_MODEL", "LLMCompletion": "LLM",
    "LLMPredict": "CHAIN", "LLMStructuredPredict": "CHAIN",
    "Embedding": "EMBEDDING", "SparseEmbedding": "EMBEDDING",
    "Retrieval": "RETRIEVER", "ReRank": "RERANKER",
    "Query": "CHAIN", "Synthesize": "CHAIN", "GetResponse": "CHAIN",
    "AgentRunStep": "AGENT", "AgentChatWithStep": "AGENT", "AgentToolCall": "TOOL",
}  # fmt: skip
_QUERIES = ("query.query_str", "query_str", "str_or_query_bundle.query_str", "query",
            "str_or_query_bundle", "user_msg", "input", "arguments")  # fmt: skip
_RESULTS = ("response.response", "output", "response")
_MODELS = ("response.raw.model", "model_dict.model", "model_dict.model_name", "model_name")
_USAGES = ("response.raw.usage.", "response.additional_kwargs.")


class LlamaEvent(NamedTuple):
    """What one event tells."""

    type: str
    model: str
    messages: list[Message]
    answers: list[Message]
    documents: list[Document]
    input: Any
    output: Any
    usage: Counters


def read_llama_event(name: str, held: dict[str, Any]) -> LlamaEvent | None:
    """Return what an event tells, ``None`` for one of another kind."""
    base = name.removesuffix(ENDING).removesuffix("Start").removesuffix("End")
    kind = _TYPES.get(base)
    if kind is None or "class_name" not in held:
        return None
    model = first(held, *_MODELS)
    is_call = kind in ("CHAT_MODEL", "LLM")
    return LlamaEvent(
        kind,
        model if isinstance(model, str) and model != "unknown" else "",
        _asked(held) if is_call else [],
        _answered(held) if is_call else [],
        _found(held) if name.endswith("EndEvent") and kind in ("RETRIEVER", "RERANKER") else [],
        None if is_call else _input(held, kind),
        None if is_call else _output(held, kind),
        _usage(held) if is_call else {},
    )


def _asked(held: dict[str, Any]) -> list[Message]:
    messages = read_messages(reparse(held.get("messages")))
    prompt = held.get("prompt")
    if messages or not isinstance(prompt, str):
        return messages or []
    return [{"role": "user", "content": prompt}]


def _answered(held: dict[str, Any]) -> list[Message]:
    message = _below(held, "response.message.")
    if message:
        return read_message({"role": "assistant", **message}) or []
    text = held.get("response.text")
    return [{"role": "assistant", "content": text}] if isinstance(text, str) else []


def _found(held: dict[str, Any]) -> list[Document]:
    nodes = reparse(held.get("nodes"))
    if not isinstance(nodes, list):
        return []
    found = [_document(item) for item in nodes if isinstance(item, dict)]
    return [document for document in found if document]


def _document(item: dict[str, Any]) -> Document | None:
    node = item.get("node")
    node = node if isinstance(node, dict) else item
    told = {"content": first(node, "text", "text_resource"), "metadata": node.get("metadata") or {},
            "id": node.get("id_"), "score": item.get("score")}  # fmt: skip
    if isinstance(told["content"], dict):
        told["content"] = told["content"].get("text")
    return read_document({key: value for key, value in told.items() if value is not None})


def _input(held: dict[str, Any], kind: str) -> Any:
    if kind == "EMBEDDING":
        return {"input": held["chunks"]} if held.get("chunks") else None
    return first(held, *_QUERIES) or _below(held, "template_args.") or None


def _output(held: dict[str, Any], kind: str) -> Any:
    if kind == "EMBEDDING":
        vectors = reparse(held.get("embeddings"))
        if isinstance(vectors, list) and vectors and isinstance(vectors[0], list):
            return {"embeddings": len(vectors), "dimensions": len(vectors[0])}
        return None
    return first(held, *_RESULTS)


def _usage(held: dict[str, Any]) -> Counters:
    for prefix in _USAGES:
        if counters := from_object(_below(held, prefix)):
            return counters
    return {}


def _below(held: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return what stands under a prefix, the dots in keys as objects."""
    found: dict[str, Any] = {}
    for key, value in held.items():
        if not key.startswith(prefix) or value == "null":
            continue
        *path, last = key[len(prefix) :].split(".")
        place = found
        for name in path:
            inner = place.setdefault(name, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[last] = reparse(value)
    return found
