"""The conversation of a model's call: what it was asked and what it answered."""

from collections.abc import Callable
from typing import Any, Final

from processors.mlflow_mapping.content import REDACTED, Content, are_texts, as_json, turn
from processors.mlflow_mapping.events import Told
from processors.mlflow_mapping.messages import as_choices, is_empty, is_text, read_messages
from processors.mlflow_mapping.parts import Draft, Message, read_calls
from processors.mlflow_mapping.plan import Reading
from processors.mlflow_mapping.requests import read_answer, read_request, system_messages
from processors.mlflow_mapping.texts import as_text, reparse


def ready(reading: Reading, concept: str, is_ready: Callable[[bytes], bool]) -> Content | None:
    """Return what is written in the wanted shape already."""
    for hit in reading.get(concept):
        text = reading.fields.utf8(hit.place)
        if text[:1] == b"{" and is_ready(text):
            return Content(text, chat=True)
    return None


def conversation(reading: Reading, told: Told) -> Content | None:
    """Return what a model was asked, with the settings beside the messages."""
    messages, rest = messages_in(reading, told)
    if not messages:
        return None
    return as_json({**rest, "messages": with_system(reading, messages)}, chat=True)


def messages_in(reading: Reading, told: Told) -> tuple[list[Message], dict[str, Any]]:
    """Return the messages that went in, and the other fields of the request that holds them."""
    for listed in reading.lists("input_groups"):
        messages = read_messages(listed)
        if messages and not is_empty(messages):
            return messages, {}
    for hit in reading.get("input_messages"):
        request = read_request(_asked(reparse(reading.held(hit))))
        if request and not is_empty(request[0]):
            return request[0], small(request[1])
    if told.messages:
        return told.messages, {}
    return [], {}


def _asked(held: Any) -> Any:
    """Return pydantic-ai's old list of events without the answer at its end."""
    if isinstance(held, list) and any(_is_choice(item) for item in held):
        return [item for item in held if not _is_choice(item)]
    return held


def _is_choice(item: Any) -> bool:
    return isinstance(item, dict) and item.get("event.name") == "gen_ai.choice"


def small(rest: dict[str, Any]) -> dict[str, Any]:
    """Return a request's other fields where they are settings, not a second conversation."""
    return {key: value for key, value in rest.items() if key not in ("config", "tools")}


def with_system(reading: Reading, messages: list[Message]) -> list[Message]:
    """Return messages that begin with the system prompt, where it was written apart."""
    if any(message["role"] == "system" for message in messages):
        return messages
    for hit in reading.get("system"):
        system = system_messages(reparse(reading.held(hit)))
        if system:
            return [*system, *messages]
    return messages


def prompts(reading: Reading, kind: str) -> Content | None:
    """Return prompts that were written without roles, one or a list."""
    written = [reparse(reading.held(hit)) for hit in reading.get("input_messages")]
    for found in (*reading.lists("input_groups"), *written):
        if not found or found == REDACTED:
            continue
        held = [_prompt_in(item) for item in found] if isinstance(found, list) else found
        texts = [held] if isinstance(held, str) else held
        if kind == "CHAT_MODEL" and are_texts(texts):
            return as_json({"messages": [{"role": "user", "content": t} for t in texts]}, chat=True)
        if not isinstance(held, list) or not _says_nothing(held):
            return Content(held) if isinstance(held, str) else as_json({"prompt": held})
    return None


def _prompt_in(item: Any) -> Any:
    """Return the text of a prompt that OpenInference or old Traceloop writes beside its name."""
    if isinstance(item, dict) and len(item) == 1:
        (name, text), *_ = item.items()
        return text if name in ("text", "user") and isinstance(text, str) else item
    return item


def _says_nothing(held: list[Any]) -> bool:
    return all(isinstance(item, dict) and set(item) <= {"role"} for item in held)


def answer(reading: Reading, told: Told) -> Content | None:
    """Return what a model answered, ``None`` where the span does not say."""
    finish = _finish(reading)
    for listed in reading.lists("output_groups"):
        messages = read_messages(_with_role(listed))
        if messages and not is_empty(messages):
            return as_json(as_choices(messages, finish), chat=True)
    for hit in reading.get("output_messages"):
        held = reparse(reading.held(hit))
        answer = read_answer(held)
        if answer and not is_empty(answer):
            return as_json(as_choices(answer, finish), chat=True)
        texts = [held] if isinstance(held, str) and held not in ("", REDACTED) else held
        if are_texts(texts):
            said = [{"role": "assistant", "content": text} for text in texts]
            return as_json(as_choices(said, finish), chat=True)
    chosen = _chosen(reading)
    if chosen:
        return as_json(as_choices(chosen, finish), chat=True)
    reply = _reply(reading)
    if reply:
        return as_json(as_choices([reply], finish), chat=True)
    if told.answers:
        return as_json(as_choices(told.answers, finish), chat=True)
    return None


def one_reply(reading: Reading) -> Content | None:
    """Return the usual answer, one text of the assistant, without looking for anything else."""
    trees = reading.layout.trees.get("output_groups")
    if not trees or trees[0].turn is None or "finish" in reading.hits:
        return None
    fields = reading.fields
    role, content = trees[0].turn
    text = fields.text(content)
    if not is_text(text) or fields.text(role) != "assistant":
        return None
    return turn(text, "outputs")


def _chosen(reading: Reading) -> list[Message] | None:
    """Return the answer at the end of pydantic-ai's old list of events."""
    for hit in reading.get("input_messages"):
        if hit.key in ("events", "all_messages_events"):
            held = reparse(reading.held(hit))
            if isinstance(held, list):
                return read_messages([item for item in held if _is_choice(item)])
    return None


def _with_role(items: list[Any]) -> list[Any]:
    return [
        {**item, "role": "assistant"} if isinstance(item, dict) and not item.get("role") else item
        for item in items
    ]


def _reply(reading: Reading) -> Message | None:
    """Return the assistant's message that was written field by field."""
    draft = Draft()
    files: Any = None
    for hit in reading.get("reply"):
        held = reading.held(hit)
        if held in (None, "", [], {}, REDACTED):
            continue
        if hit.detail == "tool_calls":
            read_calls(draft, held)
        elif hit.detail == "reasoning":
            draft.think(held)
        elif hit.detail == "files":
            files = held
        elif not draft.content:
            draft.text(reading.text(hit) or held)
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


_reasons: Final[dict[bytes, str]] = {}
"""Why answers ended, by how that is encoded: there are few reasons, and most stand in lists."""
_REASONS: Final = 256
_LONGEST_REASON: Final = 64


def _finish(reading: Reading) -> str | None:
    for hit in reading.get("finish"):
        raw = reading.fields.raw(hit.place)
        reason = None if raw is None else _reasons.get(raw)
        if reason is None:
            reason = _first_text(reading.held(hit))
            if raw is not None and len(raw) <= _LONGEST_REASON:
                if len(_reasons) >= _REASONS:
                    _reasons.clear()
                _reasons[raw] = reason
        if reason:
            return reason
    return None


def _first_text(held: Any) -> str:
    """Return a value, or the first one of a list, as text; empty where there is nothing."""
    if isinstance(held, list):
        held = held[0] if held else None
    return as_text(held) if held else ""
