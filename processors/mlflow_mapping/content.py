"""A value that goes in or comes out, ready to be written."""

from typing import Any, Final

from processors.mlflow_mapping.texts import encode

REDACTED: Final = "<REDACTED>"
"""What Claude Code writes in place of content."""


_OPENING: Final = ("{", "[")
_REPLY: Final = b'{"choices":[{"index":0,"message":{"role":"assistant","content":%b}}]}'


class Content:
    """
    A value to write.

    Args:
        text: as text, or encoded: JSON, or a text in UTF-8.
        chat: whether it is a conversation.
        is_json: whether what is encoded is JSON.

    """

    __slots__ = ("chat", "is_json", "text")

    def __init__(self, text: str | bytes, *, chat: bool = False, is_json: bool = True) -> None:
        self.text = text
        self.chat = chat
        self.is_json = is_json

    def words(self) -> str:
        """Return a text that is no JSON; empty where it is or may be."""
        text = self.text
        if isinstance(text, bytes):
            if self.is_json:
                return ""
            text = text.decode()
        return "" if text[:1] in _OPENING else text


def as_json(value: object, *, chat: bool = False) -> Content:
    """Return a value as JSON."""
    return Content(encode(value), chat=chat)


def turn(text: str, concept: str) -> Content:
    """Return plain text as the one turn of a conversation."""
    if concept == "inputs":
        return as_json({"messages": [{"role": "user", "content": text}]}, chat=True)
    return Content(_REPLY % encode(text), chat=True)


def are_texts(held: Any) -> bool:
    """Whether a value is a list of texts and nothing else."""
    return isinstance(held, list) and bool(held) and all(isinstance(item, str) for item in held)
