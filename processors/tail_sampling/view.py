"""What policies look at, and what they are."""

import abc
from collections.abc import Iterator, Sequence
from functools import cached_property

from gateway.plugin import Attributes, Batch, Span, Trace
from processors.tail_sampling.terms import SPAN_TYPE, Mapper


class View:
    """One trace, while it is decided on."""

    def __init__(self, trace: Trace, mapper: Mapper) -> None:
        self.trace = trace
        self._mapper = mapper

    @property
    def spans(self) -> Sequence[Span]:
        """Its spans."""
        return self.trace.spans

    def attributes(self) -> Iterator[Attributes]:
        """Yield the attributes of its resources, then those of its spans."""
        for resource in self.trace.resources:
            yield resource.attributes
        for span in self.spans:
            yield span.attributes

    @cached_property
    def in_terms(self) -> Batch:
        """Its spans in MLflow's terms: as they are, where ``mlflow_mapping`` has been at work."""
        if any(SPAN_TYPE in span.attributes for span in self.spans):
            return self.trace.batch
        return self._mapper.map(self.trace.batch)

    @cached_property
    def priced(self) -> Batch:
        """The same with costs: as they are, where ``cost`` has been at work."""
        return self._mapper.price(self.in_terms)


class Policy(abc.ABC):
    """What a trace is like that it matches; asked about one trace after the other."""

    drops = False
    """Whether what it matches is dropped."""

    @abc.abstractmethod
    def matches(self, view: View) -> bool:
        """Return whether it matches; a policy with a budget takes from it."""

    def mark(self) -> "Mark | None":
        """Return what kept spans are marked with where chance had a part, else None."""
        return None


class Mark(abc.ABC):
    """How kept spans say which share of all traces they stand for."""

    share: float
    """The share of traces that are kept."""

    @abc.abstractmethod
    def on(self, trace_state: str) -> str:
        """Return the trace state that a span goes on with."""
