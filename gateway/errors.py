"""
The named ways in which a component steers the flow.

A processor or the engine raises them towards the sender; an exporter raises :class:`Reject`,
:class:`Retry` and :class:`Moved` towards its queue. Nothing else ever carries flow control.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from gateway.batch import Span

BUSY_DELAY_S = 1.0


class Flow(Exception):  # noqa: N818 - these are instructions, not errors
    """
    Base of all flow control; ``reason`` is a sentence that a person can act on.

    The guard of a processor notes in ``by`` which one speaks, and in ``is_private`` that the reason
    is in a plugin's words, which may quote a span and are for no log.
    """

    by = ""
    is_private = False

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Reject(Flow):
    """
    Sending this again is useless.

    From a processor: the sender gets INVALID_ARGUMENT / 400. From an exporter: ``spans`` (all of
    the batch where ``None``) become dead letters; ``Reject(spans)`` names them alone. With
    ``isolate`` the exporter does not know which part is to blame: the engine tries the batch once
    more, then by trace, then by span.
    """

    def __init__(
        self,
        reason: "str | Sequence[Span]" = "refused",
        spans: "Sequence[Span] | None" = None,
        *,
        isolate: bool = False,
    ) -> None:
        super().__init__(reason if isinstance(reason, str) else "refused")
        self.spans = spans if isinstance(reason, str) else reason
        self.isolate = isolate


class TooLarge(Reject):
    """The request can never fit: RESOURCE_EXHAUSTED without RetryInfo / 413."""


class Forbidden(Reject):
    """The tenant may not write where the request points: PERMISSION_DENIED / 403."""


class Busy(Flow):
    """
    Too much at once: RESOURCE_EXHAUSTED / 429, come back ``after`` seconds.

    The delay alone says as much: ``Busy(5)`` is ``Busy("busy", after=5)``.
    """

    def __init__(self, reason: str | float = "busy", after: float | None = None) -> None:
        sentence, after = _reason_and_delay(reason, "busy", after)
        super().__init__(sentence)
        self.after = BUSY_DELAY_S if after is None else after


class ShareFull(Busy):
    """Too much of this tenant; there is room for others."""


class Retry(Flow):
    """
    Not now: UNAVAILABLE / 503 towards a sender, a wait and another try towards a destination.

    Args:
        reason: what happened; a number stands for ``after``, so that ``Retry(5)`` says enough.
        after: seconds to wait at least; ``None`` leaves it to the back-off.
        advice: what a person should do. With it the destination counts as parked: it keeps all
            that it holds, shows the advice, and goes on by itself once the fault is mended.
        scope: what the failure concerns: this batch's ``destination`` or the whole ``exporter``.

    """

    def __init__(
        self,
        reason: str | float = "not now",
        after: float | None = None,
        *,
        advice: str | None = None,
        scope: Literal["destination", "exporter"] = "destination",
    ) -> None:
        sentence, self.after = _reason_and_delay(reason, "not now", after)
        super().__init__(sentence)
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


def _reason_and_delay(
    reason: str | float, otherwise: str, after: float | None
) -> tuple[str, float | None]:
    """Take a lone number for the delay."""
    return (reason, after) if isinstance(reason, str) else (otherwise, float(reason))
