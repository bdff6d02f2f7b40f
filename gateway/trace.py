"""Whole traces for stage 2: what has been gathered of one, and what may be decided of it."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.batch import Batch, BatchContext, Resource, Span

Ending = Literal["evicted", "stopping", "end_of_input"]
"""Why a trace is not waited for any longer: too many are undecided, the gateway stops and keeps
nothing on disk, or the file that ``spangate try`` reads has ended."""


class Keep(msgspec.Struct, frozen=True):
    """Send the trace on, and its late spans too."""

    reason: str = ""
    """The policy that decided, for metrics; few different ones, never what a span says."""


class Drop(msgspec.Struct, frozen=True):
    """Drop the trace, counted by reason, and its late spans too."""

    reason: str = ""
    """The policy that decided, for metrics; few different ones, never what a span says."""


class Wait(msgspec.Struct, frozen=True):
    """Decide later: when more spans have come, and at the latest after so many seconds."""

    seconds: float


class Trace:
    """
    What has come of one trace; valid during one call of ``decide``.

    Counts and times cost nothing. :attr:`spans` decodes what was gathered, read from the disk
    where it is not in memory any more.
    """

    __slots__ = (
        "_batch", "context", "ending", "first_unix_ns", "last_unix_ns", "now_unix_ns",
        "root_unix_ns", "size_bytes", "span_count", "trace_id",
    )  # fmt: skip

    def __init__(self, trace_id: bytes, context: BatchContext, batch: Batch | None = None) -> None:
        self.trace_id = trace_id
        """16 bytes."""
        self.context = context
        """Where its first spans came from."""
        self.span_count = 0
        self.size_bytes = 0
        """Encoded size of its spans."""
        self.first_unix_ns = context.received_unix_ns
        """When the first of its spans was received."""
        self.last_unix_ns = self.first_unix_ns
        """When the last one was received."""
        self.root_unix_ns: int | None = None
        """When its root was received; None where it was not."""
        self.now_unix_ns = self.first_unix_ns
        """The time of the call."""
        self.ending: Ending | None = None
        """Why :class:`Wait` is no answer any more; None where it is one."""
        self._batch = batch

    @property
    def tenant(self) -> str:
        """Name of the tenant that sent it; spans of others with its id are another trace."""
        return self.context.tenant

    @property
    def age_s(self) -> float:
        """Seconds since its first span was received."""
        return max(0.0, (self.now_unix_ns - self.first_unix_ns) / 1e9)

    @property
    def root_age_s(self) -> float | None:
        """Seconds since its root was received; None where it was not."""
        if self.root_unix_ns is None:
            return None
        return max(0.0, (self.now_unix_ns - self.root_unix_ns) / 1e9)

    @property
    def batch(self) -> Batch:
        """Its spans, in the order received; for reading only."""
        if self._batch is None:
            self._batch = self._gather()
        return self._batch

    @property
    def spans(self) -> Sequence[Span]:
        """Its spans, in the order received; for reading only."""
        return self.batch.spans

    @property
    def root(self) -> Span | None:
        """The span without a parent; None where it has not come."""
        return next((span for span in self.spans if span.is_root), None)

    @property
    def resources(self) -> list[Resource]:
        """What emitted its spans."""
        return self.batch.resources

    def _gather(self) -> Batch:
        return Batch(b"", self.context)
