"""Serve metrics, probes and status over HTTP."""

from collections.abc import Callable

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, disable_created_metrics, generate_latest

from gateway import endpoint
from gateway.delivery.sender import SenderStatus
from gateway.telemetry.metrics import REGISTRY


class Status(msgspec.Struct, kw_only=True):
    """What ``/status.json`` says."""

    version: str
    state: str
    """``starting``, ``running`` or ``stopping``."""
    degraded: list[str]
    """Why not all is well; empty where it is."""
    pipelines: dict[str, list[str]]
    endpoints: dict[str, str]
    exporters: list[SenderStatus]
    dead_letters: int


class TelemetryServer:
    """
    The endpoints ``telemetry.metrics`` and ``telemetry.status``.

    ``/ready`` answers 503 only while starting or stopping; a destination in trouble is
    ``degraded`` with its reasons, since a restart would not mend it.
    """

    def __init__(self, status: Callable[[], Status], refresh: Callable[[], None]) -> None:
        self._status = status
        self._refresh = refresh
        self._runners: list[web.AppRunner] = []

    async def start(self, metrics_endpoint: str, status_endpoint: str) -> dict[str, str]:
        """
        Open both endpoints and return their addresses.

        Raises:
            OSError: one is taken; the message says which setting to change.

        """
        # A time stamp beside each counter helps nobody here.
        disable_created_metrics()  # type: ignore[no-untyped-call] # the library has no type for it
        pages = [
            web.get("/live", self._live),
            web.get("/ready", self._ready),
            web.get("/status.json", self._status_json),
        ]
        return {
            "metrics": await self._open(
                "metrics", metrics_endpoint, [web.get("/metrics", self._metrics)]
            ),
            "status": await self._open("status", status_endpoint, pages),
        }

    async def stop(self) -> None:
        """Close the endpoints; safe to call twice."""
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()

    async def _open(self, name: str, address: str, routes: list[web.RouteDef]) -> str:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        host, port = endpoint.split(address)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise OSError(
                f"service.telemetry.{name}.endpoint: cannot listen on {address}: "
                f"{error.strerror or error}; stop what uses the port or choose another with "
                f"--set service.telemetry.{name}.endpoint=127.0.0.1:0 (0 is any free port)"
            ) from error
        return endpoint.join(host, runner.addresses[0][1])

    async def _metrics(self, _request: web.Request) -> web.Response:
        self._refresh()
        return web.Response(
            body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _ready(self, _request: web.Request) -> web.Response:
        status = self._status()
        if status.state != "running":
            return web.json_response({"status": status.state}, status=503)
        if status.degraded:
            return web.json_response({"status": "degraded", "reasons": status.degraded})
        return web.json_response({"status": "ready"})

    async def _status_json(self, _request: web.Request) -> web.Response:
        return web.Response(
            body=msgspec.json.encode(self._status()), content_type="application/json"
        )
