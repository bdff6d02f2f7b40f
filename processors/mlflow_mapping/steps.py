"""What goes into and comes out of agents, chains, tools, retrievers and their like."""

from collections.abc import Sequence
from typing import Any

from processors.mlflow_mapping.calls import answer, messages_in, with_system
from processors.mlflow_mapping.content import Content, as_json
from processors.mlflow_mapping.documents import read_documents, read_sizes, read_texts
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.messages import as_choices, read_messages
from processors.mlflow_mapping.parts import Message
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.requests import read_request
from processors.mlflow_mapping.texts import as_text, reparse

_RANKED = ("user", "system")
_WHOLE_RUNS = frozenset({"pydantic_ai.all_messages", "all_messages_events"})
"""Keys that hold the conversation with its end."""


def opening(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return the conversation that an agent or a chain got; of a whole run only its question."""
    if kind == "TOOL":
        return told_content(told.messages)
    messages, rest = messages_in(reading, told)
    if not messages or kind == "EMBEDDING":
        return None
    if any(hit.key in _WHOLE_RUNS for hit in reading.get("input_messages")):
        messages = messages[: _last_question(messages)]
    return as_json({**rest, "messages": with_system(reading, messages)}, chat=True)


def closing(reading: Reading) -> Content | None:
    """Return how the conversation of a whole run ended."""
    for hit in reading.get("input_messages"):
        if hit.key in _WHOLE_RUNS:
            request = read_request(reparse(reading.held(hit)))
            if request:
                end = request[0][_last_question(request[0]) :]
                return as_json(as_choices(end, None), chat=True) if end else None
    return None


def told_content(messages: Sequence[Message]) -> Content | None:
    """Return what an event says that stands for a tool's arguments or result."""
    content = messages[-1]["content"] if messages else None
    return Content(as_text(content)) if content else None


def _last_question(messages: Sequence[Message]) -> int:
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    return asked[-1] + 1 if asked else len(messages)


def searched(reading: Reading, kind: str) -> Content | None:
    """Return what was ranked or embedded, ``None`` for other types."""
    if kind == "RERANKER" or reading.get("input_documents"):
        fields = _named(reading, "input_fields")
        documents = read_documents(reading, "input_documents")
        if documents:
            fields["documents"] = documents
        fields = fields or _ranked(reading)
        return as_json(fields) if fields else None
    if kind == "EMBEDDING":
        texts = read_texts(reading) or _embedded(reading)
        return as_json({"input": texts}) if texts else None
    return None


def _embedded(reading: Reading) -> list[Any]:
    """Return texts that were embedded but written as messages."""
    written = [reparse(reading.held(hit)) for hit in reading.get("input_messages")]
    for held in (*reading.lists("input_groups"), *written):
        messages = read_messages(held) or (held if isinstance(held, list) else [])
        texts = [item["content"] for item in messages if _has_content(item)]
        if texts:
            return texts
    return []


def _has_content(item: Any) -> bool:
    return isinstance(item, dict) and item.get("content") is not None


def _ranked(reading: Reading) -> dict[str, Any]:
    """Return the question and the documents that Traceloop writes as a prompt's messages."""
    for listed in reading.lists("input_groups"):
        messages = read_messages(listed) or []
        texts = {role: [m["content"] for m in messages if m["role"] == role] for role in _RANKED}
        if texts["user"]:
            return {"query": texts["user"][-1], "documents": texts["system"]}
    return {}


def found(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return documents that were found, or the size of embeddings."""
    if kind == "EMBEDDING":
        sizes = read_sizes(reading)
        return as_json(sizes) if sizes else None
    documents = (
        read_documents(reading, "documents")
        or read_documents(reading, "document_lists")
        or told.documents
    )
    return as_json(documents) if documents else None


def replied(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what an agent or a chain answered, or what an event says that a tool did."""
    return told_content(told.answers) if kind == "TOOL" else answer(reading, told)


def told_input(told: Told) -> Content | None:
    """Return what LlamaIndex's events say that went in."""
    return Content(as_text(told.input)) if told.input else None


def tool_output(told: Told) -> Content | None:
    """Return the result that Claude Code writes as an event."""
    return Content(as_text(told.output)) if told.output else None


def fields(reading: Reading) -> Content | None:
    """Return what was written field by field, such as a prompt template and its variables."""
    named = _named(reading, "input_fields")
    return as_json(named) if named else None


def _named(reading: Reading, concept: str) -> dict[str, Any]:
    return {hit.detail: reading.held(hit) for hit in reading.get(concept)}
