"""The statements of ``transform``: one action each, on what meets a condition."""

from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from gateway.otlp.values import key_value
from gateway.plugin import Config
from processors.actions import put
from processors.conditions import Faults
from processors.expressions import Condition, EvaluationError, Expression, Level, Subject
from processors.patterns import Pattern
from processors.targets import Fields, Target, attribute_key, target

P = ParamSpec("P")
T = TypeVar("T")

Change = Callable[[Subject, Fields], None]
"""What an action does to what ``Subject`` looks at and its attributes."""

Bind = Callable[[Subject, Faults], Change]
"""Get an action ready for a batch."""


class TruncateConfig(Config):
    """Cut long texts."""

    limit: int
    """How many characters are left, 0 or more."""

    keys: tuple[str, ...] = ()
    """Which attributes or fields; empty: all attributes that are texts."""


class ReplaceConfig(Config):
    """Replace what a pattern matches."""

    pattern: str
    """A regular expression (RE2); every match is replaced."""

    replacement: str
    """What to put there; ``$1``, ``${1}`` and ``${name}`` stand for groups. In YAML each ``$`` is
    doubled: ``$$1``."""

    keys: tuple[str, ...] = ()
    """Which attributes or fields; empty: all attributes that are texts."""


class LimitConfig(Config):
    """Delete the attributes beyond a number."""

    count: int
    """How many are left, 0 or more."""

    keep: tuple[str, ...] = ()
    """Attributes that are left first; then those that came first."""


class StatementConfig(Config):
    """One change; exactly one of the keys after ``when`` says which."""

    context: Level = "span"
    """What the statement is about."""

    when: str = ""
    """A condition in the Common Expression Language; unset: always."""

    set: dict[str, Any] | None = None
    """Write values: to attributes by key, or to fields such as ``name`` and ``status``."""

    compute: dict[str, str] | None = None
    """Write the results of expressions; one that gives ``null`` writes nothing."""

    rename: dict[str, str] | None = None
    """Move attributes to other keys, over what may be there."""

    delete: tuple[str, ...] | None = None
    """Delete these attributes."""

    delete_matching: str = ""
    """Delete the attributes whose keys match a regular expression (RE2)."""

    keep: tuple[str, ...] | None = None
    """Delete all attributes but these."""

    keep_matching: str = ""
    """Delete all attributes but those whose keys match a regular expression (RE2)."""

    truncate: TruncateConfig | None = None
    """Cut long texts."""

    replace: ReplaceConfig | None = None
    """Replace what a pattern matches."""

    limit: LimitConfig | None = None
    """Delete the attributes beyond a number."""

    def validate(self) -> None:
        """Check the statement as a whole."""
        Statement(self)


class Statement:
    """
    A statement, ready to be bound to a batch.

    Raises:
        ValueError: what is wrong with its settings; begins with the setting's name.

    """

    def __init__(self, config: StatementConfig) -> None:
        self.level: Level = config.context
        given = [name for name in _ACTIONS if getattr(config, name) not in (None, "")]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise ValueError(f"expected exactly one of {', '.join(_ACTIONS)}; found {found}")
        self._condition = (
            _named("when", Condition, config.when, self.level) if config.when else None
        )
        [action] = given
        self._bind = _ACTIONS[action](config)

    def bind(self, subject: Subject, faults: Faults) -> Change:
        """Return what changes whatever ``subject`` looks at by then, if the condition is met."""
        change = self._bind(subject, faults)
        if self._condition is None:
            return change
        is_met = self._condition.bind(subject)

        def run(subject: Subject, fields: Fields) -> None:
            try:
                met = is_met()
            except EvaluationError as error:
                faults.add(error)
                return
            if met:
                change(subject, fields)

        return run


def _named(where: str, make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Put the setting before a complaint."""
    try:
        return make(*args, **kwargs)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _fixed(change: Change) -> Bind:
    return lambda _subject, _faults: change


def _set(config: StatementConfig) -> Bind:
    writes = []
    for name, value in (config.set or {}).items():
        place: Target = _named("set", target, name, config.context)
        _check_value(name, value, place)
        writes.append((place.write, value))

    def change(subject: Subject, fields: Fields) -> None:
        for write, value in writes:
            write(subject, fields, value)

    return _fixed(change)


def _check_value(name: str, value: Any, place: Target) -> None:
    if value is None:
        raise ValueError(f"set: {name} has no value; to remove an attribute use delete: [{name}]")
    bare = str(value).removeprefix("SPAN_KIND_").removeprefix("STATUS_CODE_")
    if place.choices is not None and bare not in place.choices:
        raise ValueError(f"set: {name} is one of {', '.join(place.choices)}, found {value}")
    try:
        key_value(name, value)
    except TypeError as error:
        raise ValueError(f"set: {name}: {error}; put it in quotes") from None


def _compute(config: StatementConfig) -> Bind:
    formulas = [
        (
            _named("compute", target, name, config.context),
            _named("compute", Expression, source, config.context),
        )
        for name, source in (config.compute or {}).items()
    ]

    def bind(subject: Subject, faults: Faults) -> Change:
        ready = [(place.write, formula.bind(subject)) for place, formula in formulas]

        def change(subject: Subject, fields: Fields) -> None:
            for write, evaluate in ready:
                try:
                    value = evaluate()
                except EvaluationError as error:
                    faults.add(error)
                    continue
                if _is_value(value):
                    write(subject, fields, value)

        return change

    return bind


def _is_value(value: object) -> bool:
    """Whether an attribute can hold the result of an expression, which times are not."""
    if isinstance(value, list):
        return all(item is None or _is_value(item) for item in value)
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_value([item]) for key, item in value.items())
    return isinstance(value, str | bool | int | float | bytes)


def _rename(config: StatementConfig) -> Bind:
    pairs = [
        tuple(_named("rename", attribute_key, each, config.context) for each in pair)
        for pair in (config.rename or {}).items()
    ]

    def change(_: Subject, fields: Fields) -> None:
        for old, new in pairs:
            if old in fields and old != new:
                fields[new] = fields[old]
                del fields[old]

    return _fixed(change)


def _delete(config: StatementConfig) -> Bind:
    keys = _keys("delete", config.delete, config.context)
    return _deleting(lambda key: key in keys)


def _keep(config: StatementConfig) -> Bind:
    keys = _keys("keep", config.keep, config.context)
    return _deleting(lambda key: key not in keys)


def _delete_matching(config: StatementConfig) -> Bind:
    pattern: Pattern = _named("delete_matching", Pattern, config.delete_matching)
    return _deleting(pattern.found_in)


def _keep_matching(config: StatementConfig) -> Bind:
    pattern: Pattern = _named("keep_matching", Pattern, config.keep_matching)
    return _deleting(lambda key: not pattern.found_in(key))


def _keys(where: str, names: Sequence[str] | None, level: Level) -> frozenset[str]:
    return frozenset(
        _named(f"{where}[{at}]", attribute_key, name, level) for at, name in enumerate(names or [])
    )


def _deleting(unwanted: Callable[[str], bool]) -> Bind:
    def change(_: Subject, fields: Fields) -> None:
        for key in [key for key in fields if unwanted(key)]:
            del fields[key]

    return _fixed(change)


def _truncate(config: StatementConfig) -> Bind:
    settings = config.truncate
    assert settings is not None
    limit = settings.limit
    if limit < 0:
        raise ValueError(f"truncate.limit: expected 0 or more, found {limit}")
    return _rewriting(
        "truncate",
        settings.keys,
        config.context,
        lambda text: text[:limit] if len(text) > limit else text,
    )


def _replace(config: StatementConfig) -> Bind:
    settings = config.replace
    assert settings is not None
    pattern: Pattern = _named("replace.pattern", Pattern, settings.pattern)
    replace = _named("replace.replacement", pattern.replacer, settings.replacement)
    return _rewriting("replace", settings.keys, config.context, replace)


def _rewriting(
    where: str, keys: Sequence[str], level: Level, rewrite: Callable[[str], str]
) -> Bind:
    """Rewrite the texts of some attributes and fields, or those of all attributes."""
    places: list[Target] = [
        _named(f"{where}.keys[{at}]", target, key, level) for at, key in enumerate(keys)
    ]

    def change(subject: Subject, fields: Fields) -> None:
        for place in places:
            value = place.read(subject, fields)
            if isinstance(value, str):
                place.write(subject, fields, rewrite(value))

    def change_all(_: Subject, fields: Fields) -> None:
        for key in list(fields):
            value = fields[key]
            if isinstance(value, str):
                put(fields, key, rewrite(value))

    return _fixed(change if places else change_all)


def _limit(config: StatementConfig) -> Bind:
    settings = config.limit
    assert settings is not None
    count = settings.count
    if count < 0:
        raise ValueError(f"limit.count: expected 0 or more, found {count}")
    first = _keys("limit.keep", settings.keep, config.context)

    def change(_: Subject, fields: Fields) -> None:
        if len(fields) <= count:
            return
        in_order = sorted(fields, key=lambda key: key not in first)
        for key in in_order[count:]:
            del fields[key]

    return _fixed(change)


_ACTIONS: dict[str, Callable[[StatementConfig], Bind]] = {
    "set": _set,
    "compute": _compute,
    "rename": _rename,
    "delete": _delete,
    "delete_matching": _delete_matching,
    "keep": _keep,
    "keep_matching": _keep_matching,
    "truncate": _truncate,
    "replace": _replace,
    "limit": _limit,
}
