"""The status page, and what it shows: ``/``, ``/status.json`` and their kin."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import resources
from typing import NamedTuple

import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry

from gateway import why
from gateway.config.printing import to_yaml
from gateway.config.settings import Settings
from gateway.plugin import Clock
from gateway.queue.dead_letters import LetterFacts
from gateway.receivers.http_protocol import SERVER_NAME
from gateway.telemetry import figures
from gateway.telemetry.status import Status
from gateway.why import Told

Page = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

SAMPLE_S = 2.0
SAMPLES = 150
LETTERS = 100
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/dom.js": ("dom.js", "text/javascript"),
    "/chart.js": ("chart.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_SAFETY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}


class Sources(NamedTuple):
    """Where the pages get from what they show."""

    status: Callable[[], Status]
    refresh: Callable[[], Awaitable[None]]
    """Brings status and metrics up to date."""
    metrics: CollectorRegistry
    """Of all workers together."""
    letters: Callable[[int], Sequence[LetterFacts]]
    """So many of the newest dead letters; reads the disk."""
    settings: Callable[[], Settings]
    """The configuration that runs."""
    told: Callable[[bytes], Awaitable[Told]]
    """Asks all workers what they know of a trace."""


class Moment(msgspec.Struct, kw_only=True):
    """How much there was since the start, at some time; the page draws rates from them."""

    unix_s: float
    accepted: float
    refused: float
    sent: float
    failed: float
    waiting: int


class StatusPages:
    """Pages for those who may see them, and a short memory of how it went."""

    def __init__(self, sources: Sources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock
        self._looking = asyncio.Lock()
        self._moments: deque[Moment] = deque(maxlen=SAMPLES)

    def by_path(self) -> dict[str, Page]:
        """Return the pages by their path."""
        return {
            **{path: _static(name, kind) for path, (name, kind) in _FILES.items()},
            "/status.json": self._status_json,
            "/history.json": self._history_json,
            "/dead-letters.json": self._letters_json,
            "/config.yaml": self._config_yaml,
            "/why.json": self._why_json,
        }

    async def remember(self) -> None:
        """Note every few seconds how much there was, until cancelled."""
        while True:
            self._moments.append(self._now(self.status()))
            await asyncio.sleep(SAMPLE_S)

    def status(self) -> Status:
        """Return the status with its figures."""
        read = figures.read(self._sources.metrics.collect())
        return msgspec.structs.replace(self._sources.status(), figures=read)

    def _now(self, status: Status) -> Moment:
        receivers, exporters = status.figures.receivers, status.figures.exporters
        return Moment(
            unix_s=self._clock.time_ns() / 1e9,
            accepted=sum(one.accepted_spans for one in receivers),
            refused=sum(sum(one.refused_spans.values()) for one in receivers),
            sent=sum(one.sent_spans for one in exporters),
            failed=sum(sum(one.failed_spans.values()) for one in exporters),
            waiting=sum(one.waiting_spans for one in status.exporters),
        )

    async def _status_json(self, _request: web.BaseRequest) -> web.Response:
        await self._sources.refresh()
        return answer_json(self.status())

    async def _history_json(self, _request: web.BaseRequest) -> web.Response:
        return answer_json(list(self._moments))

    async def _letters_json(self, _request: web.BaseRequest) -> web.Response:
        letters = await asyncio.to_thread(self._sources.letters, LETTERS)
        return answer_json([{"id": one.id, **msgspec.to_builtins(one)} for one in letters])

    async def _config_yaml(self, _request: web.BaseRequest) -> web.Response:
        return answer(to_yaml(self._sources.settings()).encode(), "text/plain")

    async def _why_json(self, request: web.BaseRequest) -> web.Response:
        try:
            trace_id = why.parse(request.query.get("trace", ""))
        except ValueError as error:
            return answer_json({"error": str(error)}, 400)
        told = await self._sources.told(trace_id)
        settings, senders = self._sources.settings(), self._sources.status().exporters
        async with self._looking:  # it reads the queue
            try:
                story = await asyncio.to_thread(why.look, settings, trace_id, told, senders)
            except OSError as error:
                return answer_json({"error": str(error)}, 503)
        return answer_json(story)


def _static(name: str, content_type: str) -> Page:
    body = resources.files("gateway.telemetry").joinpath("page", name).read_bytes()

    async def page(_request: web.BaseRequest) -> web.Response:
        return answer(body, content_type)

    return page


def answer_json(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an answer with a JSON body."""
    return answer(msgspec.json.encode(content), "application/json", status, headers)


def answer(
    body: bytes, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return an answer that no browser keeps, frames, or runs foreign code in."""
    return web.Response(
        status=status,
        body=body,
        content_type=content_type,
        charset=None if content_type in ("application/json", "image/svg+xml") else "utf-8",
        headers={"Server": SERVER_NAME, "Cache-Control": "no-store", **_SAFETY, **(headers or {})},
    )
