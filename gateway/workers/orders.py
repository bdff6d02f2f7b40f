"""What a worker that takes requests over and the one that received them say to each other."""

from typing import TypeAlias

import msgspec

from gateway.batch import Batch, BatchContext
from gateway.errors import Busy, Flow, Forbidden, Reject, Retry, ShareFull, TooLarge

_KINDS: dict[str, type[Flow]] = {
    kind.__name__: kind for kind in (Reject, TooLarge, Forbidden, Busy, ShareFull, Retry)
}


class Order(msgspec.Struct, tag="order", array_like=True):
    """Process requests and commit them, all or none; their bytes stand behind it."""

    id: int
    receiver: str
    contexts: list[BatchContext]
    sizes: list[int]
    join: bool
    """Whether they are to be processed as one batch."""

    def requests(self, data: memoryview) -> list[Batch]:
        """Return the requests, from the bytes behind."""
        found: list[Batch] = []
        for context, size in zip(self.contexts, self.sizes, strict=True):
            found.append(Batch(bytes(data[:size]), context))
            data = data[size:]
        return found


class Withdrawn(msgspec.Struct, tag="withdrawn", array_like=True):
    """Nobody waits for an order any more."""

    id: int


class Done(msgspec.Struct, tag="done", array_like=True):
    """The answer to an order: all of it is committed."""

    id: int


class Declined(msgspec.Struct, tag="declined", array_like=True):
    """The answer to an order that was not begun."""

    id: int


class Refused(msgspec.Struct, tag="refused", array_like=True):
    """The answer to an order: what its sender is to be told."""

    id: int
    kind: str
    reason: str
    after: float | None
    by: str
    is_private: bool

    def flow(self) -> Flow:
        """Return what to raise."""
        kind = _KINDS[self.kind]
        if issubclass(kind, Busy | Retry):
            flow: Flow = kind(self.reason, self.after)
        else:
            flow = kind(self.reason)
        flow.by, flow.is_private = self.by, self.is_private
        return flow


def refused(order: int, flow: Flow) -> Refused:
    """Return the answer that says what a processor or the engine said."""
    kind = next((k.__name__ for k in type(flow).__mro__ if k.__name__ in _KINDS), Retry.__name__)
    after = flow.after if isinstance(flow, Busy | Retry) else None
    reason = flow.reason.encode(errors="replace").decode()  # it may quote a header that is no text
    return Refused(order, kind, reason, after, flow.by, flow.is_private)


Request: TypeAlias = Order | Withdrawn
Answer: TypeAlias = Done | Declined | Refused
