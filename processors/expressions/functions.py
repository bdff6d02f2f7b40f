"""
The functions of expressions beyond those of the library.

None ever fails: what does not fit gives ``null`` (or ``false`` for questions), since the library
prints the failures of functions, values and all.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from gateway.plugin import Value
from processors.patterns import cached

Function = Callable[..., Value]


def _matches(text: Any = None, pattern: Any = None, *_: Any) -> bool:
    if not (isinstance(text, str) and isinstance(pattern, str)):
        return False
    compiled = cached(pattern)
    return compiled is not None and compiled.found_in(text)


def _starts_with(text: Any = None, part: Any = None, *_: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and text.startswith(part)


def _ends_with(text: Any = None, part: Any = None, *_: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and text.endswith(part)


def _contains(whole: Any = None, part: Any = None, *_: Any) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    if isinstance(whole, Mapping):
        return isinstance(part, str) and part in whole
    return isinstance(whole, Sequence) and not isinstance(whole, bytes) and part in whole


def _lower(text: Any = None, *_: Any) -> Value:
    return text.lower() if isinstance(text, str) else None


def _upper(text: Any = None, *_: Any) -> Value:
    return text.upper() if isinstance(text, str) else None


def _trim(text: Any = None, *_: Any) -> Value:
    return text.strip() if isinstance(text, str) else None


def _substring(text: Any = None, start: Any = 0, end: Any = None, *_: Any) -> Value:
    if not isinstance(text, str) or not isinstance(start, int) or start < 0:
        return None
    if end is not None and (not isinstance(end, int) or end < start):
        return None
    return text[start:end]


def _replace(text: Any = None, old: Any = None, new: Any = None, *_: Any) -> Value:
    if isinstance(text, str) and isinstance(old, str) and old and isinstance(new, str):
        return text.replace(old, new)
    return None


def _split(text: Any = None, separator: Any = None, *_: Any) -> Value:
    if isinstance(text, str) and isinstance(separator, str) and separator:
        return text.split(separator)
    return None


def _parse_json(text: Any = None, *_: Any) -> Value:
    try:
        value: Value = msgspec.json.decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return value


def _sha256(text: Any = None, *_: Any) -> Value:
    if not isinstance(text, str):
        return None
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


OURS: dict[str, Function] = {
    "matches": _matches,
    "IsMatch": _matches,
    "startsWith": _starts_with,
    "HasPrefix": _starts_with,
    "endsWith": _ends_with,
    "HasSuffix": _ends_with,
    "contains": _contains,
    "lowerAscii": _lower,
    "upperAscii": _upper,
    "trim": _trim,
    "substring": _substring,
    "replace": _replace,
    "split": _split,
    "parseJson": _parse_json,
    "sha256": _sha256,
}
"""By the name that users write. Some stand for one of the library's that fails on ``null``, or that
compiles its pattern anew for every span; capital names are the Collector's."""

LIBRARY = frozenset(
    {
        *("size", "string", "int", "uint", "double", "bytes", "type", "dyn"),
        *("timestamp", "duration", "getFullYear", "getMonth", "getDayOfYear", "getDayOfMonth"),
        *("getDate", "getDayOfWeek", "getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
"""What the library brings; those that make or read times are rarely of use here."""

MACROS = frozenset({"has", "all", "exists", "exists_one", "map", "filter"})
