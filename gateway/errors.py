"""
The named ways in which a component steers the flow.

A processor or the engine raises them towards the sender; an exporter raises :class:`Reject`,
:class:`Retry` and :class:`Moved` towards its queue. Nothing else ever carries flow control.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.batch import Span


class Flow(Exception):  # noqa: N818 - these are instructions, not errors
    """Base of all flow control; ``reason`` is a sentence that a person can act on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Reject(Flow):
    """
    Sending this again is useless.

    From a processor: the sender gets INVALID_ARGUMENT / 400. From an exporter: ``spans`` (all of
    the batch where ``None``) become dead letters. With ``isolate`` the exporter does not know
    which part is to blame: the engine tries the batch once more, then by trace, then by span.
    """

    def __init__(
        self, reason: str, spans: "Sequence[Span] | None" = None, *, isolate: bool = False
    ) -> None:
        super().__init__(reason)
        self.spans = spans
        self.isolate = isolate


class TooLarge(Reject):
    """The request can never fit: RESOURCE_EXHAUSTED without RetryInfo / 413."""


class Forbidden(Reject):
    """The tenant may not write where the request points: PERMISSION_DENIED / 403."""


class Busy(Flow):
    """Too much at once: RESOURCE_EXHAUSTED / 429, come back ``after`` seconds."""

    def __init__(self, reason: str, after: float = 1.0) -> None:
        super().__init__(reason)
        self.after = after


class Retry(Flow):
    """
    Not now: UNAVAILABLE / 503 towards a sender, a wait and another try towards a destination.

    Args:
        reason: what happened.
        after: seconds to wait at least; ``None`` leaves it to the back-off.
        advice: what a person should do. With it the destination counts as parked: it keeps all
            that it holds, shows the advice, and goes on by itself once the fault is mended.
        scope: what the failure concerns: this batch's ``destination`` or the whole ``exporter``.

    """

    def __init__(
        self,
        reason: str,
        after: float | None = None,
        *,
        advice: str | None = None,
        scope: Literal["destination", "exporter"] = "destination",
    ) -> None:
        super().__init__(reason)
        self.after = after
        self.advice = advice
        self.scope = scope


class Moved(Flow):
    """
    Some traces belong to another destination, which already holds a part of them.

    Raised by an exporter; nothing of the batch was stored. The engine sends those traces to
    their ``homes`` (trace id to destination) and the rest again.
    """

    def __init__(self, reason: str, homes: Mapping[bytes, str]) -> None:
        super().__init__(reason)
        self.homes = homes
