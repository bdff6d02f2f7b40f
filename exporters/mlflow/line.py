"""Send one request after the other to a database that takes one writer at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

ALONE_S = 3600.0
"""How long requests go one by one before it is tried again side by side: the database behind
MLflow may have become another."""


class Line:
    """
    Let requests go side by side until the database says that it has one writer, then one by one.

    SQLite lets writers overtake each other, and MLflow gives up on one that waited for 20 s: its
    work was in vain, and its lane backs off. One after the other they are as fast, and none fails.

    Args:
        monotonic: tells the time, in seconds.

    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._alone = asyncio.Lock()
        self._alone_until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, where there are turns."""
        if self._monotonic() >= self._alone_until:
            yield
            return
        async with self._alone:
            yield

    def form(self) -> None:
        """Let requests go one by one from now on; those under way are not waited for."""
        self._alone_until = self._monotonic() + ALONE_S
