"""
What went in and what came out, from the best source that a span has.

A call of a model becomes a conversation in OpenAI's shape, which MLflow renders and of which it
shows the last turn in its lists. Everything else stays as it was written.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from processors.mlflow_mapping.documents import (
    read_documents,
    read_sizes,
    read_texts,
    sizes_of,
)
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.keys import MODEL_CALLS
from processors.mlflow_mapping.messages import as_choices, is_empty, read_messages
from processors.mlflow_mapping.parts import Draft, Message, read_calls
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.ready import is_ready_answer, is_ready_request
from processors.mlflow_mapping.requests import (
    read_answer,
    read_request,
    system_messages,
)
from processors.mlflow_mapping.texts import as_text, encode, parse, read, reparse

_REDACTED = "<REDACTED>"


class Content(NamedTuple):
    """A value to write, as text or encoded JSON, and whether it is a conversation."""

    text: str | bytes
    chat: bool = False


def _json(value: object, *, chat: bool = False) -> Content:
    return Content(encode(value), chat)


def read_inputs(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what went in, or ``None`` where the span does not say."""
    if kind in MODEL_CALLS:
        return (
            _ready(reading, "inputs", is_ready_request)
            or _conversation(reading, told)
            or _prompts(reading, kind)
            or _value(reading, "inputs", kind)
            or _fields(reading)
        )
    return (
        _searched(reading, kind)
        or _value(reading, "inputs", kind)
        or _opening(reading, told, kind)
        or _value(reading, "input_messages", kind)
        or _fields(reading)
    )


def read_outputs(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return what came out, or ``None`` where the span does not say."""
    if kind in MODEL_CALLS:
        return (
            _ready(reading, "outputs", is_ready_answer)
            or _answer(reading, told)
            or _value(reading, "outputs", kind)
        )
    return (
        _found(reading, told, kind)
        or _value(reading, "outputs", kind)
        or _tool_output(told)
        or (_told(told.answers) if kind == "TOOL" else _answer(reading, told))
        or _closing(reading)
        or _value(reading, "output_messages", kind)
    )


def beside_chat(
    inputs: Content | None, outputs: Content | None, kind: str
) -> tuple[Content | None, Content | None]:
    """Return both as a conversation where one is and the other is plain text."""
    if inputs is None or outputs is None or inputs.chat == outputs.chat or kind in _NEVER_CHAT:
        return inputs, outputs
    if inputs.chat and _is_plain(outputs.text):
        return inputs, _turn(str(outputs.text), "outputs")
    if outputs.chat and kind in MODEL_CALLS and _is_plain(inputs.text):
        return _turn(str(inputs.text), "inputs"), outputs
    return inputs, outputs


def _is_plain(text: str | bytes) -> bool:
    return isinstance(text, str) and text[:1] not in ("{", "[")


# -- calls of models -------------------------------------------------------------------------


def _ready(reading: Reading, concept: str, is_ready: Callable[[str], bool]) -> Content | None:
    """Return what is written in the wanted shape already."""
    for hit in reading.get(concept):
        text = reading.value(hit).string_value
        if text[:1] == "{" and is_ready(text):
            return Content(text, chat=True)
    return None


def _conversation(reading: Reading, told: Told) -> Content | None:
    messages, rest = _messages_in(reading, told)
    if not messages:
        return None
    return _json({**rest, "messages": _with_system(reading, messages)}, chat=True)


def _messages_in(reading: Reading, told: Told) -> tuple[list[Message], dict[str, Any]]:
    for listed in reading.lists("input_groups"):
        messages = read_messages(listed)
        if messages and not is_empty(messages):
            return messages, {}
    for hit in reading.get("input_messages"):
        request = read_request(_asked(_held(reading.value(hit))))
        if request and not is_empty(request[0]):
            return request[0], _small(request[1])
    if told.messages:
        return told.messages, {}
    return [], {}


def _asked(held: Any) -> Any:
    """Return pydantic-ai's old list of events without the answer at its end."""
    if isinstance(held, list) and any(_is_choice(item) for item in held):
        return [item for item in held if not _is_choice(item)]
    return held


def _is_choice(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("event.name") == "gen_ai.choice"


def _small(rest: dict[str, Any]) -> dict[str, Any]:
    """Return a request's other fields where they are settings, not a second conversation."""
    return {key: value for key, value in rest.items() if key not in ("config", "tools")}


def _with_system(reading: Reading, messages: list[Message]) -> list[Message]:
    if any(message["role"] == "system" for message in messages):
        return messages
    for hit in reading.get("system"):
        system = system_messages(_held(reading.value(hit)))
        if system:
            return [*system, *messages]
    return messages


def _prompts(reading: Reading, kind: str) -> Content | None:
    """Return prompts that were written without roles, one or a list."""
    written = [_held(reading.value(hit)) for hit in reading.get("input_messages")]
    for held in (*reading.lists("input_groups"), *written):
        if not held or held == _REDACTED:
            continue
        texts = [held] if isinstance(held, str) else held
        if kind == "CHAT_MODEL" and _are_texts(texts):
            return _json({"messages": [{"role": "user", "content": t} for t in texts]}, chat=True)
        if not isinstance(held, list) or not _says_nothing(held):
            return Content(held) if isinstance(held, str) else _json({"prompt": held})
    return None


def _are_texts(held: Any) -> bool:
    return isinstance(held, list) and bool(held) and all(isinstance(item, str) for item in held)


def _says_nothing(held: list[Any]) -> bool:
    return all(isinstance(item, Mapping) and set(item) <= {"role"} for item in held)


def _answer(reading: Reading, told: Told) -> Content | None:
    finish = _finish(reading)
    for listed in reading.lists("output_groups"):
        messages = read_messages(_with_role(listed))
        if messages and not is_empty(messages):
            return _json(as_choices(messages, finish), chat=True)
    for hit in reading.get("output_messages"):
        held = _held(reading.value(hit))
        answer = read_answer(held)
        if answer and not is_empty(answer):
            return _json(as_choices(answer, finish), chat=True)
        texts = [held] if isinstance(held, str) and held not in ("", _REDACTED) else held
        if _are_texts(texts):
            said = [{"role": "assistant", "content": text} for text in texts]
            return _json(as_choices(said, finish), chat=True)
    chosen = _chosen(reading)
    if chosen:
        return _json(as_choices(chosen, finish), chat=True)
    reply = _reply(reading)
    if reply:
        return _json(as_choices([reply], finish), chat=True)
    if told.answers:
        return _json(as_choices(told.answers, finish), chat=True)
    return None


def _chosen(reading: Reading) -> list[Message] | None:
    """Return the answer at the end of pydantic-ai's old list of events."""
    for hit in reading.get("input_messages"):
        if hit.key in ("events", "all_messages_events"):
            held = _held(reading.value(hit))
            if isinstance(held, list):
                return read_messages([item for item in held if _is_choice(item)])
    return None


def _with_role(items: list[Any]) -> list[Any]:
    return [
        {"role": "assistant", **item} if isinstance(item, dict) and "role" not in item else item
        for item in items
    ]


def _reply(reading: Reading) -> Message | None:
    """Return the assistant's message that was written field by field."""
    draft = Draft()
    files: Any = None
    for hit in reading.get("reply"):
        held = read(reading.value(hit))
        if held in (None, "", [], {}, _REDACTED):
            continue
        if hit.detail == "tool_calls":
            read_calls(draft, held)
        elif hit.detail == "reasoning":
            draft.think(held)
        elif hit.detail == "files":
            files = held
        elif not draft.content:
            draft.text(reading.value(hit).string_value or held)
    if not (draft.content or draft.calls or draft.reasoning or files):
        return None
    message: Message = {"role": "assistant", "content": None}
    if draft.content:
        message["content"] = draft.content[0]["text"]
    if draft.reasoning:
        message["reasoning"] = "\n".join(draft.reasoning)
    if draft.calls:
        message["tool_calls"] = draft.calls
    if files:
        message["files"] = files
    return message


def _finish(reading: Reading) -> str | None:
    for hit in reading.get("finish"):
        held = read(reading.value(hit))
        if isinstance(held, list):
            held = held[0] if held else None
        if held:
            return as_text(held)
    return None


# -- everything else -------------------------------------------------------------------------


def _held(value: AnyValue) -> Any:
    """Return a value whose list items may be JSON texts themselves."""
    return reparse(read(value))


def _value(reading: Reading, concept: str, kind: str) -> Content | None:
    for hit in reading.get(concept):
        content = _one_value(reading.value(hit), concept, kind)
        if content is not None:
            return content
    return None


def _one_value(value: AnyValue, concept: str, kind: str) -> Content | None:
    if not value.HasField("string_value"):
        held = read(value)
        return None if held in (None, "", [], {}) else _json(held)
    text = value.string_value
    if text in ("", _REDACTED, "null", "{}", "[]"):
        return None
    if kind == "EMBEDDING" and concept == "outputs" and '"embedding' in text:
        sizes = sizes_of(read(value))
        if sizes:
            return _json(sizes)
    if kind not in _NEVER_CHAT:
        held = parse(text)
        if held is not None:
            return _chat(text, held, concept, kind) or Content(text)
    if kind == "CHAT_MODEL" and text[:1] not in ("{", "["):
        return _turn(text, concept)
    return Content(text)


_NEVER_CHAT = frozenset({"TOOL", "EMBEDDING", "RERANKER"})
_CHAT_KEYS = frozenset({
    "messages", "contents", "input", "prompt", "chat_history", "items", "history", "choices",
    "generations", "candidates", "output", "message", "response", "content", "role", "lc", "data",
    "value",
})  # fmt: skip
"""An object with none of these keys is no conversation."""

_READY = {"inputs": is_ready_request, "outputs": is_ready_answer}


def _turn(text: str, concept: str) -> Content:
    if concept == "inputs":
        return _json({"messages": [{"role": "user", "content": text}]}, chat=True)
    return _json(as_choices([{"role": "assistant", "content": text}], None), chat=True)


def _chat(text: str, held: Any, concept: str, kind: str) -> Content | None:
    """Return a value as a conversation where it is one, else ``None``."""
    if isinstance(held, Mapping) and _CHAT_KEYS.isdisjoint(held):
        return None
    if concept in _READY and _READY[concept](text):
        return Content(text, chat=True)
    if concept == "inputs":
        request = read_request(held)
        if request and not is_empty(request[0]):
            return _json({**_small(request[1]), "messages": request[0]}, chat=True)
    elif kind in MODEL_CALLS and _are_texts(held):
        said = [{"role": "assistant", "content": text} for text in held]
        return _json(as_choices(said, None), chat=True)
    else:
        answer = read_answer(held)
        if answer and not is_empty(answer):
            rest = _beside_messages(held)
            return _json({**rest, **as_choices(answer, None)}, chat=True)
    return None


def _beside_messages(held: Any) -> dict[str, Any]:
    """Return what a chain's state holds beside its messages."""
    if isinstance(held, Mapping) and isinstance(held.get("messages"), list):
        return {key: value for key, value in held.items() if key != "messages"}
    return {}


def _opening(reading: Reading, told: Told, kind: str) -> Content | None:
    """Return the conversation that an agent or a chain got; of a whole run only its question."""
    if kind == "TOOL":
        return _told(told.messages)
    messages, rest = _messages_in(reading, told)
    if not messages or kind == "EMBEDDING":
        return None
    if any(hit.key in _WHOLE_RUNS for hit in reading.get("input_messages")):
        messages = messages[: _last_question(messages)]
    return _json({**rest, "messages": _with_system(reading, messages)}, chat=True)


def _told(messages: Sequence[Message]) -> Content | None:
    """Return what an event says that stands for a tool's arguments or result."""
    content = messages[-1]["content"] if messages else None
    return Content(as_text(content)) if content else None


_WHOLE_RUNS = frozenset({"pydantic_ai.all_messages", "all_messages_events"})
"""Keys that hold the conversation with its end."""


def _last_question(messages: Sequence[Message]) -> int:
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    return asked[-1] + 1 if asked else len(messages)


def _closing(reading: Reading) -> Content | None:
    """Return how the conversation of a whole run ended."""
    for hit in reading.get("input_messages"):
        if hit.key in _WHOLE_RUNS:
            request = read_request(_held(reading.value(hit)))
            if request:
                end = request[0][_last_question(request[0]) :]
                return _json(as_choices(end, None), chat=True) if end else None
    return None


def _searched(reading: Reading, kind: str) -> Content | None:
    if kind == "RERANKER" or reading.get("input_documents"):
        fields = _named(reading, "input_fields")
        documents = read_documents(reading, "input_documents")
        if documents:
            fields["documents"] = documents
        return _json(fields) if fields else None
    if kind == "EMBEDDING":
        texts = read_texts(reading) or _embedded(reading)
        return _json({"input": texts}) if texts else None
    return None


def _embedded(reading: Reading) -> list[Any]:
    """Return texts that were embedded but written as messages."""
    for hit in reading.get("input_messages"):
        messages = read_messages(_held(reading.value(hit)))
        if messages:
            return [message["content"] for message in messages]
    return []


def _found(reading: Reading, told: Told, kind: str) -> Content | None:
    if kind == "EMBEDDING":
        sizes = read_sizes(reading)
        return _json(sizes) if sizes else None
    documents = (
        read_documents(reading, "documents")
        or read_documents(reading, "document_lists")
        or told.documents
    )
    return _json(documents) if documents else None


def _tool_output(told: Told) -> Content | None:
    return Content(as_text(told.output)) if told.output else None


def _fields(reading: Reading) -> Content | None:
    fields = _named(reading, "input_fields")
    return _json(fields) if fields else None


def _named(reading: Reading, concept: str) -> dict[str, Any]:
    return {hit.detail: read(reading.value(hit)) for hit in reading.get(concept)}
