"""
What MLflow's UI can show, as its own checks have it.

Source: mlflow/server/js, ModelTraceExplorer.utils: isRawModelTraceChatMessage, isModelTraceChoices,
isModelTraceChatTool; mlflow.tracing.utils.truncation for previews.
"""

from typing import Any


def _is_part(part: Any) -> bool:
    kind = part.get("type")
    if kind == "text":
        return isinstance(part.get("text"), str)
    if kind == "image_url":
        return isinstance(part["image_url"].get("url"), str)
    if kind == "input_audio":
        sound = part["input_audio"]
        return isinstance(sound.get("data"), str) and sound.get("format") in ("wav", "mp3")
    return False


def is_message(message: Any) -> bool:
    """Whether the UI renders a message."""
    calls = message.get("tool_calls") or []
    content = message["content"]
    return (
        message["role"] in ("system", "user", "assistant", "tool")
        and all(
            isinstance(call["id"], str)
            and isinstance(call["function"]["name"], str)
            and isinstance(call["function"]["arguments"], str)
            for call in calls
        )
        and (content is None or isinstance(content, str) or all(map(_is_part, content)))
    )


def is_conversation(value: Any) -> bool:
    """Whether the UI renders inputs or outputs as a conversation."""
    try:
        return _is_conversation(value)
    except (AttributeError, KeyError, TypeError):  # it lacks what the UI looks for
        return False


def _is_conversation(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    if messages := value.get("messages"):
        return all(map(is_message, messages))
    return bool(value.get("choices")) and all(
        is_message(choice["message"])
        and (choice["message"]["content"] is None or isinstance(choice["message"]["content"], str))
        for choice in value["choices"]
    )


def is_tool(tool: Any) -> bool:
    """Whether the UI lists a tool."""
    return tool["type"] == "function" and isinstance(tool["function"]["name"], str)
