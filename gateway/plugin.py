"""
The public API for plugins; with :mod:`gateway.testing` all that a plugin imports.

A component is a class and its settings. Packages announce it by entry point
(``spangate.processors``, ``spangate.exporters``, ``spangate.receivers``; the key is the component
type), a single file by ``use: ./file.py:Class``. Importing one must have no side effects.

``API_VERSION`` follows semantic versioning: what is named here keeps working through a major
version, and is announced as deprecated one minor version before it goes.
"""

import abc
from collections.abc import Awaitable
from pathlib import Path
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

from gateway.batch import Attributes, Batch, BatchContext, LlmCall, Resource, Scope, Span
from gateway.config.exporting import (
    BatchConfig,
    ClientTlsConfig,
    ExporterConfig,
    HttpExporterConfig,
    QueueConfig,
    RetryConfig,
)
from gateway.config.types import Config, Duration, FilePath, Secret
from gateway.errors import Busy, Forbidden, Moved, Reject, Retry, TooLarge
from gateway.otlp.values import Value
from gateway.trace import Drop, Ending, Keep, Trace, Wait

__all__ = [
    "API_VERSION",
    "Attributes",
    "Batch",
    "BatchConfig",
    "BatchContext",
    "Busy",
    "ClientTlsConfig",
    "Clock",
    "Config",
    "Context",
    "Deliver",
    "Drop",
    "Duration",
    "Ending",
    "Exporter",
    "ExporterConfig",
    "FilePath",
    "Forbidden",
    "HttpExporterConfig",
    "Keep",
    "LlmCall",
    "Logger",
    "Meter",
    "Moved",
    "Processor",
    "QueueConfig",
    "Receiver",
    "Reject",
    "Resource",
    "Retry",
    "RetryConfig",
    "Scope",
    "Secret",
    "Span",
    "TooLarge",
    "Trace",
    "TraceProcessor",
    "Value",
    "Wait",
]

API_VERSION = "1.0"

C = TypeVar("C", bound=Config)

OnError = Literal["pass", "drop", "reject"]
"""What becomes of a batch whose processor failed: go on without it, drop, refuse to the sender."""


class Logger(Protocol):
    """A structured logger: an event and its fields; never log a payload."""

    def debug(self, event: str, **fields: object) -> None:
        """Log for developers."""
        ...

    def info(self, event: str, **fields: object) -> None:
        """Log what an operator may want to know."""
        ...

    def warning(self, event: str, **fields: object) -> None:
        """Log what an operator should look at."""
        ...

    def error(self, event: str, **fields: object) -> None:
        """Log what an operator must act on."""
        ...


class Clock(Protocol):
    """Time, injected so that tests need not wait."""

    def time_ns(self) -> int:
        """Return the wall clock in nanoseconds since 1970, as OTLP counts."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Meter(Protocol):
    """The component's own metrics, served with the gateway's."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter; update once a batch, not once a span."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...


class Context(Protocol):
    """What a component is given when it starts."""

    @property
    def component_id(self) -> str:
        """``type`` or ``type/name``, as in the configuration."""
        ...

    @property
    def logger(self) -> Logger:
        """Logs with the component's id."""
        ...

    @property
    def meter(self) -> Meter:
        """Metrics of the component."""
        ...

    @property
    def clock(self) -> Clock:
        """The time."""
        ...

    @property
    def data_dir(self) -> Path:
        """A folder of the component's own that survives restarts; made on first use."""
        ...


class Component(abc.ABC, Generic[C]):
    """
    What processors, exporters and receivers share.

    ``start`` may fail and stops the gateway; ``stop`` is safe without ``start``, and safe twice.
    """

    stability: ClassVar[Literal["development", "alpha", "beta", "stable"]] = "alpha"

    def __init__(self, config: C) -> None:
        self.config = config

    async def start(self, context: Context) -> None:
        """Open what is needed; called once, before the first batch."""

    async def stop(self) -> None:
        """Close what was opened; called once the last batch has left."""


class Processor(Component[C]):
    """
    Stage 1: change, drop or refuse batches, one at a time, without memory across batches.

    A sync ``process`` runs on a thread, never on the event loop, and may run for several
    batches at the same time; an ``async def process`` runs on the loop.
    """

    on_error: ClassVar[OnError] = "reject"
    """What becomes of a batch when ``process`` raises something unforeseen; YAML may override."""

    def admit(self) -> None:
        """
        Refuse a request before it is read, where nothing could be done with it anyway.

        Called on the event loop for every request, so it only looks at what is known already.

        Raises:
            Busy: too much at once, come back later.
            Retry: cannot work now, come back later.

        """

    @abc.abstractmethod
    def process(self, batch: Batch) -> Batch | Awaitable[Batch]:
        """
        Return the batch, changed in place or another one.

        Raises:
            Reject: the sender must not send this again.
            Busy: too much at once, come back later.
            Retry: cannot work now, come back later.

        """


class TraceProcessor(Component[C]):
    """
    Stage 2: keep or drop whole traces; the last processor of its pipeline.

    What is undecided waits in a queue of the pipeline, on disk where the exporters' queues are:
    a crash loses nothing of it.
    """

    on_error: ClassVar[OnError] = "pass"
    """What becomes of a trace when ``decide`` raises something unforeseen: it is kept, dropped, or
    (``reject``) made dead letters, since its senders have gone; YAML may override."""

    max_traces: int = 50_000
    """How many traces may be undecided at once; beyond, the oldest is decided early."""

    remembered: tuple[int, int] = (50_000, 50_000)
    """How many kept and how many dropped traces are remembered at least for their late spans."""

    @abc.abstractmethod
    def decide(self, trace: Trace) -> Keep | Drop | Wait:
        """
        Return what becomes of a trace, or how long to wait before asking again.

        Called on a thread whenever spans of the trace have come, and when the time it asked for
        is over; never twice at the same time. Where ``trace.ending`` is set, :class:`Wait` means
        :class:`Keep`. Spans that come after the decision follow it without being asked for.
        """

    def release(self, batch: Batch, reason: str) -> Batch:
        """
        Return the spans of kept traces as they go on, late ones too; all kept for one reason.

        Called on a thread, for parts of one or of several traces.
        """
        del reason
        return batch


class Exporter(Component[C]):
    """Send batches to where they belong. Queueing, batching and retries are the engine's."""

    unique_spans: ClassVar[bool] = False
    """Whether a request must not hold a span twice; the engine then keeps the last one."""

    def route(self, context: BatchContext, resource: Resource) -> str:
        """
        Return the destination of a resource's spans; ``""`` where the exporter has just one.

        Called before the sender is answered, and cached by context and resource, so it depends
        on nothing else and does not block. All spans of a trace go where its first ones went.

        Raises:
            Forbidden: the tenant may not write there; the request is refused.

        """
        del context, resource
        return ""

    def describe(self, destination: str) -> str:
        """Return a destination as people know it, for logs and the status page."""
        return destination

    def pages(self) -> dict[str, str]:
        """Return addresses that a person may open to see what arrived, by name."""
        return {}

    def page(self, destination: str) -> str:
        """Return the address where a person sees what arrived there; ``""`` if there is none."""
        del destination
        return ""

    async def answers(self) -> bool:
        """
        Return whether the server answers, whatever it says of spans.

        Asked every second while sending fails; once a server that did not answer does, what waits
        is sent at once instead of after the back-off. Optional.
        """
        return False

    @abc.abstractmethod
    async def export(self, batch: Batch) -> None:
        """
        Return once the destination has taken the whole batch.

        Never called twice at the same time with spans of the same trace.

        Raises:
            Reject: sending again is useless, for the named spans or for all.
            Retry: not now.
            Moved: some traces belong to another destination.

        """


class Deliver(Protocol):
    """How a receiver hands over what it has read, and learns whether to read at all."""

    def admit(self) -> None:
        """
        Return if a request may come in now; ask before reading its body.

        Raises:
            Busy, Retry: tell the sender when to come back.

        """
        ...

    async def __call__(self, *batches: Batch) -> None:
        """
        Return once all batches, together or not at all, are queued for every exporter.

        The batches of one request differ in their context.

        Raises:
            Reject, TooLarge, Forbidden: tell the sender not to come back.
            Busy, Retry: tell the sender when to come back.

        """


class Receiver(Component[C]):
    """Accept spans from senders and answer for them."""

    @abc.abstractmethod
    async def listen(self, deliver: Deliver) -> None:
        """Open the endpoints, after every other component has started; return once they accept."""

    async def refuse(self) -> None:
        """Accept nothing new and finish what is in flight; called before ``stop``."""

    async def hand_over(self) -> None:
        """
        Leave what is new to another process that listens too; called instead of ``refuse``.

        Return once nobody sends here any more; no sender needs to be refused.
        """
        await self.refuse()

    def endpoints(self) -> dict[str, str]:
        """Return the addresses that were opened, by protocol, for the banner."""
        return {}
