"""Conversations and documents that instrumentations write as span events."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.otlp import values
from processors.mlflow_mapping.documents import Document, read_document
from processors.mlflow_mapping.llama_events import ENDING, LlamaEvent, read_llama_event
from processors.mlflow_mapping.messages import read_message, read_messages
from processors.mlflow_mapping.parts import Message
from processors.mlflow_mapping.requests import read_answer, read_request, system_messages
from processors.mlflow_mapping.texts import reparse
from processors.mlflow_mapping.usage import Counters

_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_DOCUMENTS: Final = ("db.query.result", "db.search.result")
_OUTPUT_KEYS: Final = ("output", "content", "diff")
_REDACTED: Final = "<REDACTED>"


class Told:
    """What the events of one span tell."""

    __slots__ = (
        "answers", "documents", "exception", "input", "is_empty", "messages", "model", "output",
        "type", "usage",
    )  # fmt: skip

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: list[Message] = []
        self.documents: list[Document] = []
        self.input: Any = None
        self.output: Any = None
        self.type = ""
        """What the span is, where its events alone tell it."""
        self.model = ""
        self.usage: Counters = {}
        self.exception = False
        self.is_empty = True
        """Whether they tell nothing, but perhaps that there was an exception."""


NO_EVENTS: Final = Told()


def read_events(events: Iterable[Span.Event]) -> Told:
    """Read the events that carry content; others are passed over by name."""
    told = Told()
    for event in events:
        name = event.name
        if name == "exception":
            told.exception = True
        elif name.startswith(("gen_ai.", "db.", "tool.output")):
            _read(told, name, {field.key: values.decode(field.value) for field in event.attributes})
        elif name.endswith(ENDING):
            held = {field.key: values.decode(field.value) for field in event.attributes}
            _read_llama(told, read_llama_event(name, held))
    told.is_empty = not (
        told.messages or told.answers or told.documents or told.output or told.type
    )
    return told


def _read_llama(told: Told, event: LlamaEvent | None) -> None:
    """Add what an event of LlamaIndex says; the end of a call repeats its beginning."""
    if event is None or event.type != (told.type or event.type):
        return
    told.type = event.type
    told.model = event.model or told.model
    told.messages = told.messages or event.messages
    told.answers = event.answers or told.answers
    told.documents = event.documents or told.documents
    told.input = told.input or event.input
    told.output = event.output or told.output
    told.usage = event.usage or told.usage


def _read(told: Told, name: str, held: dict[str, Any]) -> None:
    if name in _ROLES:
        told.messages.extend(_message(_ROLES[name], held))
    elif name == "gen_ai.choice":
        told.answers.extend(_choice(held))
    elif name == "gen_ai.content.prompt":
        told.messages.extend(_content(held.get("gen_ai.prompt"), "user"))
    elif name == "gen_ai.content.completion":
        told.answers.extend(_content(held.get("gen_ai.completion"), "assistant"))
    elif name == "gen_ai.client.inference.operation.details":
        told.messages.extend(system_messages(held.get("gen_ai.system_instructions")))
        told.messages.extend(read_messages(reparse(held.get("gen_ai.input.messages"))) or [])
        told.answers.extend(read_messages(reparse(held.get("gen_ai.output.messages"))) or [])
    elif name in _DOCUMENTS:
        prefix = f"{name}."
        found = read_document({key.removeprefix(prefix): value for key, value in held.items()
                               if not key.endswith("vector")})  # fmt: skip
        told.documents.extend([found] if found else [])
    elif name == "tool.output":
        told.output = next((held[key] for key in _OUTPUT_KEYS if held.get(key)), None)
        if told.output == _REDACTED:
            told.output = None


def _message(role: str, held: dict[str, Any]) -> Sequence[Message]:
    """Return a message from an event's attributes, or from the JSON body in one of them."""
    body = _body(held)
    return read_message({"role": role, **body}) or []


def _body(held: dict[str, Any]) -> dict[str, Any]:
    inner = reparse(held.get("gen_ai.event.content", held.get("body")))
    if isinstance(inner, dict):
        return inner
    return {
        key: value for key, value in held.items()
        if not key.startswith("gen_ai.") and key not in ("event.name", "index")
    }  # fmt: skip


def _choice(held: dict[str, Any]) -> Sequence[Message]:
    body = _body(held)
    message = reparse(body.get("message", held.get("message")))
    if isinstance(message, dict):
        body = {**{k: v for k, v in body.items() if k != "message"}, **message}
    elif message is not None:
        body = {**{k: v for k, v in body.items() if k != "message"}, "content": message}
    return read_message({"role": "assistant", **body}) or []


def _content(text: Any, role: str) -> Sequence[Message]:
    if not text:
        return []
    held = reparse(text)
    if isinstance(held, list) and all(isinstance(item, str) for item in held):
        return [{"role": role, "content": item} for item in held]
    if role == "user":
        request = read_request(held)
        if request:
            return request[0]
    elif answer := read_answer(held):
        return answer
    return [{"role": role, "content": text if isinstance(text, str) else str(text)}]
