"""Serve metrics, probes and status over HTTP."""

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway import endpoint
from gateway.audit import Audit
from gateway.config.settings import MetricsConfig, StatusConfig
from gateway.plugin import Clock, Logger
from gateway.receivers.config import HttpConfig
from gateway.receivers.http_protocol import SERVER_NAME, HttpServer
from gateway.receivers.otlp_http import CLOSE_S
from gateway.telemetry.doors import Door
from gateway.telemetry.pages import Page, Sources, StatusPages, answer_json
from gateway.upkeep import keep_going

CONNECTIONS = 256
_NAME = {"Server": SERVER_NAME}


class TelemetryServer:
    """
    The endpoints ``telemetry.metrics`` and ``telemetry.status``.

    ``/ready`` answers 503 only while starting or stopping; a destination in trouble is
    ``degraded``, since a restart would not mend it. Its reasons are for those who may see the
    status page.
    """

    def __init__(
        self,
        sources: Sources,
        *,
        audit: Audit,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self._sources = sources
        self._pages = StatusPages(sources, clock)
        self._clock = clock
        self._remembering: asyncio.Task[None] | None = None
        self._audit = audit
        self._logger = logger
        self._status_door = Door(None, "service.telemetry.status", local=True)
        self._open: list[tuple[asyncio.Server, HttpServer]] = []

    async def start(self, metrics: MetricsConfig, status: StatusConfig) -> dict[str, str]:
        """
        Open both endpoints and return their addresses.

        Raises:
            OSError: one is taken; the message says which setting to change.

        """
        self._status_door = Door(status.auth, "service.telemetry.status", local=True)
        door = Door(metrics.auth, "service.telemetry.metrics", local=False)
        probes: dict[str, Page] = {"/live": self._live, "/ready": self._ready}
        pages = probes | {
            path: self._behind(self._status_door, page)
            for path, page in self._pages.by_path().items()
        }
        scraped = {"/metrics": self._behind(door, self._metrics)}
        remembering = keep_going(
            self._pages.remember, "status page", logger=self._logger, clock=self._clock
        )
        self._remembering = asyncio.create_task(remembering)
        return {
            "metrics": await self._listen("metrics", metrics.endpoint, scraped),
            "status": await self._listen("status", status.endpoint, pages),
        }

    async def stop(self) -> None:
        """Close the endpoints; safe to call twice."""
        if self._remembering is not None:
            self._remembering.cancel()
        for listener, server in self._open:
            listener.close()
            await server.shutdown(CLOSE_S)
        self._open.clear()

    async def _listen(self, name: str, address: str, pages: dict[str, Page]) -> str:
        host, port = endpoint.split(address)
        server = HttpServer(_serve(pages), HttpConfig(max_connections=CONNECTIONS), self._logger)
        try:
            listener = await asyncio.get_running_loop().create_server(server, host, port)
        except OSError as error:
            raise OSError(
                f"service.telemetry.{name}.endpoint: cannot listen on {address}: "
                f"{error.strerror or error}; stop what uses the port or choose another with "
                f"--set service.telemetry.{name}.endpoint=127.0.0.1:0 (0 is any free port)"
            ) from error
        self._open.append((listener, server))
        return endpoint.join(host, listener.sockets[0].getsockname()[1])

    def _behind(self, door: Door, page: Page) -> Page:
        """Return a page that only those see whom the door lets in."""

        async def guarded(request: web.BaseRequest) -> web.StreamResponse:
            verdict = door.judge(request)
            if verdict.status == 200:
                return await page(request)
            self._audit.refused(
                "page refused",
                actor="unknown",
                address=request.remote or "",
                path=request.path[:100],
                reason=verdict.reason,
            )
            headers = {"WWW-Authenticate": door.challenge} if verdict.status == 401 else {}
            return answer_json({"error": verdict.reason}, verdict.status, headers)

        return guarded

    async def _metrics(self, _request: web.BaseRequest) -> web.Response:
        await self._sources.refresh()
        headers = _NAME | {"Content-Type": CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(self._sources.metrics), headers=headers)

    async def _live(self, _request: web.BaseRequest) -> web.Response:
        return answer_json({"status": "live"})

    async def _ready(self, request: web.BaseRequest) -> web.Response:
        status = self._sources.status()
        if status.state != "running":
            return answer_json({"status": status.state}, 503)
        if not status.degraded:
            return answer_json({"status": "ready"})
        if self._status_door.judge(request).status != 200:
            return answer_json({"status": "degraded"})
        return answer_json({"status": "degraded", "reasons": status.degraded})


def _serve(pages: dict[str, Page]) -> Page:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        page = pages.get(request.path)
        if page is None:
            known = ", ".join(pages)
            return answer_json({"error": f"there is nothing here; there is {known}"}, 404)
        if request.method not in ("GET", "HEAD"):
            return answer_json({"error": "use GET"}, 405, {"Allow": "GET, HEAD"})
        return await page(request)

    return serve
