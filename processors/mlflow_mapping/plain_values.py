"""Values that were written as they are: kept, or made a conversation where they hold one."""

from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from processors.mlflow_mapping.calls import small
from processors.mlflow_mapping.content import REDACTED, Content, are_texts, as_json, turn
from processors.mlflow_mapping.documents import sizes_of
from processors.mlflow_mapping.keys import MODEL_CALLS
from processors.mlflow_mapping.messages import as_choices, is_empty
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.ready import is_ready_answer, is_ready_request
from processors.mlflow_mapping.requests import read_answer, read_request
from processors.mlflow_mapping.texts import parse, read

NEVER_CHAT = frozenset({"TOOL", "EMBEDDING", "RERANKER"})


_CHAT_KEYS = frozenset({
    "messages", "contents", "input", "prompt", "chat_history", "items", "history", "choices",
    "generations", "candidates", "output", "message", "response", "content", "role", "lc", "data",
    "value", "inputs", "outputs",
})  # fmt: skip
"""An object with none of these keys is no conversation."""


_READY = {"inputs": is_ready_request, "outputs": is_ready_answer}


def plain_value(reading: Reading, concept: str, kind: str) -> Content | None:
    """Return the first value of a concept that says anything."""
    for hit in reading.get(concept):
        content = _one_value(reading.value(hit), concept, kind)
        if content is not None:
            return content
    return None


def _one_value(value: AnyValue, concept: str, kind: str) -> Content | None:
    if not value.HasField("string_value"):
        held = read(value)
        return None if held in (None, "", [], {}) else as_json(held)
    text = value.string_value
    if text in ("", REDACTED, "null", "{}", "[]"):
        return None
    if kind == "EMBEDDING" and concept == "outputs" and '"embedding' in text:
        sizes = sizes_of(read(value))
        if sizes:
            return as_json(sizes)
    if kind not in NEVER_CHAT:
        held = parse(text)
        if held is not None:
            return _chat(text, held, concept, kind) or Content(text)
    if kind == "CHAT_MODEL" and text[:1] not in ("{", "["):
        return turn(text, concept)
    return Content(text)


def _chat(text: str, held: Any, concept: str, kind: str) -> Content | None:
    """Return a value as a conversation where it is one, else ``None``."""
    if isinstance(held, dict) and _CHAT_KEYS.isdisjoint(held):
        return None
    if concept in _READY and _READY[concept](text):
        return Content(text, chat=True)
    if concept == "inputs":
        request = read_request(held)
        if request and not is_empty(request[0]):
            return as_json({**small(request[1]), "messages": request[0]}, chat=True)
    elif kind in MODEL_CALLS and are_texts(held):
        said = [{"role": "assistant", "content": text} for text in held]
        return as_json(as_choices(said, None), chat=True)
    else:
        answer = read_answer(held)
        if answer and not is_empty(answer):
            rest = _beside_messages(held)
            return as_json({**rest, **as_choices(answer, None)}, chat=True)
    return None


def _beside_messages(held: Any) -> dict[str, Any]:
    """Return what a chain's state holds beside its messages."""
    if isinstance(held, dict) and isinstance(held.get("messages"), list):
        return {key: value for key, value in held.items() if key != "messages"}
    return {}
