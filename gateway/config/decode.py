"""
Turn a tree into typed settings and find every mistake in it, not just the first.

msgspec describes the types; the walking is ours, since msgspec stops at the first mistake and
knows no places.
"""

import datetime as dt
import decimal
import difflib
import math
import os
import re
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import inspect as mi

from gateway.config import collector
from gateway.config.problems import Path_, Problems
from gateway.config.tree import Node, describe, locate
from gateway.config.types import Duration, FilePath, Secret, from_yaml
from gateway.guard import FaultError, attempt

FAILED: Any = object()
"""Stands for a value that could not be decoded; the reason is among the problems."""

_BY_TEXT: dict[type[mi.Type], Any] = {
    mi.DateTimeType: dt.datetime,
    mi.DateType: dt.date,
    mi.TimeType: dt.time,
    mi.TimeDeltaType: dt.timedelta,
    mi.DecimalType: decimal.Decimal,
    mi.UUIDType: uuid.UUID,
}
_SEQUENCES: dict[type[mi.Type], type] = {
    mi.ListType: list,
    mi.VarTupleType: tuple,
    mi.SetType: set,
    mi.FrozenSetType: frozenset,
    mi.CollectionType: list,
}


class Decoder:
    """Decode parts of one tree; problems are placed by looking their path up in it."""

    def __init__(self, root: Node, problems: Problems) -> None:
        self._root = root
        self._problems = problems

    def decode(self, node: Node, kind: Any, path: Path_ = ()) -> Any:
        """Return the value typed as ``kind``, or ``FAILED`` with reasons among the problems."""
        return self.decode_as(node, mi.type_info(kind), path)

    def report(self, path: Path_, message: str, hint: str = "") -> Any:
        """Note a problem at a path; returns ``FAILED``."""
        self._problems.add(locate(self._root, path), path, message, hint)
        return FAILED

    def decode_as(self, node: Node, kind: mi.Type, path: Path_) -> Any:
        """Return the value typed as msgspec describes the type, or ``FAILED``."""
        if node.broken:
            return FAILED
        if isinstance(kind, mi.Metadata):
            return self.decode_as(node, kind.type, path)
        if isinstance(kind, mi.UnionType):
            return self._union(node, kind, path)
        if isinstance(kind, mi.StructType):
            return self._struct(node, kind, path)
        if isinstance(kind, mi.DictType):
            return self._dict(node, kind, path)
        if isinstance(kind, mi.TupleType):
            return self._tuple(node, kind, path)
        if type(kind) in _SEQUENCES:
            return self._sequence(node, kind, path)
        return self._leaf(node, kind, path)

    # --- structures

    def _struct(self, node: Node, kind: mi.StructType, path: Path_) -> Any:
        given = self._entries(node, path)
        if given is None:
            return FAILED
        fields = {field.encode_name: field for field in kind.fields}
        known = [*fields, *([kind.tag_field] if kind.tag_field else [])]
        for key in given:
            if key not in known and kind.forbid_unknown_fields:
                self.unknown_key((*path, key), known)
        values: dict[str, Any] = {}
        failed = any(key not in known for key in given) and kind.forbid_unknown_fields
        for name, field in fields.items():
            value = self._field(given.get(name), field, (*path, name))
            if value is FAILED:
                failed = True
            elif value is not msgspec.UNSET:
                values[field.name] = value
        return FAILED if failed else self._build(kind.cls, values, list(fields), path)

    def _field(self, node: Node | None, field: mi.Field, path: Path_) -> Any:
        if node is None or (_is_nothing(node) and not _takes_nothing(field.type)):
            if not field.required:
                return msgspec.UNSET
            found = "it is missing" if node is None else "found nothing"
            return self.report(path, f"expected {expected(field.type)}, {found}")
        return self.decode_as(node, field.type, path)

    def _build(
        self, cls: type[Any], values: dict[str, Any], names: Sequence[str], path: Path_
    ) -> Any:
        def make() -> Any:
            made = cls(**values)
            validate = getattr(made, "validate", None)
            if callable(validate):
                validate()
            return made

        try:
            return attempt(make, promised=(ValueError,))
        except ValueError as error:
            message = str(error)
            about = re.match(r"\w+", message)
            if about is not None and about[0] in names:
                path = (*path, about[0])
            return self.report(path, message)
        except FaultError as fault:
            return self.report(path, f"checking the settings of {cls.__name__} failed: {fault}")

    def unknown_key(self, path: Path_, known: Sequence[str]) -> None:
        """Note a key that does not exist, with what was probably meant."""
        key = str(path[-1])
        self.report(path, "unknown key", collector.advice(path) or _nearest(key, known, "keys"))

    def _dict(self, node: Node, kind: mi.DictType, path: Path_) -> Any:
        given = self._entries(node, path)
        if given is None:
            return FAILED
        decoded = {}
        failed = False
        for key, inside in given.items():
            name = self.decode_as(Node(key, inside.mark, text=key), kind.key_type, (*path, key))
            value = self._element(inside, kind.value_type, (*path, key))
            failed = failed or name is FAILED or value is FAILED
            if not failed:
                decoded[name] = value
        return FAILED if failed else decoded

    def _entries(self, node: Node, path: Path_) -> dict[str, Node] | None:
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.report(path, f"expected a mapping, found {_shape(node)}")
            return None
        return node.value

    def _sequence(self, node: Node, kind: Any, path: Path_) -> Any:
        if node.value is None:
            return _SEQUENCES[type(kind)]()
        if not isinstance(node.value, list):
            return self.report(
                path, f"expected {expected(kind)}, found {_shape(node)}", _list_hint(node, path)
            )
        items = [
            self._element(item, kind.item_type, (*path, at)) for at, item in enumerate(node.value)
        ]
        if any(item is FAILED for item in items):
            return FAILED
        complaint = _out_of_bounds(len(items), kind.min_length, kind.max_length, "entries")
        if complaint:
            return self.report(path, complaint)
        return _SEQUENCES[type(kind)](items)

    def _tuple(self, node: Node, kind: mi.TupleType, path: Path_) -> Any:
        if not isinstance(node.value, list) or len(node.value) != len(kind.item_types):
            return self.report(path, f"expected {expected(kind)}, found {_shape(node)}")
        items = [
            self._element(item, item_type, (*path, at))
            for at, (item, item_type) in enumerate(zip(node.value, kind.item_types, strict=True))
        ]
        return FAILED if any(item is FAILED for item in items) else tuple(items)

    def _element(self, node: Node, kind: mi.Type, path: Path_) -> Any:
        """Decode what has no default of its own: an item, or the value of a free key."""
        scalar = not isinstance(kind, mi.StructType | mi.DictType) and type(kind) not in _SEQUENCES
        if scalar and _is_nothing(node) and not node.broken and not _takes_nothing(kind):
            return self.report(path, f"expected {expected(kind)}, found nothing")
        return self.decode_as(node, kind, path)

    # --- unions

    def _union(self, node: Node, kind: mi.UnionType, path: Path_) -> Any:
        options = [option for option in kind.types if not isinstance(option, mi.NoneType)]
        structs = [option for option in options if isinstance(option, mi.StructType)]
        if node.value is None and len(options) < len(kind.types) and not structs:
            return None
        if len(options) == 1:
            return self.decode_as(node, options[0], path)
        if isinstance(node.value, dict) and structs:
            return self.decode_as(node, self._pick(node.value, structs), path)
        for exact in (True, False):
            for option in options:
                if exact and not _is_exactly(node, option):
                    continue
                value = Decoder(self._root, self._problems.trial()).decode_as(node, option, path)
                if value is not FAILED:
                    return value
        likely = [option for option in options if _same_shape(node, option)]
        if len(likely) == 1:
            return self.decode_as(node, likely[0], path)
        found = _shape(node) if _holds_secret(kind) else describe(node)
        return self.report(path, f"expected {expected(kind)}, found {found}")

    @staticmethod
    def _pick(given: dict[str, Node], structs: Sequence[mi.StructType]) -> mi.StructType:
        """Return the struct that a mapping means: by its tag, else by its keys."""

        def fits(struct: mi.StructType) -> tuple[bool, int]:
            tag = given.get(struct.tag_field) if struct.tag_field else None
            names = {field.encode_name for field in struct.fields}
            return (tag is not None and tag.text == str(struct.tag), len(names & given.keys()))

        return max(structs, key=fits)

    # --- scalars

    def _leaf(self, node: Node, kind: mi.Type, path: Path_) -> Any:
        try:
            return _scalar(node, kind)
        except _Unfit as unfit:
            if _holds_secret(kind):
                return self.report(path, f"expected a text, found {_shape(node)}")
            message = str(unfit) or f"expected {expected(kind)}, found {describe(node)}"
            if node.origin:
                message = f"expected {expected(kind)}, found {describe(node)}"
            return self.report(path, message, _scalar_hint(node, kind))
        finally:
            if _holds_secret(kind) and isinstance(node.text, str) and len(node.text) > 3:
                self._problems.hide(node.text)


class _Unfit(Exception):  # noqa: N818 - turned into a problem at once
    """A scalar does not fit its type; the text may say more than that."""


def _scalar(node: Node, kind: mi.Type) -> Any:
    value = node.value
    if isinstance(kind, mi.AnyType):
        return _plain(node)
    if isinstance(kind, mi.NoneType):
        if value is None:
            return None
        raise _Unfit
    if isinstance(kind, mi.CustomType):
        return _custom(node, kind.cls)
    if isinstance(kind, mi.StrType):
        return _checked_text(_text(node), kind)
    if isinstance(value, dict | list) or value is None:
        raise _Unfit
    if isinstance(kind, mi.BoolType):
        if isinstance(value, bool):
            return value
        raise _Unfit
    if isinstance(kind, mi.IntType | mi.FloatType):
        return _number(value, kind)
    if isinstance(kind, mi.LiteralType | mi.EnumType):
        return _choice(node, kind)
    if type(kind) in _BY_TEXT:
        try:
            return msgspec.convert(_text(node), _BY_TEXT[type(kind)], strict=False)
        except msgspec.ValidationError:
            raise _Unfit from None
    raise _Unfit(f"the type {type(kind).__name__} is not supported in settings")


def _text(node: Node) -> str:
    """Return a text as it was written; a number may stand for a text, such as an id."""
    value = node.value
    if isinstance(value, str) and not node.origin:
        return value
    if node.text is not None and (node.origin or _is_number(value)):
        return node.text
    raise _Unfit


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _custom(node: Node, cls: type[Any]) -> Any:
    if cls is Duration and not isinstance(node.value, str):
        if _is_number(node.value) and node.value == 0:
            return Duration(0)
        raise _Unfit
    text = _text(node)
    try:
        value = from_yaml(cls, text)
    except ValueError as error:
        raise _Unfit(str(error)) from error
    except NotImplementedError:
        raise _Unfit(f"the type {cls.__name__} is not supported in settings") from None
    if isinstance(value, FilePath):
        if not value:
            raise _Unfit
        return FilePath(os.path.abspath(node.mark.base_dir / value))  # noqa: PTH100 - Path.absolute keeps ".."
    return value


def _number(value: object, kind: mi.IntType | mi.FloatType) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Unfit
    if isinstance(kind, mi.IntType) and not isinstance(value, int):
        raise _Unfit
    if not math.isfinite(value):
        raise _Unfit(f"expected a finite number, found {value}")
    for wrong, words in (
        (kind.ge is not None and value < kind.ge, f"at least {kind.ge}"),
        (kind.gt is not None and value <= kind.gt, f"above {kind.gt}"),
        (kind.le is not None and value > kind.le, f"at most {kind.le}"),
        (kind.lt is not None and value >= kind.lt, f"below {kind.lt}"),
        (kind.multiple_of and value % kind.multiple_of, f"a multiple of {kind.multiple_of}"),
    ):
        if wrong:
            raise _Unfit(f"must be {words}, found {value}")
    return float(value) if isinstance(kind, mi.FloatType) else value


def _checked_text(text: str, kind: mi.StrType) -> str:
    complaint = _out_of_bounds(len(text), kind.min_length, kind.max_length, "characters")
    if complaint:
        raise _Unfit(complaint)
    if kind.pattern is not None and not re.search(kind.pattern, text):
        raise _Unfit(f'expected a text that matches {kind.pattern}, found "{text}"')
    return text


def _choice(node: Node, kind: mi.LiteralType | mi.EnumType) -> Any:
    for choice in _choices(kind):
        if type(node.value) is type(choice) and node.value == choice:
            return kind.cls(choice) if isinstance(kind, mi.EnumType) else choice
        if isinstance(choice, str) and node.text == choice:
            return kind.cls(choice) if isinstance(kind, mi.EnumType) else choice
    raise _Unfit


def _choices(kind: mi.LiteralType | mi.EnumType) -> list[Any]:
    if isinstance(kind, mi.EnumType):
        return [member.value for member in kind.cls]
    return list(kind.values)


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(inside) for key, inside in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(inside) for inside in node.value]
    return node.value


# --- words


def expected(kind: mi.Type) -> str:
    """Return what a person would call a type."""
    match kind:
        case mi.Metadata():
            return expected(kind.type)
        case mi.UnionType():
            options = [option for option in kind.types if not isinstance(option, mi.NoneType)]
            return " or ".join(dict.fromkeys(map(expected, options)))
        case mi.LiteralType() | mi.EnumType():
            return " or ".join(
                f'"{choice}"' if isinstance(choice, str) else str(choice)
                for choice in _choices(kind)
            )
        case mi.CustomType():
            known = {Duration: 'a duration such as "200ms" or "5s"', FilePath: "the path of a file"}
            return known.get(kind.cls, "a text")
        case mi.TupleType():
            return f"a list of {len(kind.item_types)} entries"
    return _WORDS.get(type(kind), "a text")


_WORDS: dict[type[mi.Type], str] = {
    mi.BoolType: "true or false",
    mi.IntType: "a whole number",
    mi.FloatType: "a number",
    mi.StrType: "a text",
    mi.NoneType: "nothing",
    mi.StructType: "a mapping",
    mi.DictType: "a mapping",
    mi.DateTimeType: "a date and time",
    mi.DateType: 'a date such as "2026-01-31"',
    **dict.fromkeys(_SEQUENCES, "a list"),
}


def _nearest(key: str, known: Sequence[str], what: str) -> str:
    """Return a hint at the names that may be meant."""
    close = difflib.get_close_matches(key, known, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f'"{name}"' for name in close) + "?"
    return f"known {what}: {', '.join(known)}" if known else f"there are no {what} here"


def _scalar_hint(node: Node, kind: mi.Type) -> str:
    if isinstance(kind, mi.LiteralType | mi.EnumType) and isinstance(node.value, str):
        choices = [choice for choice in _choices(kind) if isinstance(choice, str)]
        close = difflib.get_close_matches(node.value.lower(), choices, n=1)
        return f'did you mean "{close[0]}"?' if close and not node.origin else ""
    if isinstance(kind, mi.StrType) and isinstance(node.value, bool):
        return f'put it in quotes if the text is meant: "{node.text}"'
    if isinstance(kind, mi.IntType | mi.FloatType | mi.BoolType) and isinstance(node.value, str):
        if re.fullmatch(r"-?\d+(\.\d+)?|true|false", node.value) and not node.origin:
            return f"write it without quotes: {node.value}"
        return ""
    if isinstance(kind, mi.CustomType) and kind.cls is Duration and _is_number(node.value):
        return "add a unit: ms, s, m or h" if node.origin else f'add a unit, as in "{node.text}s"'
    return ""


def _list_hint(node: Node, path: Path_) -> str:
    if node.value is None or isinstance(node.value, list | dict) or not path or node.origin:
        return ""
    return f"write {path[-1]}: [...]"


def _shape(node: Node) -> str:
    """Return what was found without its text, which may be a secret."""
    if node.origin or node.value is None or isinstance(node.value, dict | list):
        return describe(node)
    if isinstance(node.value, bool):
        return "true or false"
    return "a number" if _is_number(node.value) else "a text"


def _out_of_bounds(size: int, least: int | None, most: int | None, what: str) -> str:
    if least is not None and size < least:
        return f"expected at least {least} {what}, found {size}"
    if most is not None and size > most:
        return f"expected at most {most} {what}, found {size}"
    return ""


# --- types


def _is_nothing(node: Node) -> bool:
    return node.value is None and not node.broken


def _takes_nothing(kind: mi.Type) -> bool:
    """Whether ``key:`` with nothing after it means something of its own."""
    if isinstance(kind, mi.Metadata):
        return _takes_nothing(kind.type)
    if isinstance(kind, mi.UnionType):
        return any(_takes_nothing(option) for option in kind.types)
    return isinstance(kind, mi.NoneType | mi.AnyType | mi.StructType)


def _is_exactly(node: Node, kind: mi.Type) -> bool:
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
            return True
    return _same_shape(node, kind) and isinstance(value, dict | list)


def _same_shape(node: Node, kind: mi.Type) -> bool:
    if isinstance(kind, mi.StructType | mi.DictType):
        return isinstance(node.value, dict)
    if isinstance(kind, mi.TupleType) or type(kind) in _SEQUENCES:
        return isinstance(node.value, list)
    return not isinstance(node.value, dict | list)


def _holds_secret(kind: mi.Type) -> bool:
    if isinstance(kind, mi.Metadata):
        return _holds_secret(kind.type)
    if isinstance(kind, mi.UnionType):
        return any(_holds_secret(option) for option in kind.types)
    return isinstance(kind, mi.CustomType) and kind.cls is Secret
