"""
Attribute values between OTLP and Python.

Source: opentelemetry/proto/common/v1/common.proto (AnyValue, KeyValue).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

Value: TypeAlias = (
    bool | int | float | str | bytes | Sequence["Value"] | Mapping[str, "Value"] | None
)
"""What an attribute holds; ``None`` is an AnyValue without a value."""

_INT64 = range(-(2**63), 2**63)


def decode(any_value: AnyValue) -> Value:
    """Return the Python value; arrays become lists, key-value lists become dicts."""
    kind = any_value.WhichOneof("value")
    if kind == "string_value":
        return any_value.string_value
    if kind is None:
        return None
    if kind == "array_value":
        return [decode(item) for item in any_value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: decode(item.value) for item in any_value.kvlist_value.values}
    value: Value = getattr(any_value, kind)
    return value


def encode(value: Value, into: AnyValue) -> None:
    """
    Write a Python value over ``into``.

    An integer beyond 64 bits is written as its decimal text, since OTLP holds no larger ones.

    Raises:
        TypeError: ``value`` is of a type that OTLP cannot hold.

    """
    into.Clear()
    if isinstance(value, str):
        into.string_value = value
    elif isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        if value in _INT64:
            into.int_value = value
        else:
            into.string_value = str(value)
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, bytes):
        into.bytes_value = value
    elif isinstance(value, Mapping):
        into.kvlist_value.SetInParent()
        for key, item in value.items():
            entry = into.kvlist_value.values.add()
            entry.key = key
            encode(item, entry.value)
    elif isinstance(value, Iterable):
        into.array_value.SetInParent()
        for item in value:
            encode(item, into.array_value.values.add())
    elif value is not None:
        raise TypeError(f"an attribute cannot hold a {type(value).__name__}")


def key_value(key: str, value: Value) -> KeyValue:
    """Return one attribute as a message."""
    message = KeyValue(key=key)
    encode(value, message.value)
    return message
