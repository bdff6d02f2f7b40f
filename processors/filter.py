"""Drop spans and span events by conditions."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.plugin import Batch, Config, Context, Processor, Span
from processors.conditions import ErrorMode, Faults, Teller, any_of, compile_all
from processors.expressions import Condition, Subject
from processors.matching import MatchConfig, matcher

_Dropped = Literal["resource", "span", "spanevent"]
_DROPPED: tuple[_Dropped, ...] = ("resource", "span", "spanevent")


class TraceFiltersConfig(Config):
    """What is dropped: what meets any of its conditions."""

    resource: tuple[str, ...] = ()
    """Conditions on resources; all spans of one that meets any are dropped."""

    span: tuple[str, ...] = ()
    """Conditions on spans."""

    spanevent: tuple[str, ...] = ()
    """Conditions on the events of the spans that are left."""

    def validate(self) -> None:
        """Check that the conditions can be asked."""
        mistakes: tuple[str, ...] = ()
        for level in _DROPPED:
            try:
                compile_all(level, getattr(self, level), level)
            except ValueError as error:
                mistakes += error.args
        if mistakes:
            raise ValueError(*mistakes)


class SpanMatchConfig(Config):
    """Spans to keep and spans to drop, in the Collector's older form."""

    include: MatchConfig | None = None
    """Which spans are kept; unset: all."""

    exclude: MatchConfig | None = None
    """Which of those are dropped."""


class FilterConfig(Config):
    """Settings of ``filter``."""

    error_mode: ErrorMode = "ignore"
    """What happens where a condition cannot be evaluated: ``ignore`` logs and takes it for not met,
    ``silent`` does so without the log, ``propagate`` refuses the batch."""

    traces: TraceFiltersConfig = msgspec.field(default_factory=TraceFiltersConfig)
    """Conditions in the Common Expression Language; what meets one is dropped."""

    trace_conditions: tuple[str, ...] = ()
    """The Collector's newer form of ``traces``: a condition that speaks of ``spanevent`` drops span
    events, any other drops spans."""

    spans: SpanMatchConfig = msgspec.field(default_factory=SpanMatchConfig)
    """Spans to keep or to drop by their properties; beside conditions both count."""

    def validate(self) -> None:
        """Check that there is something to drop."""
        compile_all("trace_conditions", self.trace_conditions, _level)
        traces, spans = self.traces, self.spans
        conditions = (*traces.resource, *traces.span, *traces.spanevent, *self.trace_conditions)
        if not (conditions or spans.include or spans.exclude):
            raise ValueError(
                "traces.span: expected at least one condition, as in "
                """['span.attributes["http.route"] == "/health"'], or include or exclude in spans"""
            )


def _level(condition: str) -> _Dropped:
    return "spanevent" if "spanevent." in condition else "span"


class Filter(Processor[FilterConfig]):
    """
    Drop spans, whole resources or span events that meet a condition.

    A dropped span leaves its children without a parent. Fails closed: what should be dropped is
    not passed on because dropping failed.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: FilterConfig) -> None:
        super().__init__(config)
        conditions: dict[_Dropped, list[Condition]] = {
            level: compile_all(level, getattr(config.traces, level), level) for level in _DROPPED
        }
        for one in compile_all("trace_conditions", config.trace_conditions, _level):
            conditions[_level(one.source)].append(one)
        self._conditions = conditions
        include, exclude = config.spans.include, config.spans.exclude
        self._included = None if include is None else matcher(include)
        self._excluded = None if exclude is None else matcher(exclude)
        self._of_spans = conditions["span"] or include is not None or exclude is not None
        self._teller = Teller()

    async def start(self, context: Context) -> None:
        """Take what is needed to tell of conditions that cannot be evaluated."""
        self._teller = Teller(context)

    def process(self, batch: Batch) -> Batch:
        """
        Drop in place.

        Raises:
            Reject: a condition cannot be evaluated and ``error_mode`` is ``propagate``.

        """
        subject, faults = Subject(batch.context), Faults(self.config.error_mode)
        conditions = self._conditions
        if conditions["resource"]:
            _drop_resources(batch, conditions["resource"], subject, faults)
        if self._of_spans:
            self._drop_spans(batch, subject, faults)
        if conditions["spanevent"]:
            _drop_events(batch, conditions["spanevent"], subject, faults)
        self._teller.tell(faults)
        return batch

    def _drop_spans(self, batch: Batch, subject: Subject, faults: Faults) -> None:
        met = any_of(self._conditions["span"], subject, faults)
        for span in batch:
            subject.look_at(span)
            if reason := self._not_kept(span) or met():
                batch.drop(span, reason)

    def _not_kept(self, span: Span) -> str:
        """Return which setting in the Collector's older form drops a span; empty if none does."""
        if self._included is not None and not self._included(span):
            return "spans.include"
        if self._excluded is not None and self._excluded(span):
            return "spans.exclude"
        return ""


def _drop_resources(
    batch: Batch, conditions: Sequence[Condition], subject: Subject, faults: Faults
) -> None:
    met = any_of(conditions, subject, faults)
    unwanted: dict[int, str] = {}
    for resource in batch.resources:
        subject.resource = resource
        if reason := met():
            unwanted[id(resource)] = reason
    for span in batch if unwanted else ():
        if id(span.resource) in unwanted:
            batch.drop(span, unwanted[id(span.resource)])


def _drop_events(
    batch: Batch, conditions: Sequence[Condition], subject: Subject, faults: Faults
) -> None:
    met = any_of(conditions, subject, faults)
    for span in batch:
        if not span.peek.events:
            continue
        subject.look_at(span)
        unwanted = []
        for at, event in enumerate(span.peek.events):
            subject.event = event
            if met():
                unwanted.append(at)
        for at in reversed(unwanted):
            del span.proto.events[at]
