"""JSON in attribute values: reading it, writing it, and walking through what it says."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from gateway.otlp import values

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_OPENING: Final = ("{", "[")


def parse(text: str) -> Any:
    """Return the object or list that a text holds as JSON, else ``None``."""
    if text.lstrip()[:1] not in _OPENING:
        return None
    try:
        return _decode(text)
    except RecursionError:
        return None
    except (msgspec.DecodeError, UnicodeEncodeError):
        return _parse_python(text) if "NaN" in text or "Infinity" in text else None


def parse_utf8(text: bytes) -> Any:
    """Return the same of a text in UTF-8 that begins with a brace or a bracket."""
    try:
        return _decode(text)
    except RecursionError:
        return None
    except msgspec.DecodeError:
        return parse(text.decode())


def _parse_python(text: str) -> Any:
    """Read what Python's own writer makes of numbers that JSON does not know."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def encode(value: object) -> bytes:
    """Return compact JSON; what JSON cannot hold is written as text."""
    try:
        return _encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return repr(value).encode(errors="replace")


def dump(value: object) -> str:
    """Return compact JSON as text."""
    return encode(value).decode()


def as_text(value: object) -> str:
    """Return a text as it is and anything else as JSON."""
    return value if isinstance(value, str) else dump(value)


def read(value: AnyValue) -> Any:
    """Return an attribute's value; JSON objects and lists in texts are parsed."""
    text = value.string_value
    return parsed(text) if text else values.decode(value)


def parsed(text: str) -> Any:
    """Return the object or list that a text holds as JSON, else the text."""
    held = parse(text)
    return text if held is None else held


def reparse(value: Any) -> Any:
    """Parse the items of a list, and a text, that hold JSON themselves; one level deep."""
    if isinstance(value, str):
        return parsed(value)
    if isinstance(value, list):
        return [reparse(item) if isinstance(item, str) else item for item in value]
    return value


def string(value: AnyValue) -> str:
    """Return a plain text, its JSON quotes stripped; empty where the value is none."""
    return unquoted(value.string_value)


def unquoted(text: str) -> str:
    """Return a text without space and JSON quotes around it."""
    text = text.strip()
    if text[:1] == '"' and len(text) > 1 and text[-1] == '"':
        try:
            inner = _decode(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return text
        return inner.strip() if isinstance(inner, str) else text
    return text


def leaves(value: object, but: Callable[[str, object], bool] | None = None) -> Iterator[object]:
    """
    Yield every text, number and flag in a value, those in JSON texts too, without recursion.

    ``but`` names fields to pass over.
    """
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            held = parse(item)
            if held is None:
                yield item
            else:
                stack.append(held)
        elif isinstance(item, dict):
            if but is None:
                stack.extend(item.values())
            else:
                stack.extend([inner for key, inner in item.items() if not but(key, inner)])
        elif isinstance(item, (list, tuple)):
            stack.extend(item)
        elif item is not None:
            yield item
