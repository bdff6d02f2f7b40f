"""
Where an alert is made to fire and its page of the runbook is followed.

A gateway as processes of its own and a real Prometheus with the chart's rule, in whose windows time
passes faster; the commands of the page are run as they stand there.
"""

import asyncio
import contextlib
import io
import os
import re
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import yaml

from gateway.fake_mlflow import FakeMlflow
from gateway.plugin import Batch
from tests.e2e.conftest import free_port
from tests.e2e.prometheus import Server, prometheus, quicker, rules, until
from tests.gateway.real import Gateway

ROOT = Path(__file__).parents[3]
FASTER = 100.0
"""A window of five minutes takes three seconds: workers tell their figures once a second."""
_PATH = "/etc/spangate/config/gateway.yaml"
_COMMAND = re.compile(r"(?:kubectl exec \S+ -- )?(spangate .+?)(?: > .*)?")
_QUERY = re.compile(r".*[({].*\bspangate_.*|.*\bspangate_.*[({].*")


class Page(NamedTuple):
    """What a page of the runbook tells to run."""

    commands: frozenset[str]
    queries: frozenset[str]


def read(alert: str) -> Page:
    """Return what the page of an alert tells to run."""
    text = (ROOT / "docs" / "runbook" / f"{alert}.md").read_text(encoding="utf-8")
    code = [re.sub(r"\s+", " ", one) for one in text.replace("```", "").split("`")[1::2]]
    commands = frozenset(found[1] for one in code if (found := _COMMAND.fullmatch(one)))
    return Page(commands, frozenset(one for one in code if _QUERY.fullmatch(one)))


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


class Stage:
    """A gateway that is configured, started and mended step by step."""

    def __init__(
        self, folder: Path, alert: str, mlflow: FakeMlflow, http: aiohttp.ClientSession
    ) -> None:
        self.folder = folder
        self.alert = alert
        self.mlflow = mlflow
        self.http = http
        self.page = read(alert)
        self.ran: set[str] = set()
        self.gateway = Gateway(folder)
        self.metrics = f"127.0.0.1:{free_port()}"
        self.extra_target = ""
        self._prometheus: Server | None = None
        self.config: dict[str, Any] = {
            "receivers": {"otlp": {"protocols": {"http": {"endpoint": "127.0.0.1:0"}}}},
            "processors": {"redaction": {}, "mlflow_mapping": {}, "cost": {}},
            "exporters": {
                "mlflow": {
                    "endpoint": mlflow.url,
                    "sending_queue": {"num_lanes": 1},
                    "batch": {"flush_timeout": "10ms"},
                    "retry_on_failure": {"initial_interval": "100ms", "max_interval": "300ms"},
                }
            },
            "service": {
                "data_dir": "data",
                "shutdown_timeout": "1s",
                "telemetry": {
                    "metrics": {"endpoint": self.metrics},
                    "status": {"endpoint": "127.0.0.1:0"},
                },
                "pipelines": {
                    "traces": {
                        "receivers": ["otlp"],
                        "processors": ["redaction", "mlflow_mapping", "cost"],
                        "exporters": ["mlflow"],
                    }
                },
            },
        }

    @property
    def exporter(self) -> dict[str, Any]:
        """The settings of the exporter."""
        found: dict[str, Any] = self.config["exporters"]["mlflow"]
        return found

    @property
    def protocol(self) -> dict[str, Any]:
        """The settings of the receiver's only protocol."""
        found: dict[str, Any] = self.config["receivers"]["otlp"]["protocols"]["http"]
        return found

    @property
    def processors(self) -> list[str]:
        """The processors of the only pipeline."""
        found: list[str] = self.config["service"]["pipelines"]["traces"]["processors"]
        return found

    @property
    def prometheus(self) -> Server:
        """The Prometheus that runs."""
        assert self._prometheus is not None
        return self._prometheus

    def write(self) -> None:
        """Write the configuration as it is now."""
        (self.folder / "gateway.yaml").write_text(yaml.safe_dump(self.config))

    async def start(self) -> None:
        """Start a gateway with the configuration as it is now."""
        self.write()
        self.gateway = Gateway(self.folder)
        await self.gateway.start()

    def reload(self) -> None:
        """Let the running gateway take the configuration as it is now."""
        self.write()
        os.kill(self.gateway.pid, signal.SIGHUP)

    @asynccontextmanager
    async def watched(self, faster: float = FASTER) -> AsyncIterator[None]:
        """Watch the gateway with the alert's rule."""
        [rule] = [one for one in rules() if one["alert"] == self.alert]
        targets = [self.metrics, *filter(None, [self.extra_target])]
        async with prometheus(self.folder, targets, self.http, [quicker(rule, faster)]) as server:
            self._prometheus = server
            yield

    async def fires(self) -> None:
        """Wait until the alert fires."""
        await until(self.prometheus.firing)

    async def ends(self) -> None:
        """Wait until the alert has ended, while the gateway is watched."""

        async def quiet() -> bool:
            seen = await self.prometheus.value("up == 1")
            return bool(seen) and not await self.prometheus.firing()

        await until(quiet)

    async def run(self, command: str, **words: str) -> Said:
        """Run a command of the page as it stands there, beside the gateway; fill in its words."""
        assert command in self.page.commands, (command, sorted(self.page.commands))
        self.ran.add(command)
        for placeholder, word in words.items():
            command = command.replace(placeholder, word)
        return await self.call(*shlex.split(command.replace(_PATH, "gateway.yaml"))[1:])

    async def ask(self, query: str) -> list[float]:
        """Ask a query of the page as it stands there."""
        assert query in self.page.queries, (query, sorted(self.page.queries))
        self.ran.add(query)
        return await self.prometheus.value(query)

    async def call(self, *arguments: str) -> Said:
        """Run a command."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "gateway.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def send(self, what: Batch) -> int:
        """Send a request; return the status of the answer."""
        return await self.post(what.encode())

    async def post(self, body: bytes, content_type: str = "application/x-protobuf") -> int:
        """Send a body; return the status of the answer."""
        sent = {"Content-Type": content_type}
        async with self.http.post(
            self.gateway.traces, data=io.BytesIO(body), headers=sent
        ) as answer:
            await answer.read()
            return answer.status

    @asynccontextmanager
    async def sending(self, make: Callable[[], Batch], pause_s: float = 0.1) -> AsyncIterator[None]:
        """Send all the time, as a sender does that comes back when it is told to."""

        async def go_on() -> None:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    await self.send(make())
                await asyncio.sleep(pause_s)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def stored(self) -> int:
        """Return how many spans MLflow has."""
        return sum(len(one.spans) for one in self.mlflow.experiments.values())

    async def close(self) -> None:
        """End the gateway; nothing of the page was left out."""
        await self.gateway.abandon()
        assert set() == {*self.page.commands, *self.page.queries} - self.ran


@asynccontextmanager
async def staged(
    folder: Path, alert: str, mlflow: FakeMlflow | None = None
) -> AsyncIterator[Stage]:
    """Set up a stage for an alert."""
    async with mlflow or FakeMlflow() as server, aiohttp.ClientSession() as http:
        stage = Stage(folder, alert, server, http)
        try:
            yield stage
        except BaseException:
            await stage.gateway.abandon()
            raise
        await stage.close()
