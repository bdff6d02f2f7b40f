"""Read the strings below the fields of settings: they are the documentation of the fields."""

import ast
import functools
import inspect
import textwrap
from typing import Any

import msgspec


@functools.cache
def field_docs(settings: type[Any]) -> dict[str, str]:
    """Return what the class and its bases say of their fields; nothing where there is no source."""
    found: dict[str, str] = {}
    for ancestor in reversed(settings.__mro__):
        if ancestor is not object:
            found.update(_own(ancestor))
    return found


def _own(settings: type[Any]) -> dict[str, str]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(settings)))
    except (OSError, TypeError, SyntaxError):
        return {}
    body = tree.body[0]
    if not isinstance(body, ast.ClassDef):
        return {}
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            found[field.target.id] = " ".join(below.value.value.split())
    return found


def own_first(settings: type[msgspec.Struct]) -> list[str]:
    """Return the names of the fields, those of the class itself before those of its bases."""
    names: dict[str, None] = {}
    for ancestor in settings.__mro__:
        names.update(dict.fromkeys(inspect.get_annotations(ancestor)))
    return [name for name in names if name in settings.__struct_fields__]


def plain(text: str) -> str:
    """Return a documentation text without reStructuredText's marks, for editors."""
    return text.replace("``", "")
