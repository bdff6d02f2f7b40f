"""Keep tenants apart on servers that add spans to a trace wherever it is."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from exporters.mlflow.destinations import Destination
from exporters.mlflow.homes import homes_of
from exporters.mlflow.server import Server

REFUSING_VERSION = (3, 18)
"""From here on MLflow itself refuses spans of a trace that another experiment holds."""
MAX_KNOWN = 50_000


class Apart:
    """
    Find out where traces are before spans are added to them.

    Only for tenants, and only where the server would not tell by itself: whoever knows the id of
    another's trace could write into it.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: dict[tuple[str, bytes], str] = {}
        self._under_way: dict[tuple[str, bytes], asyncio.Event] = {}

    @asynccontextmanager
    async def alone(self, traces: Collection[bytes], place: Destination) -> AsyncIterator[None]:
        """
        Wait until no other request with one of these traces is under way, and be the one.

        Between asking where a trace is and writing to it, another tenant could begin it.
        """
        keys = [(place.workspace, trace) for trace in traces] if await self._needed() else []
        while others := [done for key in keys if (done := self._under_way.get(key))]:
            await others[0].wait()
        done = asyncio.Event()
        self._under_way.update(dict.fromkeys(keys, done))
        try:
            yield
        finally:
            for key in keys:
                del self._under_way[key]
            done.set()

    async def strays(
        self, traces: Collection[bytes], place: Destination, experiment_id: str
    ) -> dict[bytes, str]:
        """
        Return those traces, with their experiments, that MLflow has in another experiment.

        Raises:
            Retry: MLflow cannot be asked.

        """
        if not await self._needed():
            return {}
        workspace = place.workspace
        new = [t for t in traces if self._known.get((workspace, t)) != experiment_id]
        if not new:
            return {}
        found = await homes_of(self._server, new, workspace=workspace)
        return {trace: home for trace, home in found.items() if home != experiment_id}

    def stored(self, traces: Collection[bytes], place: Destination, experiment_id: str) -> None:
        """Remember where traces are, so that their next spans need no question."""
        if len(self._known) + len(traces) > MAX_KNOWN:
            self._known.clear()
        for trace in traces:
            self._known[place.workspace, trace] = experiment_id

    async def _needed(self) -> bool:
        version = (await self._server.info()).version
        try:
            return version is not None and tuple(map(int, version.split(".")[:2])) < (
                REFUSING_VERSION
            )
        except ValueError:
            return False
