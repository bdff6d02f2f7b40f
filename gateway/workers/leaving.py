"""Have workers end in order: they drain, wait for each other, and close."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from gateway.workers import messages
from gateway.workers.child import Child

CLOSING_S = 5.0
"""How long workers may take to end after they have drained."""


async def leave(children: Sequence[Child], timeout_s: float, *, reload: bool) -> None:
    """
    Return once workers have ended, or their time is over.

    Args:
        children: who is to end; none of them does before all have drained.
        timeout_s: for draining.
        reload: whether others go on in their place.

    """

    async def stop(child: Child) -> None:
        child.stopping = True
        child.send(messages.Stop(reload))
        await child.drained.wait()

    async def close(child: Child) -> None:
        child.send(messages.Close())
        await child.gone.wait()

    await _within(timeout_s, children, stop)
    await _within(CLOSING_S, children, close)


async def _within(
    timeout_s: float, children: Sequence[Child], step: Callable[[Child], Awaitable[None]]
) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(step(child) for child in children))
