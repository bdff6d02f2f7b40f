"""What a statement of ``transform`` may write: attributes, and the few fields that can change."""

import difflib
from collections.abc import Callable, MutableMapping
from typing import NamedTuple

from gateway.plugin import Value
from processors.actions import put
from processors.expressions import Level, Subject
from processors.expressions.rewriting import literal
from processors.expressions.subject import KINDS, LEVELS, STATUSES, vocabulary
from processors.patterns import Pattern
from processors.texts import as_text

Fields = MutableMapping[str, Value]
"""The attributes of what a statement is about."""

Write = Callable[[Subject, Fields, Value], None]
Read = Callable[[Subject, Fields], Value]

_ATTRIBUTE = Pattern(r"""^(?:(?P<level>\w+)\.)?attributes\[(?P<key>"[^"]*"|'[^']*')\]$""")


class Target(NamedTuple):
    """A place that can be read and written."""

    read: Read
    write: Write
    choices: list[str] | None = None
    """The texts that it can hold, where not all fit."""


def target(text: str, level: Level) -> Target:
    """
    Return what a user names: a field such as ``name``, or the key of an attribute.

    Raises:
        ValueError: it belongs to something else than what the statement is about.

    """
    key = _key(text, level)
    if key is None:
        return _FIELDS[vocabulary(level).canonical(text)]
    return Target(
        lambda _, fields: fields.get(key),
        lambda _, fields, value: put(fields, key, value),
    )


def attribute_key(text: str, level: Level) -> str:
    """
    Return the key of the attribute that a user names.

    Raises:
        ValueError: it is something else.

    """
    key = _key(text, level)
    if key is None:
        raise ValueError(f'{text} is no attribute; for one of that name write attributes["{text}"]')
    return key


def _key(text: str, level: Level) -> str | None:
    """Return the key of an attribute, or ``None`` for a field."""
    found = _ATTRIBUTE.groups(text)
    names = vocabulary(level)
    if found is not None:
        _check_level(text, names.canonical(f"{found['level'] or level}.attributes"), level)
        return literal(found["key"])
    full = names.canonical(text)
    if full in _FIELDS:
        _check_level(text, full, level)
        return None
    if full.partition(".")[0] in LEVELS and "." in full:
        near = difflib.get_close_matches(full, [*_FIELDS, "span.attributes"], n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f'{text} cannot be written; {hint}An attribute is attributes["{text}"]')
    return text


def _check_level(text: str, full: str, level: Level) -> None:
    owner = full.partition(".")[0]
    if owner != level:
        raise ValueError(
            f"{text} is not part of a {level}; write context: {owner} in a statement of its own"
        )


def _name_span(subject: Subject, _: Fields, value: Value) -> None:
    if subject.span.name != as_text(value):
        subject.span.name = as_text(value)


def _set_kind(subject: Subject, _: Fields, value: Value) -> None:
    number = _number(KINDS, "SPAN_KIND_", value)
    if number is not None and subject.span.peek.kind != number:
        subject.span.proto.kind = number  # type: ignore[assignment]  # the enum's number


def _set_status(subject: Subject, _: Fields, value: Value) -> None:
    number = _number(STATUSES, "STATUS_CODE_", value)
    if number is not None and subject.span.peek.status.code != number:
        subject.span.proto.status.code = number  # type: ignore[assignment]  # the enum's number


def _set_status_message(subject: Subject, _: Fields, value: Value) -> None:
    if subject.span.peek.status.message != as_text(value):
        subject.span.proto.status.message = as_text(value)


def _name_event(subject: Subject, _: Fields, value: Value) -> None:
    if subject.event.name != as_text(value):
        subject.span.proto  # noqa: B018 - says that the span, which holds the event, changes
        subject.event.name = as_text(value)


def _name_scope(subject: Subject, _: Fields, value: Value) -> None:
    if subject.scope.name != as_text(value):
        subject.scope.proto.name = as_text(value)


def _set_scope_version(subject: Subject, _: Fields, value: Value) -> None:
    if subject.scope.version != as_text(value):
        subject.scope.proto.version = as_text(value)


def _number(names: list[str], prefix: str, value: Value) -> int | None:
    name = as_text(value).removeprefix(prefix)
    return names.index(name) if name in names else None


def _field(name: str, level: Level, write: Write, choices: list[str] | None = None) -> Target:
    read = vocabulary(level).names[name].read
    return Target(lambda subject, _: read(subject), write, choices)


_FIELDS: dict[str, Target] = {
    "span.name": _field("span.name", "span", _name_span),
    "span.kind": _field("span.kind", "span", _set_kind, KINDS),
    "span.status": _field("span.status", "span", _set_status, STATUSES),
    "span.status.code": _field("span.status.code", "span", _set_status, STATUSES),
    "span.status.message": _field("span.status.message", "span", _set_status_message),
    "spanevent.name": _field("spanevent.name", "spanevent", _name_event),
    "scope.name": _field("scope.name", "scope", _name_scope),
    "scope.version": _field("scope.version", "scope", _set_scope_version),
}
