"""
Requests and answers that already have the shape which MLflow renders.

They are taken as they are, without rebuilding: nothing is lost and little time is spent.
"""

from typing import Any, Literal

import msgspec


class _Function(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct):
    id: str
    function: _Function


class _TextPart(msgspec.Struct, tag="text", tag_field="type"):
    text: str


class _Url(msgspec.Struct):
    url: str
    detail: Literal["auto", "low", "high"] | None = None


class _ImagePart(msgspec.Struct, tag="image_url", tag_field="type"):
    image_url: _Url


class _Sound(msgspec.Struct):
    data: str
    format: Literal["wav", "mp3"]


class _SoundPart(msgspec.Struct, tag="input_audio", tag_field="type"):
    input_audio: _Sound


class _Message(msgspec.Struct):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[_TextPart | _ImagePart | _SoundPart] | None
    tool_calls: list[_Call] | None = None
    function_call: None = None


class _Request(msgspec.Struct):
    messages: list[_Message]
    system: Any = None
    instructions: Any = None
    system_instruction: Any = None
    input: Any = None


class _Reply(msgspec.Struct):
    role: Literal["assistant"]
    content: str | None
    tool_calls: list[_Call] | None = None
    function_call: None = None
    reasoning_content: None = None


class _Choice(msgspec.Struct):
    message: _Reply


class _Answer(msgspec.Struct):
    choices: list[_Choice] = []
    messages: list[_Message] = []


_request = msgspec.json.Decoder(_Request).decode
_answer = msgspec.json.Decoder(_Answer).decode


def is_ready_request(text: bytes) -> bool:
    """Whether a text is a chat request in OpenAI's shape, its system prompt among the messages."""
    if text.find(b'"messages"') < 0:  # "in" would raise and drop an exception before it looks
        return False
    try:
        request = _request(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return bool(request.messages) and not (
        request.system or request.instructions or request.system_instruction or request.input
    )


def is_ready_answer(text: bytes) -> bool:
    """Whether a text is a chat completion, or a list of messages, in OpenAI's shape."""
    if text.find(b'"choices"') < 0 and text.find(b'"messages"') < 0:
        return False
    try:
        answer = _answer(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return bool(answer.choices) != bool(answer.messages)
