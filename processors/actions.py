"""
The Collector's actions on attributes, for the ``attributes`` and ``resource`` processors.

Source: opentelemetry-collector-contrib, internal/coreinternal/attraction and the README of
processor/attributesprocessor.
"""

import hashlib
import math
import re
import struct
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, Literal

from gateway.otlp.values import key_value
from gateway.plugin import Attributes, BatchContext, Config, Value
from gateway.receivers.routing_headers import ROUTING_HEADERS
from processors.patterns import Pattern
from processors.texts import as_text

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
_INT64 = range(-(2**63), 2**63)
_WRITING = ("insert", "update", "upsert")
_SOURCES = ("value", "from_attribute", "from_context", "default_value")

Step = Callable[[Attributes, BatchContext], None]
"""One action, ready to run."""


class ActionConfig(Config):
    """One action; they run in the order in which they are listed."""

    action: Literal["insert", "update", "upsert", "delete", "hash", "extract", "convert"]
    """``insert`` writes where the key is absent, ``update`` where it is there, ``upsert`` always;
    ``delete``; ``hash`` puts the SHA-256 in place of the value; ``extract`` writes the named
    groups of a pattern as attributes; ``convert`` changes the type."""

    key: str = ""
    """The attribute; ``delete`` and ``hash`` take a ``pattern`` of keys instead or as well."""

    value: Any = None
    """What to write; its type is the one that YAML gives it."""

    from_attribute: str = ""
    """Write what this attribute holds; nothing happens where it is absent."""

    from_context: str = ""
    """Write what is known of the request: ``auth.tenant``, ``client.address``,
    ``metadata.x-mlflow-experiment-id`` (or another header that the gateway keeps)."""

    default_value: Any = None
    """What to write where ``from_attribute`` or ``from_context`` gives nothing."""

    pattern: str = ""
    """``extract``: a regular expression (RE2) with named groups, ``(?P<key>...)``. ``delete``,
    ``hash``: a regular expression of keys, which matches anywhere in the key."""

    converted_type: Literal["string", "int", "double"] | None = None
    """The type for ``convert``; a value that cannot be converted is left as it is."""

    def validate(self) -> None:
        """Check that the action has what it needs and nothing that it ignores."""
        step(self)


def step(config: ActionConfig) -> Step:
    """
    Return what runs an action.

    Raises:
        ValueError: its settings do not fit together.

    """
    _check_fields(config)
    if config.action in _WRITING:
        return _writing(config)
    if config.action == "convert":
        return _converting(config)
    if config.action == "extract":
        return _extracting(config)
    change = _delete if config.action == "delete" else _hash
    return _by_key(config, change)


def _check_fields(config: ActionConfig) -> None:
    allowed: dict[str, Sequence[str]] = {
        "extract": ("pattern",),
        "convert": ("converted_type",),
        "delete": ("pattern",),
        "hash": ("pattern",),
    }
    used = allowed.get(config.action, _SOURCES)
    for name in (*_SOURCES, "pattern", "converted_type"):
        if _is_given(config, name) and name not in used:
            raise ValueError(f"{name}: the action {config.action} does not use it; remove it")
    if not config.key and (config.action not in {"delete", "hash"} or not config.pattern):
        either = " or a pattern" if config.action in {"delete", "hash"} else ""
        raise ValueError(f"key: the action {config.action} needs the key of an attribute{either}")


def _is_given(config: ActionConfig, name: str) -> bool:
    setting = getattr(config, name)
    return setting is not None and (name in {"value", "default_value"} or setting != "")


# --- insert, update, upsert


def _writing(config: ActionConfig) -> Step:
    given = [name for name in _SOURCES[:3] if _is_given(config, name)]
    if len(given) > 1:
        raise ValueError(f"{given[1]}: the value comes from {given[0]} already; keep one of them")
    if not given and config.default_value is None:
        raise ValueError(
            f"value: the action {config.action} needs one of value, from_attribute, "
            "from_context or default_value"
        )
    for name in ("value", "default_value"):
        _check_value(name, getattr(config, name))
    find = _source(config)
    key, action = config.key, config.action

    def write(attributes: Attributes, context: BatchContext) -> None:
        if action != "upsert" and (key in attributes) != (action == "update"):
            return
        value = find(attributes, context)
        if value is not None:
            put(attributes, key, value)

    return write


def _source(config: ActionConfig) -> Callable[[Attributes, BatchContext], Value]:
    default: Value = config.default_value
    if config.from_attribute:
        name = config.from_attribute

        def from_attribute(attributes: Attributes, _: BatchContext) -> Value:
            value = attributes.get(name)
            return default if value is None else value

        return from_attribute
    if config.from_context:
        read = _context_reader(config.from_context)

        def from_context(_: Attributes, context: BatchContext) -> Value:
            return read(context) or default

        return from_context
    fixed: Value = default if config.value is None else config.value
    return lambda _attributes, _context: fixed


def _context_reader(name: str) -> Callable[[BatchContext], str | None]:
    """Return what reads a fact about the request."""
    if name == "client.address":
        return lambda context: context.peer
    if name in {"auth.tenant", "auth.subject"}:
        return lambda context: context.tenant
    header = name.removeprefix("metadata.").lower()
    if header in ROUTING_HEADERS:
        return lambda context: context.header(header)
    known = ["auth.tenant", "client.address", *(f"metadata.{each}" for each in ROUTING_HEADERS)]
    raise ValueError(
        f'from_context: the gateway keeps no "{name}" of a request; known are {", ".join(known)}'
    )


def _check_value(name: str, value: object) -> None:
    try:
        key_value("", value)  # type: ignore[arg-type]  # whether it can be a value is the question
    except TypeError as error:
        raise ValueError(f"{name}: {error}; put it in quotes") from None


def put(attributes: MutableMapping[str, Value], key: str, value: Value) -> None:
    """Write an attribute, unless it holds just that already."""
    if not same(attributes.get(key), value):
        attributes[key] = value


def same(one: Value, other: Value) -> bool:
    """Whether two values are equal and of the same types, which ``1 == True`` is not."""
    if type(one) is not type(other):
        return False
    return one == other if isinstance(one, str | bytes | int) else repr(one) == repr(other)


# --- delete, hash


def _by_key(config: ActionConfig, change: Callable[[Attributes, str], None]) -> Step:
    key = config.key
    pattern = _pattern(config) if config.pattern else None

    def run(attributes: Attributes, _: BatchContext) -> None:
        if key and key in attributes:
            change(attributes, key)
        if pattern is not None:
            for each in [each for each in attributes if pattern.found_in(each)]:
                change(attributes, each)

    return run


def _delete(attributes: Attributes, key: str) -> None:
    del attributes[key]


def _hash(attributes: Attributes, key: str) -> None:
    data = _hashed_bytes(attributes[key])
    attributes[key] = hashlib.sha256(data).hexdigest() if data else ""


def _hashed_bytes(value: Value) -> bytes:
    """
    Return what the Collector hashes: the text's bytes, a number's eight.

    Lists and mappings, which the Collector empties, are hashed as JSON.
    """
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if isinstance(value, int):
        return struct.pack("<q", value)
    if isinstance(value, float):
        return struct.pack("<d", value)
    return value if isinstance(value, bytes) else as_text(value).encode()


def _pattern(config: ActionConfig) -> Pattern:
    try:
        return Pattern(config.pattern)
    except ValueError as error:
        raise ValueError(f"pattern: {error}") from None


# --- extract, convert


def _extracting(config: ActionConfig) -> Step:
    pattern = _pattern(config) if config.pattern else None
    if pattern is None or not pattern.names or not all(pattern.names):
        raise ValueError(
            "pattern: the action extract needs a pattern whose groups all have names, as in "
            r"^(?P<http_scheme>\w+):// (without a name, write (?:...))"
        )
    key = config.key

    def extract(attributes: Attributes, _: BatchContext) -> None:
        text = attributes.text(key)
        found = None if text is None else pattern.groups(text)
        for name, value in (found or {}).items():
            put(attributes, name, value)

    return extract


def _converting(config: ActionConfig) -> Step:
    if config.converted_type is None:
        raise ValueError("converted_type: the action convert needs string, int or double")
    convert = {"string": as_text, "int": _to_int, "double": _to_double}[config.converted_type]
    key = config.key

    def run(attributes: Attributes, _: BatchContext) -> None:
        value = attributes.get(key)
        converted = None if value is None else convert(value)
        if converted is not None:
            put(attributes, key, converted)

    return run


def _to_int(value: Value) -> Value:
    number: int | None = None
    if isinstance(value, str):
        number = int(value) if _WHOLE_NUMBER.fullmatch(value) else None
    elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        number = int(value)
    return number if number is not None and number in _INT64 else None


def _to_double(value: Value) -> Value:
    if isinstance(value, str):
        number = float(value) if _NUMBER.fullmatch(value) else math.inf
        return number if math.isfinite(number) else None
    return float(value) if isinstance(value, int | float) else None
