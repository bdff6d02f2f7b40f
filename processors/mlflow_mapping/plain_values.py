"""Values that were written as they are: kept, or made a conversation where they hold one."""

from typing import Any, Final

from gateway.otlp.values import decode
from processors.mlflow_mapping.calls import small
from processors.mlflow_mapping.content import REDACTED, Content, are_texts, as_json, turn
from processors.mlflow_mapping.documents import documents_of, sizes_of
from processors.mlflow_mapping.keys import MODEL_CALLS
from processors.mlflow_mapping.messages import as_choices, is_empty, read_message
from processors.mlflow_mapping.plan import Hit, Reading
from processors.mlflow_mapping.ready import is_ready_answer, is_ready_request
from processors.mlflow_mapping.requests import read_answer, read_request
from processors.mlflow_mapping.texts import parse_utf8
from processors.mlflow_mapping.wrappers import MARKS, unwrapped

NEVER_CHAT: Final = frozenset({"TOOL", "EMBEDDING", "RERANKER"})

_OUT: Final = ("outputs", "output_messages")
_BRACE: Final = 0x7B
_BRACKET: Final = 0x5B
_NOTHING: Final = frozenset({b"", REDACTED.encode(), b"null", b"{}", b"[]"})
_LONG: Final = 20
"""Bytes of a text that says something."""
_NEAR: Final = 40
"""Letters at the beginning among which a wrapper shows."""

_CHAT_KEYS: Final = frozenset({
    "update", "messages", "contents", "input", "prompt", "chat_history", "items", "history",
    "choices", "text",
    "generations", "candidates", "output", "message", "response", "content", "role", "lc", "data",
    "value", "inputs", "outputs",
})  # fmt: skip
"""An object with none of these keys is no conversation."""


_READY: Final = {"inputs": is_ready_request, "outputs": is_ready_answer}


def one_value(reading: Reading, hit: Hit, concept: str, kind: str) -> Content | None:
    """Return a value that tells a concept; ``None`` where it says nothing."""
    text = reading.fields.utf8(hit.place)
    if not text:
        held = decode(reading.value(hit))
        return None if held in (None, "", [], {}) else as_json(held)
    if len(text) < _LONG and text in _NOTHING:
        return None
    first = text[0]
    if first not in (_BRACE, _BRACKET):
        return turn(text.decode(), concept) if kind == "CHAT_MODEL" else _as_it_is(text)
    if kind not in NEVER_CHAT or _may_hold_more(text, concept, kind):
        held = parse_utf8(text)
        if held is not None:
            return _object(text, held, concept, kind)
    return _as_it_is(text)


def _as_it_is(text: bytes) -> Content:
    return Content(text, is_json=False)


def _may_hold_more(text: bytes, concept: str, kind: str) -> bool:
    """Whether a value that is no conversation may have something around it that nobody reads."""
    if kind == "EMBEDDING" and concept in _OUT:
        return True
    start = text[: 4 * _NEAR].decode(errors="ignore")[:_NEAR]
    return any(mark in start for mark in MARKS)


def _object(text: bytes, held: Any, concept: str, kind: str) -> Content:
    """Return JSON: a conversation, documents, or what a framework wrapped."""
    if kind not in NEVER_CHAT:
        chat = _chat(text, held, concept, kind)
        if chat is not None:
            return chat
    inner = unwrapped(held)
    if concept in _OUT:
        special = _result(inner, kind)
        if special is not None:
            return special
    if inner is held or inner in (None, "", [], {}):
        return _as_it_is(text)
    return Content(inner) if isinstance(inner, str) else as_json(inner)


def _result(held: Any, kind: str) -> Content | None:
    """Return what came out of a retriever, an embedding or a tool, without its packing."""
    if kind == "RETRIEVER":
        documents = documents_of(held)
        return as_json(documents) if documents else None
    if kind == "EMBEDDING":
        sizes = sizes_of(held)
        return as_json(sizes) if sizes else None
    if kind == "TOOL":
        message = read_message(held) or []
        if len(message) == 1 and message[0]["role"] == "tool" and message[0]["content"]:
            return Content(message[0]["content"])
    return None


def _chat(text: bytes, held: Any, concept: str, kind: str) -> Content | None:
    """Return a value as a conversation where it is one, else ``None``."""
    if isinstance(held, dict) and _CHAT_KEYS.isdisjoint(held):
        return None
    if concept in _READY and _READY[concept](text):
        return Content(text, chat=True)
    if concept not in _OUT:
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
