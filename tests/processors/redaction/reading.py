"""Read values as an attacker would: with escapes undone, JSON parsed, percent signs decoded."""

import json
from collections.abc import Iterator
from urllib.parse import unquote

from gateway.otlp.values import Value


def texts(value: object) -> Iterator[str]:
    """Yield every text in a value, JSON in strings parsed as often as it can be."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield str(key)
            yield from texts(inside)
    elif isinstance(value, list | tuple):
        for inside in value:
            yield from texts(inside)
    elif isinstance(value, bytes):
        yield from texts(value.decode("utf-8", "replace"))
    elif isinstance(value, str):
        yield value
        yield unquote(value)
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = _unescaped(value)
        if parsed != value:
            yield from texts(parsed)
    else:
        yield str(value)


def _unescaped(text: str) -> str:
    """Undo escapes in JSON that was cut off."""
    try:
        return text.encode("latin-1", "backslashreplace").decode("unicode_escape")
    except (UnicodeDecodeError, DeprecationWarning):
        return text


def readable(value: Value) -> str:
    """Return all that can be read in a value."""
    return "\n".join(texts(value))
