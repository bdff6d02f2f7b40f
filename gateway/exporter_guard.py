"""Ask an exporter, which may be anybody's, so that its faults stay its own."""

import asyncio
from collections.abc import Mapping

from gateway.batch import Batch, BatchContext, Resource
from gateway.blame import blame_unseen, home_of, line_of
from gateway.errors import Busy, Flow, Reject, Retry
from gateway.guard import FaultError, ask, attempt, attempt_async
from gateway.plugin import Config, Exporter, Logger
from gateway.returned import GarbageError

EXPORT_LIMIT_S = 600.0
"""How long an exporter may take for a batch; its own time-outs come long before."""
ANSWER_LIMIT_S = 5.0


async def export(exporter: Exporter[Config], batch: Batch) -> None:
    """
    Run an exporter; what is unforeseen is isolated like a refusal of the destination.

    Raises:
        Flow: what the exporter says.

    """
    name = type(exporter).__name__
    try:
        async with asyncio.timeout(EXPORT_LIMIT_S):
            await attempt_async(exporter.export(batch), (Flow,))
    except Busy as busy:
        raise Retry(busy.reason, busy.after) from busy
    except TimeoutError as error:
        raise Retry(f"exporter {name} did not return within {EXPORT_LIMIT_S:g} s") from error
    except FaultError as fault:
        told = _told(fault, exporter)
        if isinstance(fault.__cause__, asyncio.CancelledError):
            raise Retry(f"exporter {name} was cancelled by itself: {told}") from fault
        raise Reject(f"exporter {name} failed: {told}", isolate=True) from fault


async def answers(exporter: Exporter[Config]) -> bool:
    """Ask whether an exporter's server answers; a fault or a long silence is a no."""
    try:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            return await attempt_async(exporter.answers())
    except (TimeoutError, FaultError):
        return False


def route(
    exporter: Exporter[Config], context: BatchContext, resource: Resource, logger: Logger
) -> str:
    """
    Ask an exporter where the spans of a resource go.

    Raises:
        Forbidden: the tenant may not write there.
        Retry: the exporter failed to say.

    """
    try:
        return ask(lambda: _route(exporter, context, resource), home_of(type(exporter)))
    except FaultError as fault:
        garbage = isinstance(fault.__cause__, GarbageError)
        logger.error(
            "exporter failed to route",
            reason=f"{fault.__cause__} at {line_of(exporter.route)}" if garbage else str(fault),
            advice="mend the plugin; senders are told to come back",
        )
        raise Retry(f"exporter {type(exporter).__name__} cannot tell where spans go") from fault


def _route(exporter: Exporter[Config], context: BatchContext, resource: Resource) -> str:
    destination: object = exporter.route(context, resource)
    if not isinstance(destination, str):
        raise GarbageError(f"route() returned {type(destination).__name__}, expected a text")
    return destination


def describe(exporter: Exporter[Config], destination: str) -> str:
    """Return a destination as people know it, or as it is where the exporter fails to say."""
    try:
        return attempt(lambda: str(exporter.describe(destination)))
    except FaultError:
        return destination


def page(exporter: Exporter[Config], destination: str) -> str:
    """Return the address of what arrived there, or none where the exporter fails to say."""
    try:
        return attempt(lambda: str(exporter.page(destination)))
    except FaultError:
        return ""


def pages(exporter: Exporter[Config]) -> Mapping[str, str]:
    """Return addresses that a person may open, none where the exporter fails to say."""
    try:
        return attempt(lambda: dict(exporter.pages()))
    except FaultError:
        return {}


def _told(fault: FaultError, exporter: Exporter[Config]) -> str:
    """Return kind and place of a fault; its text may quote a span."""
    assert fault.__cause__ is not None, "a fault has a cause"
    return blame_unseen(fault.__cause__, home_of(type(exporter)))
