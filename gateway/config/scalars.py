"""Type single values: texts, numbers, choices, durations, secrets, paths."""

import datetime as dt
import decimal
import math
import os
import re
import uuid
from typing import Any

import msgspec
from msgspec import inspect as mi

from gateway.config.kinds import choices, is_number
from gateway.config.tree import Node
from gateway.config.types import Duration, FilePath, from_yaml
from gateway.config.words import out_of_bounds

_BY_TEXT: dict[type[mi.Type], Any] = {
    mi.DateTimeType: dt.datetime,
    mi.DateType: dt.date,
    mi.TimeType: dt.time,
    mi.TimeDeltaType: dt.timedelta,
    mi.DecimalType: decimal.Decimal,
    mi.UUIDType: uuid.UUID,
}


class Unfit(Exception):  # noqa: N818 - turned into a problem at once
    """A scalar does not fit its type; the text may say more than that."""


def type_scalar(node: Node, kind: mi.Type) -> Any:
    """
    Return a scalar as its type wants it.

    Raises:
        Unfit: it does not fit.

    """
    value = node.value
    if isinstance(kind, mi.AnyType):
        return _plain(node)
    if isinstance(kind, mi.NoneType):
        if value is None:
            return None
        raise Unfit
    if isinstance(kind, mi.CustomType):
        return _custom(node, kind.cls)
    if isinstance(kind, mi.StrType):
        return _checked_text(_text(node), kind)
    if isinstance(value, dict | list) or value is None:
        raise Unfit
    if isinstance(kind, mi.BoolType):
        if isinstance(value, bool):
            return value
        raise Unfit
    if isinstance(kind, mi.IntType | mi.FloatType):
        return _number(value, kind)
    if isinstance(kind, mi.LiteralType | mi.EnumType):
        return _choice(node, kind)
    if type(kind) in _BY_TEXT:
        try:
            return msgspec.convert(_text(node), _BY_TEXT[type(kind)], strict=False)
        except msgspec.ValidationError:
            raise Unfit from None
    raise Unfit(f"the type {type(kind).__name__} is not supported in settings")


def _text(node: Node) -> str:
    """Return a text as it was written; a number may stand for a text, such as an id."""
    value = node.value
    if isinstance(value, str) and not node.origin:
        return value
    if node.text is not None and (node.origin or is_number(value)):
        return node.text
    raise Unfit


def _custom(node: Node, cls: type[Any]) -> Any:
    if cls is Duration and not isinstance(node.value, str):
        if is_number(node.value) and node.value == 0:
            return Duration(0)
        raise Unfit
    text = _text(node)
    try:
        value = from_yaml(cls, text)
    except ValueError as error:
        raise Unfit(str(error)) from error
    except NotImplementedError:
        raise Unfit(f"the type {cls.__name__} is not supported in settings") from None
    if isinstance(value, FilePath):
        if not value:
            raise Unfit
        return FilePath(os.path.abspath(node.mark.base_dir / value))  # noqa: PTH100 - Path.absolute keeps ".."
    return value


def _number(value: object, kind: mi.IntType | mi.FloatType) -> int | float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Unfit
    if isinstance(kind, mi.IntType) and not isinstance(value, int):
        raise Unfit
    if isinstance(value, int) and abs(value) >= 2**63:
        raise Unfit("the number is too large")
    if not math.isfinite(value):
        raise Unfit(f"expected a finite number, found {value}")
    for wrong, words in (
        (kind.ge is not None and value < kind.ge, f"at least {kind.ge}"),
        (kind.gt is not None and value <= kind.gt, f"above {kind.gt}"),
        (kind.le is not None and value > kind.le, f"at most {kind.le}"),
        (kind.lt is not None and value >= kind.lt, f"below {kind.lt}"),
        (kind.multiple_of and value % kind.multiple_of, f"a multiple of {kind.multiple_of}"),
    ):
        if wrong:
            raise Unfit(f"must be {words}, found {value}")
    return float(value) if isinstance(kind, mi.FloatType) else value


def _checked_text(text: str, kind: mi.StrType) -> str:
    complaint = out_of_bounds(len(text), kind.min_length, kind.max_length, "characters")
    if complaint:
        raise Unfit(complaint)
    if kind.pattern is not None and not re.search(kind.pattern, text):
        raise Unfit(f'expected a text that matches {kind.pattern}, found "{text}"')
    return text


def _choice(node: Node, kind: mi.LiteralType | mi.EnumType) -> Any:
    for choice in choices(kind):
        if type(node.value) is type(choice) and node.value == choice:
            return kind.cls(choice) if isinstance(kind, mi.EnumType) else choice
        if isinstance(choice, str) and node.text == choice:
            return kind.cls(choice) if isinstance(kind, mi.EnumType) else choice
    raise Unfit


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(inside) for key, inside in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(inside) for inside in node.value]
    return node.value
