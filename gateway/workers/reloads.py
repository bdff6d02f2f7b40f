"""Reloads of the configuration: one after the other, each with its outcome told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from gateway.audit import Audit
from gateway.config.difference import differences
from gateway.config.loader import Loaded
from gateway.plugin import Logger
from gateway.telemetry import metrics

Load: TypeAlias = Callable[[], Loaded]
"""Reads the configuration."""
MOST_CHANGES = 20


class Reloads:
    """
    What was asked for, and what became of the last.

    Args:
        audit: gets the outcomes.
        logger: gets the beginnings.
        running: returns the configuration that runs now.

    """

    def __init__(self, audit: Audit, logger: Logger, running: Callable[[], Loaded]) -> None:
        self._audit = audit
        self._logger = logger
        self._running = running
        self._asked: asyncio.Queue[Load] = asyncio.Queue()
        self.refusal = ""
        """Why the last one changed nothing; empty where it did, or there was none."""

    def ask(self, load: Load) -> None:
        """Have a configuration read and run, after the one that is under way."""
        self._asked.put_nowait(load)

    async def serve(self, reload: Callable[[Load], Awaitable[str]]) -> None:
        """
        Do what is asked for until cancelled.

        Args:
            reload: has a configuration run; returns why not where it cannot.

        """
        metrics.config_last_reload_successful.set(1)
        clock = asyncio.get_running_loop().time
        while True:
            load = await self._asked.get()
            while not self._asked.empty():
                load = self._asked.get_nowait()  # one that begins now reads what all of them mean
            begun, before = clock(), self._running().tree
            self._logger.info("reload begun")
            self.refusal = await reload(load)
            self._tell(round(clock() - begun, 2), differences(before, self._running().tree))

    def _tell(self, seconds: float, changed: list[str]) -> None:
        metrics.config_last_reload_successful.set(not self.refusal)
        metrics.config_reloads.labels("refused" if self.refusal else "done").inc()
        if self.refusal:
            self._audit.failed(
                "configuration not reloaded; the old one runs",
                reason=self.refusal,
                took_seconds=seconds,
            )
        else:
            more = len(changed) - MOST_CHANGES
            shown = [*changed[:MOST_CHANGES], *([f"and {more} more"] if more > 0 else [])]
            self._audit.changed(
                "configuration reloaded", changed=shown or "no setting", took_seconds=seconds
            )
