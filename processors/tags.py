"""Hold traces to a schema of tags: user, session, environment and whatever a team needs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gateway.plugin import Batch, Config, Context, Meter, Processor, Reject, Span
from processors.actions import put
from processors.mlflow_mapping.identity import short_id
from processors.patterns import Pattern
from processors.texts import as_text

TAG = "mlflow.traceTag."
MISSING = TAG + "spangate.missing_tags"
INVALID = TAG + "spangate.invalid_tags"

_TARGETS = {
    "user": "user.id",
    "session": "session.id",
    "trace_name": TAG + "mlflow.traceName",
}
_IDS = ("user", "session")
"""What MLflow reads on any span of a trace; tags count on the root alone."""

_SOURCES: dict[str, tuple[str, ...]] = {
    "user": (
        *("user.id", "enduser.id", "langfuse.user.id"),
        *("traceloop.association.properties.user_id", "user_id"),
    ),
    "session": (
        *("session.id", "gen_ai.conversation.id", "langfuse.session.id"),
        *("traceloop.association.properties.session_id", "session_id"),
    ),
    "environment": (
        *("deployment.environment.name", "deployment.environment"),
        *("langfuse.environment", "environment"),
    ),
    "service": ("service.name",),
    "version": ("service.version",),
}
_NAME = re.compile(r"[\w./ -]{1,250}")

Otherwise = Literal["reject", "default", "mark", "ignore"]


class TagConfig(Config):
    """One tag of the schema."""

    sources: tuple[str, ...] = msgspec.field(default=(), name="from")
    """Attributes that may hold it, the first that does counts: of the root span, then of its
    resource, then of the trace's other spans in the request. Unset: the well-known ones for
    ``user``, ``session``, ``environment``, ``service`` and ``version``, else the tag's own name."""

    allowed: tuple[str, ...] = ()
    """The values it may have; empty: any."""

    pattern: str = ""
    """A regular expression (RE2) that the whole value must match."""

    default: str | None = None
    """What to write where ``on_missing`` or ``on_invalid`` says ``default``."""

    on_missing: Otherwise | None = None
    """What happens where it is missing: ``reject`` the request, write the ``default``, ``mark`` the
    trace with a tag ``spangate.missing_tags``, or ``ignore`` it. Unset: ``default`` where there
    is one, else ``mark``."""

    on_invalid: Otherwise | None = None
    """What happens where the value is not allowed; ``mark`` writes ``spangate.invalid_tags`` and
    keeps the value. Unset: as ``on_missing``."""

    def validate(self) -> None:
        """Check that the default is there where it is needed, and fits."""
        _Check(self)


class TagsConfig(Config):
    """Settings of ``tags``."""

    schema: dict[str, TagConfig] = msgspec.field(
        default_factory=lambda: {name: TagConfig() for name in ("user", "session", "environment")}
    )
    """The tags, by name. ``user`` and ``session`` become the trace's user and session,
    ``trace_name`` its name, all others trace tags."""

    def validate(self) -> None:
        """Check the names."""
        if not self.schema:
            raise ValueError("schema: expected at least one tag, as in {environment: {}}")
        for name in self.schema:
            if not _NAME.fullmatch(name) or name.startswith(("mlflow.", "spangate.")):
                raise ValueError(
                    f'schema: "{name}" cannot be the name of a tag: up to 250 letters, digits, '
                    'spaces and _ . / -, and neither "mlflow." nor "spangate." before them'
                )


class _Check:
    """What a value must be."""

    def __init__(self, config: TagConfig) -> None:
        self._allowed = frozenset(config.allowed)
        try:
            self._pattern = Pattern(config.pattern) if config.pattern else None
        except ValueError as error:
            raise ValueError(f"pattern: {error}") from None
        given = config.default is not None
        self.on_missing: Otherwise = config.on_missing or ("default" if given else "mark")
        self.on_invalid: Otherwise = config.on_invalid or self.on_missing
        if "default" in {self.on_missing, self.on_invalid} and config.default is None:
            raise ValueError('default: expected the value to write, since "default" is asked for')
        if config.default is not None and not self.fits(config.default):
            raise ValueError(f'default: "{config.default}" is not an allowed value of the tag')

    def fits(self, value: str) -> bool:
        """Whether a value is allowed."""
        if self._allowed and value not in self._allowed:
            return False
        return self._pattern is None or self._pattern.matches(value)


class _Tag:
    """One tag of the schema, ready to be looked for."""

    def __init__(self, name: str, config: TagConfig) -> None:
        self.name = name
        self.check = _Check(config)
        self.default = config.default or ""
        self.target = _TARGETS.get(name, TAG + name)
        given = config.sources or _SOURCES.get(name, (name,))
        self.sources = given if self.target in given else (*given, self.target)

    def find(self, places: Iterator[Mapping[str, object]]) -> str:
        """Return the first value that is not empty, or ``""``."""
        for attributes in places:
            for key in self.sources:
                value = attributes.get(key)
                if value not in (None, "", [], {}):
                    return as_text(value)  # type: ignore[arg-type]  # attributes hold nothing else
        return ""

    def write(self, span: Span, value: str) -> None:
        """Write the value where MLflow reads it."""
        put(span.attributes, self.target, short_id(value) if self.name in _IDS else value)


class _Complaints(NamedTuple):
    missing: list[str]
    invalid: list[str]


class Tags(Processor[TagsConfig]):
    """
    Hold traces to a schema of tags: where they come from, what they may be, what if they lack.

    Fails closed: a schema that is not checked is none. Stands after ``mlflow_mapping``.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: TagsConfig) -> None:
        super().__init__(config)
        self._tags = [_Tag(name, tag) for name, tag in config.schema.items()]
        self._meter: Meter | None = None

    async def start(self, context: Context) -> None:
        """Take what is needed to count."""
        self._meter = context.meter

    def process(self, batch: Batch) -> Batch:
        """
        Write the tags of each trace on its root, in place.

        A part of a trace without its root only gets user and session.

        Raises:
            Reject: a tag is missing or not allowed, and the schema says so.

        """
        traces: dict[bytes, list[Span]] = {}
        for span in batch:
            traces.setdefault(span.trace_id, []).append(span)
        complaints = _Complaints([], [])
        for spans in traces.values():
            root = next((span for span in spans if span.is_root), None)
            if root is None:
                self._identify(spans)
            else:
                self._tag(root, spans, complaints)
        self._count(complaints)
        return batch

    def _identify(self, spans: Sequence[Span]) -> None:
        for tag in self._tags:
            if tag.name in _IDS and not any(tag.target in span.attributes for span in spans):
                value = tag.find(_places(spans))
                if value and tag.check.fits(value):
                    tag.write(spans[0], value)

    def _tag(self, root: Span, spans: Sequence[Span], complaints: _Complaints) -> None:
        marks = _Complaints([], [])
        for tag in self._tags:
            value = tag.find(_places([root, *spans]))
            fits = bool(value) and tag.check.fits(value)
            otherwise = tag.check.on_invalid if value else tag.check.on_missing
            if not fits:
                (complaints.invalid if value else complaints.missing).append(tag.name)
                if otherwise == "reject":
                    raise Reject(_refusal(tag, root, "is not allowed" if value else "is missing"))
                if otherwise == "default":
                    value = tag.default
                elif otherwise == "mark":
                    (marks.invalid if value else marks.missing).append(tag.name)
            if value:
                tag.write(root, value)
        for names, key in ((marks.missing, MISSING), (marks.invalid, INVALID)):
            if names:
                put(root.attributes, key, ", ".join(names))

    def _count(self, complaints: _Complaints) -> None:
        if self._meter is None:
            return
        for names, problem in zip(complaints, ("missing", "invalid"), strict=True):
            for name in set(names):
                self._meter.count("tags", names.count(name), tag=name, problem=problem)


def _places(spans: Sequence[Span]) -> Iterator[Mapping[str, object]]:
    """Yield the attributes of the first span, of its resource, then of the others."""
    yield spans[0].attributes
    yield spans[0].resource.attributes
    for span in spans[1:]:
        yield span.attributes


def _refusal(tag: _Tag, root: Span, problem: str) -> str:
    return (
        f"tag {tag.name} of trace {root.trace_id.hex()} {problem}: set one of "
        f"{', '.join(tag.sources)} on the root span or the resource"
    )
