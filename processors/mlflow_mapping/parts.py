"""
Parts of a message (text, media, tool calls, results, reasoning) in any vendor's shape.

Known: OpenAI chat and Responses, OpenTelemetry GenAI, Anthropic, Gemini, Bedrock, Vercel AI,
LangChain, LlamaIndex, Haystack, AutoGen, OpenInference.
"""

from collections.abc import Callable
from typing import Any, Final

from processors.mlflow_mapping.texts import as_text, dump, reparse

Part = dict[str, Any]
Message = dict[str, Any]

_SPOKEN: Final = ("wav", "mp3")
_WRAPPERS: Final = ("message_content", "value", "root")


class Draft:
    """One message being read."""

    __slots__ = ("calls", "content", "reasoning", "refusal", "results", "rich")

    def __init__(self) -> None:
        self.content: list[Message] = []
        self.rich = False
        """Whether there is anything but text."""
        self.calls: list[Message] = []
        self.results: list[Message] = []
        self.reasoning: list[str] = []
        self.refusal: str | None = None

    def text(self, text: object) -> None:
        """Add text; empty text only where there is nothing else."""
        if text is not None and text != "":
            self.content.append({"type": "text", "text": as_text(text)})

    def call(self, call_id: object, name: object, arguments: object, **more: object) -> None:
        """Add a tool call; arguments become JSON text."""
        self.calls.append(
            {
                "id": as_text(call_id or name or ""),
                "type": "function",
                "function": {
                    "name": as_text(name or ""),
                    "arguments": as_text({} if arguments is None else arguments),
                },
                **{key: value for key, value in more.items() if value is not None},
            }
        )

    def result(self, call_id: object, name: object, content: object) -> None:
        """Add what a tool answered, as a message of its own."""
        message: Message = {"role": "tool", "content": result_text(content)}
        if call_id:
            message["tool_call_id"] = as_text(call_id)
        if name:
            message["name"] = as_text(name)
        self.results.append(message)

    def image(self, url: str, detail: object = None) -> None:
        """Add an image by address or as a data URL."""
        self.rich = True
        image: Message = {"url": url}
        if detail in ("auto", "low", "high"):
            image["detail"] = detail
        self.content.append({"type": "image_url", "image_url": image})

    def audio(self, data: str, kind: str) -> None:
        """Add sound in a form that MLflow plays."""
        self.rich = True
        self.content.append({"type": "input_audio", "input_audio": {"data": data, "format": kind}})

    def file(self, label: object, part: object) -> None:
        """Add what MLflow cannot show as a readable line that carries the part itself."""
        self.rich = True
        self.content.append({"type": "text", "text": f"[{label}]", "part": part})

    def think(self, text: object) -> None:
        """Add reasoning."""
        text = reparse(text)
        if isinstance(text, list):
            text = "\n".join(as_text(_inner(item)) for item in text)
        if text:
            self.reasoning.append(as_text(text))

    def media(self, kind: object, mime: object, url: object, data: object, part: Part) -> None:
        """Add a picture, sound or file by address or content."""
        mime_type = as_text(mime or "")
        family = as_text(kind or "") or mime_type.split("/", 1)[0]
        sound = mime_type.split("/", 1)[-1].replace("mpeg", "mp3").replace("x-wav", "wav")
        if family == "image" and isinstance(url, str) and url:
            self.image(url, part.get("detail"))
        elif family == "image" and isinstance(data, str) and data:
            self.image(_data_url(data, mime_type or "image/png"))
        elif family == "audio" and isinstance(data, str) and sound in _SPOKEN:
            self.audio(data, sound)
        else:
            name = part.get("filename") or part.get("name") or part.get("title") or url
            label = f"{family or 'file'}: {name}" if name else (mime_type or family or "file")
            self.file(label, part)


def _data_url(data: str, mime: str) -> str:
    return data if data.startswith(("data:", "http")) else f"data:{mime};base64,{data}"


def _inner(item: object) -> object:
    if isinstance(item, dict):
        return item.get("text") or item.get("content") or item.get("summary") or dump(item)
    return item


def result_text(content: object) -> str:
    """Return what a tool answered as text: parts of text joined, anything else as JSON."""
    if isinstance(content, dict) and set(content) <= {"type", "value"} and "value" in content:
        content = content["value"]
    if isinstance(content, dict) and set(content) == {"content"}:
        content = content["content"]
    if isinstance(content, list) and content:
        texts = [item if isinstance(item, str) else _plain_text(item) for item in content]
        if all(text is not None for text in texts):
            return "\n".join(text for text in texts if text is not None)
    return "" if content is None else as_text(content)


def _plain_text(item: object) -> str | None:
    if not isinstance(item, dict) or not set(item) <= {"type", "text", "content"}:
        return None
    text = item.get("text", item.get("content"))
    return text if isinstance(text, str) else None


def _text(draft: Draft, part: Part) -> None:
    text = part.get("text", part.get("content", part.get("input_text")))
    if isinstance(text, dict):
        text = text.get("value", text)
    if part.get("thought") is True:
        draft.think(text)
    else:
        draft.text(text)


def _refusal(draft: Draft, part: Part) -> None:
    draft.refusal = as_text(part.get("refusal") or part.get("text") or "")


def _think(draft: Draft, part: Part) -> None:
    for key in ("content", "thinking", "reasoning", "text", "summary", "reasoning_content"):
        if part.get(key):
            draft.think(part[key])
            return
    inner = part.get("reasoningText") or part.get("reasoning_text")
    if isinstance(inner, dict):
        draft.think(inner.get("text"))
    elif part.get("data") or part.get("encrypted_content"):
        draft.think("[encrypted]")


def _call(draft: Draft, part: Part) -> None:
    for key in (
        "tool_call",
        "toolCall",
        "function_call",
        "functionCall",
        "toolUse",
        "tool_use",
        "toolRequest",
    ):
        inner = part.get(key)
        if isinstance(inner, dict):
            part = inner
            break
    function = part.get("function")
    if isinstance(function, dict):
        part = {**part, **function}
    draft.call(
        first(
            part, "call_id", "id", "toolCallId", "toolUseId", "tool_call_id", "tool_use_id", "ref"
        ),
        first(part, "name", "toolName", "tool_name", "function_name"),
        first(
            part,
            "arguments",
            "args",
            "input",
            "parameters",
            "tool_kwargs",
            "arguments_json",
            "server_tool_call",
        ),
        thought_signature=first(part, "thought_signature", "reasoning_signature"),
    )


def _result(draft: Draft, part: Part) -> None:
    for key in (
        "tool_call_result", "toolResult", "tool_result", "function_response", "functionResponse",
        "toolResponse",
    ):  # fmt: skip
        inner = part.get(key)
        if isinstance(inner, dict):
            part = inner
            break
    origin = part.get("origin")
    if isinstance(origin, dict):
        part = {**origin, **part}
    draft.result(
        first(
            part, "call_id", "tool_use_id", "toolCallId", "toolUseId", "tool_call_id", "id", "ref"
        ),
        first(part, "name", "toolName", "tool_name"),
        first(
            part, "response", "result", "output", "content", "value", "server_tool_call_response"
        ),
    )


def _image(draft: Draft, part: Part) -> None:
    source = part.get("image_url") or part.get("image") or part.get("source") or part
    url = mime = data = None
    if isinstance(source, dict):
        inner = source.get("image", source)  # OpenInference: image.image.url
        source = inner if isinstance(inner, dict) else source
        url = first(source, "url", "uri", "fileUri", "file_uri")
        data = first(source, "data", "content", "bytes", "base64")
        mime = first(source, "media_type", "mime_type", "mimeType", "mediaType")
        if isinstance(data, dict):  # Bedrock: source.bytes
            data = data.get("bytes")
    elif isinstance(source, str):
        url = source if source.startswith(("http", "data:", "gs:", "file:", "s3:")) else None
        data = None if url else source
    mime = mime or first(part, "media_type", "mime_type", "mimeType", "mediaType")
    draft.media("image", mime, url, data, part)


def _audio(draft: Draft, part: Part) -> None:
    source = part.get("input_audio") or part.get("audio") or part
    if not isinstance(source, dict):
        source = part
    inner = source.get("audio", source)
    source = inner if isinstance(inner, dict) else source
    mime = first(source, "mime_type", "media_type", "mimeType", "mediaType")
    kind = source.get("format")
    data = first(source, "data", "content")
    draft.media("audio", mime or f"audio/{kind or ''}", source.get("url"), data, part)
    if transcript := source.get("transcript"):
        draft.text(transcript)


def _media(draft: Draft, part: Part) -> None:
    for key in ("inline_data", "inlineData", "file_data", "fileData", "source", "file", "media"):
        inner = part.get(key)
        if isinstance(inner, dict):
            part = {**part, **inner}
            break
    draft.media(
        part.get("modality"),
        first(part, "mime_type", "mimeType", "media_type", "mediaType", "contentType"),
        first(part, "uri", "url", "file_uri", "fileUri", "file_url"),
        first(part, "content", "data", "file_data"),
        part,
    )


def _video(draft: Draft, part: Part) -> None:
    source = part.get("video_url") or part.get("video") or part
    url = source.get("url") if isinstance(source, dict) else source
    draft.media("video", None, url, None, part)


def _document(draft: Draft, part: Part) -> None:
    source = part.get("source") or part.get("document") or part.get("file") or part
    url = name = None
    if isinstance(source, dict):
        url = first(source, "url", "uri")
        name = first(source, "title", "name", "filename", "file_name", "file_id")
    draft.file(f"document: {part.get('title') or name or url or 'inline'}", part)


def first(part: Part, *keys: str) -> Any:
    """Return the first value that is there."""
    for key in keys:
        value = part.get(key)
        if value is not None:
            return value
    return None


_Reader = Callable[[Draft, Part], None]

BY_TYPE: dict[str, _Reader] = {
    "text": _text, "input_text": _text, "output_text": _text, "text_delta": _text,
    "textcontent": _text, "summary_text": _text, "plain_text": _text,
    "refusal": _refusal,
    "reasoning": _think, "thinking": _think, "redacted_thinking": _think,
    "reasoning_content": _think, "reasoning_text": _think, "redacted_reasoning": _think,
    "tool_call": _call, "tool_use": _call, "function_call": _call, "server_tool_use": _call,
    "mcp_tool_use": _call, "server_tool_call": _call, "toolcall": _call, "mcp_call": _call,
    "builtin_tool_call": _call, "custom_tool_call": _call, "tool_call_request": _call,
    "tool_call_response": _result, "tool_result": _result, "function_call_output": _result,
    "server_tool_call_response": _result, "mcp_tool_result": _result, "toolresult": _result,
    "web_search_tool_result": _result, "builtin_tool_return": _result, "tool_return": _result,
    "custom_tool_call_output": _result, "function_response": _result,
    "image": _image, "image_url": _image, "input_image": _image,
    "audio": _audio, "input_audio": _audio, "audio_url": _audio,
    "video": _video, "video_url": _video,
    "document": _document, "document_url": _document, "input_file": _document,
    "file": _media, "uri": _media, "blob": _media, "binary": _media, "media": _media,
}  # fmt: skip
"""Part type (lower case, underscores) to its reader."""

BY_KEY: dict[str, _Reader] = {
    "thought": _text, "text": _text,
    "function_call": _call, "functionCall": _call, "toolUse": _call, "tool_call": _call,
    "function_response": _result, "functionResponse": _result, "toolResult": _result,
    "tool_call_result": _result, "tool_result": _result,
    "toolRequest": _call, "toolResponse": _result, "media": _media,
    "inline_data": _media, "inlineData": _media, "file_data": _media, "fileData": _media,
    "reasoningContent": lambda draft, part: _think(draft, part["reasoningContent"]),
    "reasoning": _think, "thinking": _think,
    "image": _image, "image_url": _image, "audio": _audio, "video": _video,
    "document": _document,
    "call_id": _result, "arguments": _call,
}  # fmt: skip
"""Telling key of parts without a type, to their reader."""


def read_part(draft: Draft, part: Any) -> None:
    """Add one part to a message; what no reader knows stays as a readable line of JSON."""
    if isinstance(part, str):
        draft.text(part)
        return
    if not isinstance(part, dict):
        if part is not None:
            draft.text(dump(part))
        return
    for key in _WRAPPERS:
        inner = part.get(key)
        if isinstance(inner, dict) and len(part) == 1:
            part = inner
    kind = part.get("type", part.get("block_type", part.get("part_kind")))
    if isinstance(kind, str) and (known := BY_TYPE.get(kind.lower().replace("-", "_"))):
        known(draft, part)
        return
    for key, reader in BY_KEY.items():
        if part.get(key) is not None:
            reader(draft, part)
            return
    draft.text(dump(part))


def read_calls(draft: Draft, calls: Any) -> None:
    """Add a list of tool calls in any shape."""
    calls = reparse(calls)
    if isinstance(calls, dict):
        calls = [calls]
    for call in reparse(calls) if isinstance(calls, list) else ():
        if isinstance(call, dict):
            _call(draft, call)
