"""Say in words what a setting should be, and what was found instead."""

import difflib
import re
from collections.abc import Sequence

from msgspec import inspect as mi

from gateway.config.kinds import SEQUENCES, choices, is_number
from gateway.config.problems import KeyPath
from gateway.config.tree import Node, describe
from gateway.config.types import Duration, FilePath


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
                for choice in choices(kind)
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
    **dict.fromkeys(SEQUENCES, "a list"),
}


def nearest(key: str, known: Sequence[str], what: str) -> str:
    """Return a hint at the names that may be meant."""
    close = difflib.get_close_matches(key, known, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(f'"{name}"' for name in close) + "?"
    return f"known {what}: {', '.join(known)}" if known else f"there are no {what} here"


def scalar_hint(node: Node, kind: mi.Type) -> str:
    """Return what to write instead of a scalar that does not fit, where that can be guessed."""
    if isinstance(kind, mi.LiteralType | mi.EnumType) and isinstance(node.value, str):
        texts = [choice for choice in choices(kind) if isinstance(choice, str)]
        close = difflib.get_close_matches(node.value.lower(), texts, n=1)
        return f'did you mean "{close[0]}"?' if close and not node.origin else ""
    if isinstance(kind, mi.StrType) and isinstance(node.value, bool):
        return f'put it in quotes if the text is meant: "{node.text}"'
    if isinstance(kind, mi.IntType | mi.FloatType | mi.BoolType) and isinstance(node.value, str):
        if re.fullmatch(r"-?\d+(\.\d+)?|true|false", node.value) and not node.origin:
            return f"write it without quotes: {node.value}"
        return ""
    if isinstance(kind, mi.CustomType) and kind.cls is Duration and is_number(node.value):
        return "add a unit: ms, s, m or h" if node.origin else f'add a unit, as in "{node.text}s"'
    return ""


def list_hint(node: Node, path: KeyPath) -> str:
    """Return how to write a list where a single value was found."""
    if node.value is None or isinstance(node.value, list | dict) or not path or node.origin:
        return ""
    return f"write {path[-1]}: [...]"


def shape(node: Node) -> str:
    """Return what was found without its text, which may be a secret."""
    if node.origin or node.value is None or isinstance(node.value, dict | list):
        return describe(node)
    if isinstance(node.value, bool):
        return "true or false"
    return "a number" if is_number(node.value) else "a text"


def out_of_bounds(size: int, least: int | None, most: int | None, what: str) -> str:
    """Return what is wrong with a size, or nothing."""
    if least is not None and size < least:
        return f"expected at least {least} {what}, found {size}"
    if most is not None and size > most:
        return f"expected at most {most} {what}, found {size}"
    return ""
