"""Tell the kinds of types apart that settings are made of, as msgspec describes them."""

from typing import Any

from msgspec import inspect as mi

from gateway.config.tree import Node
from gateway.config.types import Secret

SEQUENCES: dict[type[mi.Type], type] = {
    mi.ListType: list,
    mi.VarTupleType: tuple,
    mi.SetType: set,
    mi.FrozenSetType: frozenset,
    mi.CollectionType: list,
}


def choices(kind: mi.LiteralType | mi.EnumType) -> list[Any]:
    """Return the values that a setting may have."""
    if isinstance(kind, mi.EnumType):
        return [member.value for member in kind.cls]
    return list(kind.values)


def is_number(value: object) -> bool:
    """Whether a value is a number; Python's booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_nothing(node: Node) -> bool:
    """Whether a key stands there with nothing after it."""
    return node.value is None and not node.broken


def takes_nothing(kind: mi.Type) -> bool:
    """Whether ``key:`` with nothing after it means something of its own."""
    if isinstance(kind, mi.Metadata):
        return takes_nothing(kind.type)
    if isinstance(kind, mi.UnionType):
        return any(takes_nothing(option) for option in kind.types)
    return isinstance(kind, mi.NoneType | mi.AnyType | mi.StructType)


def is_exactly(node: Node, kind: mi.Type) -> bool:
    """Whether YAML itself gave the value this type, so that nothing need be guessed."""
    value = node.value
    match kind:
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case mi.FloatType():
            return isinstance(value, float)
        case mi.StrType():
            return isinstance(value, str)
        case mi.LiteralType() | mi.EnumType():
            return value in choices(kind)
    return same_shape(node, kind) and isinstance(value, dict | list)


def same_shape(node: Node, kind: mi.Type) -> bool:
    """Whether both are mappings, both lists, or both single values."""
    if isinstance(kind, mi.StructType | mi.DictType):
        return isinstance(node.value, dict)
    if isinstance(kind, mi.TupleType) or type(kind) in SEQUENCES:
        return isinstance(node.value, list)
    return not isinstance(node.value, dict | list)


def holds_secret(kind: mi.Type) -> bool:
    """Whether values of this type must not be shown."""
    if isinstance(kind, mi.Metadata):
        return holds_secret(kind.type)
    if isinstance(kind, mi.UnionType):
        return any(holds_secret(option) for option in kind.types)
    return isinstance(kind, mi.CustomType) and kind.cls is Secret
