"""A value that goes in or comes out, ready to be written."""

from typing import Any, Final

import msgspec

from processors.mlflow_mapping.texts import encode

REDACTED: Final = "<REDACTED>"
"""What Claude Code writes in place of content."""


_REPLY: Final = b'{"choices":[{"index":0,"message":{"role":"assistant","content":%b}}]}'


class Content(msgspec.Struct, frozen=True, gc=False):
    """A value to write, as text or encoded JSON, and whether it is a conversation."""

    text: str | bytes
    chat: bool = False


def as_json(value: object, *, chat: bool = False) -> Content:
    """Return a value as JSON."""
    return Content(encode(value), chat)


def turn(text: str, concept: str) -> Content:
    """Return plain text as the one turn of a conversation."""
    if concept == "inputs":
        return as_json({"messages": [{"role": "user", "content": text}]}, chat=True)
    return Content(_REPLY % encode(text), chat=True)


def are_texts(held: Any) -> bool:
    """Whether a value is a list of texts and nothing else."""
    return isinstance(held, list) and bool(held) and all(isinstance(item, str) for item in held)
