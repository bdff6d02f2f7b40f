"""
Conversations in any shape, as OpenAI chat messages, which MLflow's UI renders.

MLflow shows a conversation only if each message has one of four roles, each tool call an id, a
name and arguments as text, and each part of content is text, an image or sound.
"""

from collections.abc import Iterable
from typing import Any, Final

from processors.mlflow_mapping.parts import Draft, Message, first, read_calls, read_part
from processors.mlflow_mapping.texts import as_text, reparse

ROLES: Final = {
    "system": "system", "developer": "system", "systemmessage": "system",
    "systemmessagechunk": "system",
    "user": "user", "human": "user", "humanmessage": "user", "humanmessagechunk": "user",
    "usermessage": "user", "customer": "user",
    "assistant": "assistant", "ai": "assistant", "aimessage": "assistant", "model": "assistant",
    "aimessagechunk": "assistant", "chatbot": "assistant", "assistantmessage": "assistant",
    "agent": "assistant", "bot": "assistant", "tool_call": "assistant",
    "unknown": "assistant",
    "tool": "tool", "function": "tool", "toolmessage": "tool", "tool_response": "tool",
    "toolmessagechunk": "tool", "functionmessage": "tool", "ipython": "tool",
    "functionexecutionresultmessage": "tool", "tool_result": "tool",
}  # fmt: skip
"""Names of roles (lower case, underscores) to the four that MLflow shows."""

_ITEMS: Final = {
    "function_call", "function_call_output", "reasoning", "custom_tool_call", "mcp_call",
    "custom_tool_call_output",
}  # fmt: skip
"""Responses API items that are no messages but belong to the conversation."""

_PLAIN_ROLES: Final = frozenset({"system", "user", "assistant"})
_MAYBE_PARTS: Final = ("[{", '{"')
"""Beginnings of texts that may be parts of a message, written as JSON."""

_READ: Final = frozenset({
    "role", "_role", "content", "_content", "parts", "contents", "blocks", "tool_calls",
    "toolCalls", "tool_call_id", "toolCallId", "function_call", "name", "_name", "reasoning",
    "reasoning_content", "refusal", "type", "data", "lc", "kwargs", "message", "finish_reason",
    "finishReason", "text", "thinking", "function_call_name", "function_call_arguments_json",
    "event.name", "source", "_meta", "meta", "stop_reason",
})  # fmt: skip
_NOISE: Final = frozenset({
    "additional_kwargs", "response_metadata", "usage_metadata", "invalid_tool_calls", "example",
    "tool_call_chunks", "artifact", "chunk_position", "usage", "gen_ai.system", "id", "status",
    "gen_ai.message.index", "timestamp", "index", "created_at", "models_usage", "token_usage",
})  # fmt: skip
"""Keys of messages that are bookkeeping; they stay where they came from."""


def read_messages(value: Any) -> list[Message] | None:
    """Return the messages that a value holds, or ``None`` where it is no conversation."""
    if isinstance(value, dict):
        return read_message(value)
    if not isinstance(value, list) or not value:
        return None
    plain = _plain_turns(value)
    if plain is not None:
        return _join_items(plain)
    if all(isinstance(item, list) for item in value):
        value = [message for batch in value for message in batch]
    messages: list[Message] = []
    for item in value:
        found = read_message(reparse(item)) if isinstance(item, dict | str) else None
        if found is None:
            return None
        messages.extend(found)
    return _join_items(messages) or None


def read_message(item: Any) -> list[Message] | None:
    """Return one message (and the tool results inside it), or ``None`` where it is none."""
    if not isinstance(item, dict):
        return None
    plain = _plain_turn(item)
    if plain is not None:
        return [plain]
    item = _unwrap(item)
    kind = item.get("type")
    if isinstance(kind, str) and kind in _ITEMS and "role" not in item:
        return _read_item(item)
    role = _role(item)
    if role is None:
        return None
    draft = Draft()
    _read_body(draft, item)
    return _finish(draft, role, item)


def _plain_turns(items: list[Any]) -> list[Message] | None:
    """Return usual messages; ``None`` where one of them is none."""
    turns: list[Message] = []
    for item in items:
        turn = _plain_turn(item) if isinstance(item, dict) else None
        if turn is None:
            return None
        turns.append(turn)
    return turns


def _plain_turn(item: dict[str, Any]) -> Message | None:
    """
    Return the usual message, without looking for anything else.

    It is one text of a known role; the assistant's may have calls of tools.
    """
    role = item.get("role")
    if not isinstance(role, str) or role not in _PLAIN_ROLES:
        return None
    size = len(item)
    text = item.get("content")
    if text is not None:
        if size == 3 and role == "assistant" and "tool_calls" in item:
            return _calling_turn(text, item["tool_calls"])
        if size > 2:
            return None
    else:
        text = item.get("parts")
        if text is None or size != 2 + ("finish_reason" in item):
            return None
    if isinstance(text, list):
        text = _only_text(text)
    if not isinstance(text, str) or not is_text(text):
        return None
    finish = item.get("finish_reason")
    message: Message = {"role": role, "content": text}
    return {**message, "finish_reason": as_text(finish)} if finish else message


def is_text(content: str) -> bool:
    """Whether a message's content says something and cannot be parts written as JSON."""
    return bool(content) and content[:2] not in _MAYBE_PARTS


def _calling_turn(text: Any, calls: Any) -> Message | None:
    """Return the assistant's message that calls functions in OpenAI's words and no others."""
    if not isinstance(text, str) or text[:2] in _MAYBE_PARTS or not isinstance(calls, list):
        return None
    turns: list[Message] = []
    for call in calls:
        turn = _plain_call(call) if isinstance(call, dict) else None
        if turn is None:
            return None
        turns.append(turn)
    return {"role": "assistant", "content": text or None, "tool_calls": turns} if turns else None


def _plain_call(call: dict[str, Any]) -> Message | None:
    function, call_id = call.get("function"), call.get("id")
    if not (isinstance(function, dict) and isinstance(call_id, str) and call_id):
        return None
    if len(function) != 2 or len(call) != 2 + ("type" in call):
        return None
    name, arguments = function.get("name"), function.get("arguments")
    if not (isinstance(name, str) and isinstance(arguments, str)):
        return None
    told = {"name": name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": told}


def _only_text(parts: list[Any]) -> Any:
    """Return the text of a message that is nothing but that."""
    part = parts[0] if len(parts) == 1 else None
    if isinstance(part, dict) and len(part) == 2 and part.get("type") == "text":
        return part.get("content", part.get("text"))
    return None


def _unwrap(item: dict[str, Any]) -> dict[str, Any]:
    """Return what LangChain, OpenInference and pydantic-ai's events hold inside."""
    inner = item.get("kwargs") if "lc" in item else None
    if not isinstance(inner, dict) and "content" not in item and "role" not in item:
        inner = item.get("data", item.get("message"))
    if isinstance(inner, dict):
        outer = {key: item[key] for key in ("finish_reason", "type", "function") if key in item}
        names = item.get("id")
        if isinstance(names, list) and names and "type" not in inner:
            outer["type"] = names[-1]
        return {**outer, **inner}
    return item


def _role(item: dict[str, Any]) -> str | None:
    event = item.get("event.name")
    if isinstance(event, str):
        return "assistant" if event == "gen_ai.choice" else _known(event.split(".")[1:2])
    role = item.get("role", item.get("_role"))
    if isinstance(role, dict):
        role = role.get("value")
    if isinstance(role, str) and role:
        return _known([role.rsplit(".", 1)[-1]]) or role
    if any(key in item for key in ("content", "parts", "contents", "data")):
        return _known([item.get("type"), item.get("source")]) or _speaker(item)
    return None


def _speaker(item: dict[str, Any]) -> str | None:
    """Return the role of an agent that AutoGen names as the source of a message."""
    kind = item.get("type")
    if isinstance(kind, str) and kind.endswith(("Message", "Event")) and item.get("source"):
        return "assistant"
    return None


def _known(names: Iterable[Any]) -> str | None:
    for name in names:
        if isinstance(name, str) and (role := ROLES.get(name.lower().replace("-", "_"))):
            return role
    return None


def _read_item(item: dict[str, Any]) -> list[Message]:
    draft = Draft()
    read_part(draft, item)
    if draft.results:
        return draft.results
    return [_assistant(draft)]


def _assistant(draft: Draft) -> Message:
    message: Message = {"role": "assistant", "content": None}
    if draft.reasoning:
        message["reasoning"] = "\n".join(draft.reasoning)
    if draft.calls:
        message["tool_calls"] = draft.calls
    return message


def _read_body(draft: Draft, item: dict[str, Any]) -> None:
    content = first(item, "content", "parts", "contents", "blocks", "_content", "text", "message")
    if isinstance(content, str) and content[:2] in _MAYBE_PARTS:
        content = _parts_in(content)
    if isinstance(content, list):
        for part in content:
            read_part(draft, part)
    elif isinstance(content, dict) and isinstance(content.get("parts"), list):
        for part in content["parts"]:
            read_part(draft, part)
    elif content is not None:
        read_part(draft, content)
    for key in ("reasoning", "reasoning_content", "thinking"):
        if item.get(key):
            draft.think(item[key])
            break
    calls = first(item, "tool_calls", "toolCalls")
    extra = item.get("additional_kwargs")
    if not calls and isinstance(extra, dict):
        calls = extra.get("tool_calls")
    if calls and not draft.calls:
        read_calls(draft, calls)
    _read_function_call(draft, item)
    results = item.get("function")
    if isinstance(results, list):  # OpenInference's AutoGen: what functions answered
        for result in map(reparse, results):
            if isinstance(result, dict):
                read_part(draft, {"type": "tool_result", **result})


def _read_function_call(draft: Draft, item: dict[str, Any]) -> None:
    """Read OpenAI's old single call, and OpenInference's flattened form of it."""
    old = item.get("function_call")
    if isinstance(old, dict) and old.get("name"):
        read_calls(draft, [old])
    elif item.get("function_call_name"):
        arguments = item.get("function_call_arguments_json")
        draft.call(None, item["function_call_name"], arguments)


def _parts_in(text: str) -> Any:
    """Return the parts that a content text holds as JSON, or the text itself."""
    parsed = reparse(text)
    items = parsed if isinstance(parsed, list) else [parsed]
    if all(isinstance(part, dict) and _is_part(part) for part in items):
        return parsed
    return text


def _is_part(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    if isinstance(kind, str):
        return kind in {"text", "image_url", "tool_use", "tool_result", "image", "thinking",
                        "tool_call", "tool_call_response", "input_text", "output_text", "document",
                        "redacted_thinking", "server_tool_use", "input_image", "file"}  # fmt: skip
    return bool(set(part) & {"text", "toolUse", "toolResult", "reasoningContent"}) and len(part) < 3


def _finish(draft: Draft, role: str, item: dict[str, Any]) -> list[Message]:
    if role == "tool":
        return _tool_messages(draft, item)
    message: Message = {"role": role, "content": _content(draft, role)}
    if role not in ("system", "user", "assistant"):
        message = {"role": "user", "content": message["content"], "name": role}
    name = first(item, "name", "_name", "source")
    if isinstance(name, str) and name and name != role and "name" not in message:
        message["name"] = as_text(name)
    if draft.reasoning:
        message["reasoning"] = "\n".join(draft.reasoning)
    if draft.calls:
        message["tool_calls"] = draft.calls
    if refusal := draft.refusal or item.get("refusal"):
        message["refusal"] = as_text(refusal)
    if finish := first(item, "finish_reason", "finishReason", "stop_reason"):
        message["finish_reason"] = as_text(finish)
    for key, value in item.items():
        if key not in _READ and key not in _NOISE and value not in (None, "", [], {}):
            message.setdefault(key, value)
    if draft.results and not (draft.content or draft.calls or draft.reasoning):
        return draft.results
    return [*draft.results, message]


def _content(draft: Draft, role: str) -> Any:
    if not draft.content:
        return None if draft.calls or draft.reasoning or role == "assistant" else ""
    if len(draft.content) == 1 and not draft.rich:
        return draft.content[0]["text"]
    return draft.content


def _tool_messages(draft: Draft, item: dict[str, Any]) -> list[Message]:
    if draft.results:
        return draft.results
    call_id = first(item, "tool_call_id", "toolCallId", "call_id", "id")
    text = "\n".join(part.get("text", "") for part in draft.content)
    draft.result(call_id, item.get("name"), draft.content if draft.rich else text)
    return draft.results


def _join_items(messages: list[Message]) -> list[Message]:
    """Join the Responses API's items of one turn: reasoning, calls and text."""
    if len(messages) < 2:
        return messages
    joined: list[Message] = []
    for message in messages:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last["role"] == message["role"] == "assistant"
            and last["content"] is None
            and "finish_reason" not in last
            and (message["content"] is None or "tool_calls" not in last)
        ):
            joined[-1] = _join(last, message)
        else:
            joined.append(message)
    return joined


def _join(one: Message, two: Message) -> Message:
    message = {**one, **two}
    if calls := one.get("tool_calls", []) + two.get("tool_calls", []):
        message["tool_calls"] = calls
    thoughts = [text for text in (one.get("reasoning"), two.get("reasoning")) if text]
    if thoughts:
        message["reasoning"] = "\n".join(thoughts)
    return message


def is_empty(messages: Iterable[Message]) -> bool:
    """Whether no message says anything, as when the sender leaves content out."""
    for message in messages:
        if (
            message.get("content")
            or message.get("tool_calls")
            or message.get("reasoning")
            or message.get("refusal")
        ):
            return False
    return True


def as_choices(messages: list[Message], finish: str | None) -> dict[str, Any]:
    """Return what a model answered: choices, or messages where others than it speak."""
    for message in messages:
        if message["role"] != "assistant":
            return {"messages": messages}
    if len(messages) == 1:
        return {"choices": [_choice(0, messages[0], finish)]}
    return {"choices": [_choice(number, message, None) for number, message in enumerate(messages)]}


def _choice(number: int, message: Message, finish: str | None) -> dict[str, Any]:
    message = dict(message)
    reason = message.pop("finish_reason", finish)
    content = message["content"]
    if isinstance(content, list):  # MLflow shows an answer only if its content is text
        message["content"] = "\n".join(part["text"] for part in content if "text" in part)
        if any(part.keys() != {"type", "text"} for part in content):
            message["content_parts"] = content
    choice = {"index": number, "message": message}
    return {**choice, "finish_reason": reason} if reason else choice
