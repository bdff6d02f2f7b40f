"""Conditions and statements of the Collector's transformation language (OTTL) in ours."""

import json
import re
from typing import Any, NamedTuple

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*")
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<word>[A-Za-z_][\w.]*)
    | (?P<sign>==|!=|<=|>=|[<>()\[\],+\-*/{}:=])
    )""",
    re.VERBOSE,
)
_WORDS = {"and": "&&", "or": "||", "not": "!", "nil": "null", "true": "true", "false": "false"}
_FUNCTIONS = {
    "IsMatch": "IsMatch",
    "HasPrefix": "HasPrefix",
    "HasSuffix": "HasSuffix",
    "ParseJSON": "parseJson",
    "Len": "size",
    "SHA256": "sha256",
    "Int": "int",
    "Double": "double",
    "String": "string",
}
_ROOTS = frozenset({
    "attributes", "name", "kind", "status", "resource", "scope", "instrumentation_scope", "span",
    "spanevent", "start_time_unix_nano", "end_time_unix_nano", "trace_id", "span_id",
    "parent_span_id", "time_unix_nano",
})  # fmt: skip
_TAKEN = frozenset({"name", "kind", "status", "span", "spanevent", "scope", "resource"})
"""What a key may not begin with unless it is written as an attribute's."""
_NUMBERED = {
    "status": ("UNSET", "OK", "ERROR"),
    "kind": ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"),
}
_CONSTANT = re.compile(r"(SPAN_KIND|STATUS_CODE)_[A-Z]+")
_TEXT = "\0"
"""Stands for a text in quotes while blanks are set around everything else."""
_CALL = re.compile(r"\s*(\w+)\s*\(")
_WHERE = re.compile(r"\s*(?:where\s+(.*\S))?\s*", re.DOTALL)
_TARGET = re.compile(r'(?:(resource|scope|span|spanevent)\.)?attributes\["([^"]+)"\]')
_FIELD = re.compile(r"(?:(span|spanevent|scope)\.)?(name|kind|status\.code|status\.message|status)")
_PLACE = re.compile(r"(?:(resource|scope|span|spanevent)\.)?attributes")


class UnsupportedError(ValueError):
    """There is nothing of the kind here; names what."""


class Statement(NamedTuple):
    """A statement of ``transform``, and what it is about where it says so itself."""

    settings: dict[str, Any]
    context: str | None


def condition(text: str) -> str:
    """
    Return a condition in our expressions.

    Raises:
        UnsupportedError: it uses something that they lack.

    """
    parts: list[str] = []
    tokens = _tokens(text)
    for at, (kind, token) in enumerate(tokens):
        following = tokens[at + 1][1] if at + 1 < len(tokens) else ""
        if kind == "word":
            parts.append(_word(token, is_call=following == "("))
        else:
            parts.append(_TEXT if kind == "text" else token)
    texts = (token for kind, token in tokens if kind == "text")
    spaced = _spaced(parts).replace("is_root()", "is_root")
    return re.sub(_TEXT, lambda _: next(texts), spaced)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise UnsupportedError(f'"{text[at : at + 20]}" is not understood')
        found.append((str(token.lastgroup), str(token[str(token.lastgroup)])))
        at = token.end()
    return found


def _word(word: str, *, is_call: bool) -> str:
    if is_call and word == "IsRootSpan":
        return "is_root"
    if is_call and word not in _WORDS:
        if word not in _FUNCTIONS:
            raise UnsupportedError(f"the function {word}() has no counterpart")
        return _FUNCTIONS[word]
    if word in _WORDS:
        return _WORDS[word]
    if _CONSTANT.fullmatch(word):
        return word
    if word.partition(".")[0] not in _ROOTS:
        raise UnsupportedError(f"{word} has no counterpart")
    return word.removesuffix(".string")


def _spaced(parts: list[str]) -> str:
    text = " ".join(parts)
    text = re.sub(r"\s*([\[\(])\s*", r"\1", text)
    text = re.sub(r"\s*([\]\)])", r"\1", text)
    text = re.sub(r"(&&|\|\||==|!=|<=|>=|[<>+*/])\(", r"\1 (", text)
    return re.sub(r"\s+,", ",", text).replace("! ", "!")


def statement(text: str) -> Statement:
    """
    Return a statement in the settings of ``transform``.

    Raises:
        UnsupportedError: it does something that ``transform`` does not.

    """
    call = _CALL.match(text)
    if call is None:
        raise UnsupportedError("the statement is not understood")
    arguments, end = _arguments(text, call.end())
    rest = _WHERE.fullmatch(text, end)
    if rest is None:
        raise UnsupportedError(f'"{text[end:].strip()}" is not understood')
    action, context = _action(call[1], arguments)
    settings: dict[str, Any] = {"when": condition(rest[1])} if rest[1] else {}
    return Statement({**settings, **action}, context)


def _arguments(text: str, start: int) -> tuple[list[str], int]:
    """Return the arguments of a call that begin at ``start``, and where the call ends."""
    found: list[str] = []
    depth = 0
    for token in _TOKEN.finditer(text, start):
        sign = token["sign"]
        if sign == ")" and depth == 0:
            return [*found, text[start : token.start("sign")].strip()], token.end()
        if sign in ("(", "[", "{"):
            depth += 1
        elif sign in (")", "]", "}"):
            depth -= 1
        elif sign == "," and depth == 0:
            found.append(text[start : token.start("sign")].strip())
            start = token.end()
    raise UnsupportedError("the call does not end")


def _action(function: str, arguments: list[str]) -> tuple[dict[str, Any], str | None]:
    match function, arguments:
        case "set", [to, value]:
            key, context = _key(to)
            literal = _literal(value)
            if key in _NUMBERED and isinstance(literal, int):
                literal = dict(enumerate(_NUMBERED[key])).get(literal)
            if literal is not None:
                return {"set": {key: literal}}, context
            return {"compute": {key: condition(value)}}, context
        case "replace_pattern", [to, pattern, replacement]:
            key, context = _key(to)
            replace = {"pattern": _text(pattern), "replacement": _text(replacement), "keys": [key]}
            return {"replace": replace}, context
        case "replace_all_patterns", [place, '"value"', pattern, replacement]:
            replace = {"pattern": _text(pattern), "replacement": _text(replacement)}
            return {"replace": replace}, _place(place)
        case "delete_key", [place, key]:
            return {"delete": [_text(key)]}, _place(place)
        case "delete_keys", [place, keys]:
            return {"delete": _list(keys)}, _place(place)
        case "delete_matching_keys", [place, pattern]:
            return {"delete_matching": _text(pattern)}, _place(place)
        case "keep_keys", [place, keys]:
            return {"keep": _list(keys)}, _place(place)
        case "keep_matching_keys", [place, pattern]:
            return {"keep_matching": _text(pattern)}, _place(place)
        case "truncate_all", [place, limit]:
            return {"truncate": {"limit": _number(limit)}}, _place(place)
        case "limit", [place, count, *keep]:
            limit_to: dict[str, Any] = {"count": _number(count)}
            return {"limit": limit_to | ({"keep": _list(keep[0])} if keep else {})}, _place(place)
    raise UnsupportedError(f"{function}() has no counterpart in this form")


def _key(target: str) -> tuple[str, str | None]:
    """Return the key or field that is written, and the context that it names."""
    if found := _TARGET.fullmatch(target):
        key = found[2]
        return (f'attributes["{key}"]' if key.partition(".")[0] in _TAKEN else key), found[1]
    if found := _FIELD.fullmatch(target):
        return found[2].removesuffix(".code"), found[1]
    raise UnsupportedError(f"{target} cannot be written")


def _place(text: str) -> str | None:
    found = _PLACE.fullmatch(text)
    if found is None:
        raise UnsupportedError(f"{text} cannot be changed as a whole")
    return found[1]


def _literal(text: str) -> str | int | float | bool | None:
    """Return a value that stands for itself; ``None`` for a formula."""
    if _CONSTANT.fullmatch(text):
        return text.removeprefix("STATUS_CODE_").removeprefix("SPAN_KIND_")
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, str | int | float | bool) else None


def _text(text: str) -> str:
    found = _literal(text)
    if not isinstance(found, str):
        raise UnsupportedError(f"{text} is no text in quotes")
    return found


def _number(text: str) -> int:
    found = _literal(text)
    if not isinstance(found, int):
        raise UnsupportedError(f"{text} is no whole number")
    return found


def _list(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UnsupportedError(f"{text} is no list of texts") from error
    return [str(one) for one in found] if isinstance(found, list) else [str(found)]
