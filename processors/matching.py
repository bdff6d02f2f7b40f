"""
Which spans a processor is for: the Collector's ``include`` and ``exclude``.

Source: opentelemetry-collector-contrib, internal/filter/{filterconfig,filterspan,filtermatcher}.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from opentelemetry.proto.trace.v1 import trace_pb2

from gateway.plugin import Config, Span, Value
from processors.patterns import Pattern
from processors.texts import as_text

_NO_SERVICE = "<nil-service-name>"
_KINDS: list[str] = list(trace_pb2.Span.SpanKind.keys())

Matcher = Callable[[Span], bool]
_Texts = Callable[[str], bool]
_Mapping = Callable[[Mapping[str, Value]], bool]


class AttributeMatch(Config):
    """An attribute that must be there."""

    key: str
    """Its key."""

    value: Any = None
    """What it must hold, of the same type; with ``regexp`` a regular expression over its text.
    Unset: anything."""


class LibraryMatch(Config):
    """An instrumentation scope."""

    name: str
    """Its name."""

    version: str | None = None
    """Its version; unset: any. The empty text means none."""


class MatchConfig(Config):
    """Which spans are meant; all that is given must match."""

    match_type: Literal["strict", "regexp"]
    """How texts are compared: ``strict`` (equal) or ``regexp`` (RE2, matches anywhere)."""

    services: tuple[str, ...] = ()
    """One of these is the ``service.name`` of the resource."""

    span_names: tuple[str, ...] = ()
    """One of these is the span's name."""

    span_kinds: tuple[str, ...] = ()
    """One of these is the span's kind, as in ``SPAN_KIND_SERVER``."""

    attributes: tuple[AttributeMatch, ...] = ()
    """The span has all of these."""

    resources: tuple[AttributeMatch, ...] = ()
    """The resource has all of these."""

    libraries: tuple[LibraryMatch, ...] = ()
    """The span comes from one of these."""

    def validate(self) -> None:
        """Check that something is asked for, and that it can be matched."""
        matcher(self)


def span_filter(include: MatchConfig | None, exclude: MatchConfig | None) -> Matcher | None:
    """
    Return what tells whether a span is meant; ``None`` where all are.

    Raises:
        ValueError: a setting cannot be matched.

    """
    included = matcher(include) if include is not None else None
    excluded = matcher(exclude) if exclude is not None else None
    if included is None and excluded is None:
        return None
    return lambda span: (
        (included is None or included(span)) and not (excluded is not None and excluded(span))
    )


def matcher(config: MatchConfig) -> Matcher:
    """
    Return what tells whether a span has all that is given.

    Raises:
        ValueError: nothing is given, or it cannot be matched.

    """
    tests: list[Matcher] = []
    if config.services:
        services = _texts(config, "services")
        tests.append(lambda span: services(_service(span)))
    if config.span_names:
        names = _texts(config, "span_names")
        tests.append(lambda span: names(span.name))
    if config.span_kinds:
        tests.append(_kind_test(config))
    tests += _library_test(config)
    if config.resources:
        resources = _mapping(config, "resources")
        tests.append(lambda span: resources(span.resource.attributes))
    if config.attributes:
        attributes = _mapping(config, "attributes")
        tests.append(lambda span: attributes(span.attributes))
    if not tests:
        raise ValueError(
            "at least one of services, span_names, span_kinds, attributes, resources and "
            "libraries must be given"
        )
    return lambda span: all(test(span) for test in tests)


def _service(span: Span) -> str:
    name = span.resource.attributes.get("service.name")
    return _NO_SERVICE if name is None else as_text(name)


def _kind_test(config: MatchConfig) -> Matcher:
    if config.match_type == "strict":
        for at, kind in enumerate(config.span_kinds):
            if kind not in _KINDS:
                raise ValueError(
                    f'span_kinds[{at}]: there is no kind "{kind}"; known: {", ".join(_KINDS)}'
                )
    kinds = _texts(config, "span_kinds")
    wanted = {number for number, kind in enumerate(_KINDS) if kinds(kind)}
    return lambda span: span.peek.kind in wanted


def _library_test(config: MatchConfig) -> list[Matcher]:
    """Return a test that one of the libraries passes; no test where none is given."""
    pairs = [
        (
            _any_of(config, f"libraries[{at}].name", [library.name]),
            None
            if library.version is None
            else _any_of(config, f"libraries[{at}].version", [library.version]),
        )
        for at, library in enumerate(config.libraries)
    ]

    def test(span: Span) -> bool:
        scope = span.scope
        return any(
            name(scope.name) and (version is None or version(scope.version))
            for name, version in pairs
        )

    return [test] if pairs else []


def _texts(config: MatchConfig, field: str) -> _Texts:
    return _any_of(config, field, getattr(config, field))


def _any_of(config: MatchConfig, where: str, wanted: Sequence[str]) -> _Texts:
    if config.match_type == "strict":
        return frozenset(wanted).__contains__
    patterns = [_pattern(where, text) for text in wanted]
    return lambda text: any(pattern.found_in(text) for pattern in patterns)


def _pattern(where: str, text: str) -> Pattern:
    try:
        return Pattern(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _mapping(config: MatchConfig, field: str) -> _Mapping:
    tests: list[tuple[str, Callable[[Value], bool]]] = []
    for at, wanted in enumerate(getattr(config, field)):
        if not wanted.key:
            raise ValueError(f"{field}[{at}].key: expected the key of an attribute")
        tests.append((wanted.key, _value_test(config, f"{field}[{at}].value", wanted.value)))

    def test(mapping: Mapping[str, Value]) -> bool:
        return all(key in mapping and fits(mapping[key]) for key, fits in tests)

    return test


def _value_test(config: MatchConfig, where: str, wanted: Any) -> Callable[[Value], bool]:
    if wanted is None:
        return lambda _: True
    if config.match_type == "strict":
        return lambda value: type(value) is type(wanted) and value == wanted
    if not isinstance(wanted, str):
        raise ValueError(f"{where}: with match_type: regexp it must be a text; put it in quotes")  # noqa: TRY004 - settings that are wrong are ValueErrors
    pattern = _pattern(where, wanted)
    return lambda value: (
        isinstance(value, str | bool | int | float) and pattern.found_in(as_text(value))
    )
