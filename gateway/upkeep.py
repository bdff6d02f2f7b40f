"""
Run what goes on beside the requests, so that an unforeseen fault neither ends it nor goes unseen.

For parts that nobody waits for: what everything else needs ends its process instead, see
:func:`gateway.guard.vital`.
"""

from collections.abc import Awaitable, Callable

from gateway.blame import blame_unseen
from gateway.guard import FaultError, attempt, attempt_async
from gateway.plugin import Clock, Logger
from gateway.telemetry import metrics

PAUSE_S = 5.0
"""How long until a part that failed begins again."""


async def keep_going(
    work: Callable[[], Awaitable[None]], part: str, *, logger: Logger, clock: Clock
) -> None:
    """Do work that goes on until it is cancelled; after a fault it begins again."""
    while True:
        try:
            await attempt_async(work())
        except FaultError as fault:
            _tell(fault, part, logger)
        else:
            return
        await clock.sleep(PAUSE_S)


def survive(
    step: Callable[[], None], part: str, *, logger: Logger, promised: tuple[type[Exception], ...]
) -> None:
    """
    Do one step of work that a thread repeats; a fault is told, and the next step tries again.

    Raises what is ``promised``.
    """
    try:
        attempt(step, promised)
    except FaultError as fault:
        _tell(fault, part, logger)


def _tell(fault: FaultError, part: str, logger: Logger) -> None:
    assert fault.__cause__ is not None, "a fault has a cause"
    metrics.part_faults.labels(part).inc()
    logger.error(
        "a part beside the requests failed and begins again",
        part=part,
        reason=blame_unseen(fault.__cause__),
        advice="please report this; requests go on meanwhile",
    )
