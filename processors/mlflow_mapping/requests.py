"""Whole requests to models and their answers, as vendors shape them, turned into conversations."""

from typing import Any, Final

from processors.mlflow_mapping.messages import is_empty, read_message, read_messages
from processors.mlflow_mapping.parts import Message, first
from processors.mlflow_mapping.texts import as_text, reparse
from processors.mlflow_mapping.wrappers import unwrapped

_MESSAGES: Final = ("messages", "contents", "input", "prompt", "chat_history", "items", "history")
_SYSTEM: Final = ("system", "instructions", "system_instruction", "systemInstruction", "preamble")


def system_messages(value: Any) -> list[Message]:
    """Return a system prompt, in any shape, as a message; an empty list where there is none."""
    value = reparse(value)
    if isinstance(value, dict) and isinstance(value.get("parts"), list):
        value = value["parts"]
    if isinstance(value, dict) and "role" in value:
        return read_messages([value]) or []
    if isinstance(value, list) and value and all(
        isinstance(item, dict) and "role" in item for item in value
    ):  # fmt: skip
        return read_messages(value) or []
    if value in (None, "", [], {}):
        return []
    found = read_message({"role": "system", "content": value})
    return found if found and not is_empty(found) else []


def read_request(value: Any) -> tuple[list[Message], dict[str, Any]] | None:
    """
    Return the conversation that a request holds, and its other fields.

    A plain prompt counts only beside other signs of a conversation.
    """
    value = _conversation_in(value)
    if isinstance(value, list):
        messages = read_messages(value)
        return (messages, {}) if messages else None
    if not isinstance(value, dict):
        return None
    for key in _MESSAGES:
        if key not in value:
            continue
        held = reparse(value[key])
        if isinstance(held, dict):
            held = held.get("messages", [held])
        messages = read_messages(held) if isinstance(held, list) else None
        if messages is None and isinstance(held, str) and held and _is_prompt(key, value):
            messages = [{"role": "user", "content": held}]
        if messages:
            rest = {k: v for k, v in value.items() if k != key and k not in _SYSTEM}
            if isinstance(value.get("message"), str):  # Cohere: the last turn stands alone
                messages.append({"role": "user", "content": rest.pop("message")})
            return [*_system_of(value), *messages], rest
    if "lc" in value or value.keys() == {"type", "data"}:  # LangChain: one message
        messages = read_message(value)
        return (messages, {}) if messages else None
    return None


def _conversation_in(value: Any) -> Any:
    """Return what holds the messages: the value, what a wrapper holds, or a state inside it."""
    value = unwrapped(value)
    if isinstance(value, dict):
        for key in ("inputs", "outputs"):
            inner = value.get(key)
            if isinstance(inner, dict) and "messages" in inner:
                return inner
    return value


def _is_prompt(key: str, value: dict[str, Any]) -> bool:
    if key not in ("prompt", "input", "contents"):
        return False
    return key == "prompt" or "instructions" in value or "model" in value


def _system_of(value: dict[str, Any]) -> list[Message]:
    system = first(value, *_SYSTEM)
    config = value.get("config")
    if system is None and isinstance(config, dict):
        system = first(config, *_SYSTEM)
    return system_messages(system)


def read_answer(value: Any) -> list[Message] | None:
    """Return the messages that a model's answer holds, or ``None`` where it is none."""
    value = _conversation_in(value)
    if isinstance(value, list):
        return _choices(value) or read_messages(value)
    if not isinstance(value, dict):
        return None
    for reader in (_openai, _generations, _gemini, _output, _message, _fields):
        messages = reader(value)
        if messages:
            return messages
    return None


def _openai(value: dict[str, Any]) -> list[Message] | None:
    return _choices(value.get("choices"))


def _choices(choices: Any) -> list[Message] | None:
    if not isinstance(choices, list) or not choices:
        return None
    messages: list[Message] = []
    for choice in choices:
        if not isinstance(choice, dict):
            return None
        held = choice.get("message", choice.get("delta"))
        if isinstance(held, dict):
            found = read_message({"role": "assistant", **held})
        elif isinstance(choice.get("text"), str) and "role" not in choice:
            found = [{"role": "assistant", "content": choice["text"]}]
        else:
            return None
        if not found:
            return None
        if reason := choice.get("finish_reason"):
            found[-1]["finish_reason"] = as_text(reason)
        messages.extend(found)
    return messages


def _generations(value: dict[str, Any]) -> list[Message] | None:
    """LangChain's LLMResult."""
    batches = value.get("generations")
    if not isinstance(batches, list):
        return None
    messages: list[Message] = []
    for generation in (g for batch in batches if isinstance(batch, list) for g in batch):
        if not isinstance(generation, dict):
            return None
        found = read_message(generation.get("message"))
        if found is None and isinstance(generation.get("text"), str):
            found = [{"role": "assistant", "content": generation["text"]}]
        if found is None:
            return None
        info = generation.get("generation_info")
        if isinstance(info, dict) and info.get("finish_reason"):
            found[-1]["finish_reason"] = as_text(info["finish_reason"])
        messages.extend(found)
    return messages or None


def _gemini(value: dict[str, Any]) -> list[Message] | None:
    candidates = value.get("candidates")
    if not isinstance(candidates, list):
        return None
    messages: list[Message] = []
    for candidate in candidates:
        content = candidate.get("content") if isinstance(candidate, dict) else None
        if isinstance(content, list):
            content = {"parts": [p for c in content if isinstance(c, dict) for p in c["parts"]]}
        if not isinstance(content, dict):
            return None
        found = read_message({"role": "model", **content})
        if found is None:
            return None
        if reason := first(candidate, "finishReason", "finish_reason"):
            found[-1]["finish_reason"] = as_text(reason)
        messages.extend(found)
    return messages or None


def _output(value: dict[str, Any]) -> list[Message] | None:
    """Responses API, Bedrock's Converse, and chains that hold their answer under a name."""
    for key in ("output", "messages", "message", "response"):
        held = reparse(value.get(key))
        if isinstance(held, dict) and isinstance(held.get("message"), dict):
            held = held["message"]
        found = read_messages(held) if isinstance(held, list | dict) else None
        if found:
            if reason := first(
                value, "stopReason", "stop_reason", "finish_reason", "done_reason", "finishReason"
            ):
                found[-1].setdefault("finish_reason", as_text(reason))
            return found
    return None


def _fields(value: dict[str, Any]) -> list[Message] | None:
    """Vercel's and Mastra's results: text beside tool calls and files."""
    if isinstance(value.get("text"), str) and value.keys() & {"toolCalls", "files"}:
        calls = value.get("toolCalls")
        return read_message({"role": "assistant", "content": value["text"], "tool_calls": calls})
    return None


def _message(value: dict[str, Any]) -> list[Message] | None:
    """Anthropic, ADK and others whose answer is a message itself."""
    content = value.get("content")
    if isinstance(content, dict) and "parts" in content:
        return read_message({"role": "model", **content})
    if "role" in value or "lc" in value or "data" in value or value.get("type") in ("ai", "tool"):
        return read_message(value)
    if isinstance(content, list) and ("stop_reason" in value or "usage" in value):
        return read_message({"role": "assistant", **value})
    return None
