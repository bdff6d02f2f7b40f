"""Put the demo on: MLflow, the gateway, the agents, and what arrived."""

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import metadata
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console

from gateway.demo import children, ports, report
from gateway.demo.children import DemoError, LocalGateway
from gateway.demo.readback import Trace, TraceReader
from gateway.demo.report import Sent
from gateway.local_mlflow import LocalMlflow
from gateway.registry import Registry

ARRIVAL_S = 45.0

PROCESSORS = ("memory_limiter", "redaction", "mlflow_mapping", "cost")

PACKAGES = (
    "mlflow",
    "langchain-core",
    "langgraph",
    "openinference-instrumentation-langchain",
    "openinference-instrumentation-pydantic-ai",
    "opentelemetry-exporter-otlp-proto-grpc",
    "opentelemetry-exporter-otlp-proto-http",
    "opentelemetry-sdk",
    "pydantic-ai-slim",
)

CONFIG = """\
# Written by `spangate demo`; a start for your own: spangate run --config {path}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: {host}:{grpc}}}
      http: {{endpoint: {host}:{http}}}
{processors}exporters:
  mlflow:
    endpoint: {mlflow}
    experiment:
      default: demo
      rules:
        - {{match: {{service.name: "trip-*"}}, experiment: demo-travel}}
        - {{match: {{service.name: "help-*"}}, experiment: demo-support}}
service:
  data_dir: {data_dir}
  shutdown_timeout: 4s
  pipelines:
    traces: {{receivers: [otlp], processors: [{pipeline}], exporters: [mlflow]}}
  telemetry:
    metrics: {{endpoint: {host}:{metrics}}}
    status: {{endpoint: {host}:{status}}}
"""


class Options(msgspec.Struct, kw_only=True):
    """What the command line says."""

    stay: bool
    """Stay up with MLflow's pages until Ctrl-C."""

    port_base: int | None = None
    data_dir: Path | None = None
    """Folder that is kept; ``None`` is a temporary one that goes with the demo."""


def missing_packages() -> list[str]:
    """Return the packages of the ``demo`` extra that are not installed."""
    return [name for name in PACKAGES if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


class Show:
    """One performance; everything it starts ends with it."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options = options
        self._console = console
        known = Registry().types("processors")
        self._processors = [name for name in PROCESSORS if name in known]
        self.finished = False
        """Whether everything was shown and checked, so that stopping now is no failure."""

    async def run(self) -> None:
        """
        Play once, then stay up if told to; cancelling ends it in order.

        Raises:
            DemoError: something failed, or not all arrived.

        """
        folder = self._folder()
        async with AsyncExitStack() as stack:
            if self._options.data_dir is None:
                stack.callback(shutil.rmtree, folder, ignore_errors=True)
            await self._play(stack, folder)

    def _folder(self) -> Path:
        if self._options.data_dir is None:
            return Path(tempfile.mkdtemp(prefix="spangate-demo-"))
        folder = self._options.data_dir.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    async def _play(self, stack: AsyncExitStack, folder: Path) -> None:
        port = self._ports()
        mlflow = LocalMlflow(folder / "mlflow", port["MLflow"])
        stack.push_async_callback(mlflow.stop)
        with self._console.status("Starting MLflow (SQLite), this takes some seconds ..."):
            await mlflow.start()
        self._say(f"MLflow    {mlflow.url}")

        gateway = self._gateway(folder, port, mlflow.url)
        stack.push_async_callback(gateway.stop)
        with self._console.status("Starting the gateway ..."):
            await gateway.start()
        grpc, http = (f"http://{ports.HOST}:{port[name]}" for name in ("gRPC", "HTTP"))
        self._say(f"Gateway   OTLP/gRPC {grpc}, OTLP/HTTP {http}")
        self._say(f"Status    http://{ports.HOST}:{port['status']}/")

        with self._console.status("Running the agents ..."):
            sent = await _run_agents(grpc, http)
        await self._show(sent, mlflow.url, gateway.log)
        self.finished = True
        if self._options.stay:
            self._invite(folder, mlflow.url, http)
            await gateway.wait()

    def _ports(self) -> dict[str, int]:
        wanted = ports.wanted(self._options.port_base)
        chosen = ports.choose(wanted)
        for name, port in chosen.items():
            if port != wanted[name]:
                self._say(f"[yellow]Port {wanted[name]} is taken: {name} uses {port} instead.")
        return chosen

    def _gateway(self, folder: Path, port: dict[str, int], mlflow: str) -> LocalGateway:
        config = folder / "spangate.yaml"
        used = "".join(f"  {name}: {{}}\n" for name in self._processors)
        config.write_text(
            CONFIG.format(
                path=config, host=ports.HOST, mlflow=mlflow, data_dir=folder / "spangate-data",
                processors=f"processors:\n{used}" if used else "",
                pipeline=", ".join(self._processors),
                **{name.lower(): number for name, number in port.items() if name != "MLflow"},
            )
        )  # fmt: skip
        return LocalGateway(config, f"http://{ports.HOST}:{port['status']}", folder / "gateway.log")

    async def _show(self, sent: Sequence[Sent], url: str, log: Path) -> None:
        redacted = "redaction" in self._processors
        with self._console.status("Reading the traces back from MLflow ..."):
            arrived, experiments = await _read_back(sent, url)
        self._console.print(report.table(sent, arrived, experiments, redacted=redacted))
        for number in sorted({trace.experiment_id for trace in arrived}, key=int):
            self._say(f"{experiments[number]:<14}{url}/#/experiments/{number}/traces")
        if problems := report.faults(sent, arrived, redacted=redacted):
            raise DemoError(
                "not all that was sent arrived as it should:\n" + "\n".join(problems)
                + f"\nThe end of the gateway's log:\n{children.tail(log)}"
            )  # fmt: skip
        spans = sum(len(one) for one in report.expected_spans(sent).values())
        self._say(f"[green]All {len(arrived)} traces with {spans} spans arrived.")

    def _invite(self, folder: Path, mlflow: str, http: str) -> None:
        self._say(
            f"\nSend your own: export OTEL_EXPORTER_OTLP_ENDPOINT={http}\n"
            f"Configuration: {folder / 'spangate.yaml'}\n"
            f"Open {mlflow}; Ctrl-C ends it all."
        )

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)


async def _read_back(sent: Sequence[Sent], url: str) -> tuple[list[Trace], dict[str, str]]:
    try:
        async with TraceReader(url) as reader:
            arrived = await reader.wait_for(report.expected_spans(sent), ARRIVAL_S)
            return arrived, await reader.experiments()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise DemoError(f"the traces cannot be read back from {url}: {error!r}") from error


async def _run_agents(grpc: str, http: str) -> list[Sent]:
    try:
        async with asyncio.TaskGroup() as tasks:
            agents = [
                tasks.create_task(children.run_agent(*play, protocol=protocol, endpoint=endpoint))
                for *play, protocol, endpoint in (
                    ("trip_planner", "session", "grpc", grpc),
                    ("trip_planner", "failure", "http/protobuf", http),
                    ("help_desk", "http/protobuf", http),
                )
            ]
    except* DemoError as group:
        raise group.exceptions[0] from None
    return [agent.result() for agent in agents]


def perform(options: Options, console: Console) -> int:
    """Run the demo to its end or to Ctrl-C and return the exit code."""
    show = Show(options, console)
    try:
        asyncio.run(_until_told(show))
    except asyncio.CancelledError:
        console.print("Ended.")
    except (DemoError, OSError) as error:
        console.print(f"The demo failed: {error}", style="red", markup=False, soft_wrap=True)
        return 1
    return 0 if show.finished else 1


async def _until_told(show: Show) -> None:
    task, loop = asyncio.current_task(), asyncio.get_running_loop()

    def end() -> None:
        # Once: a second Ctrl-C must not interrupt the stopping of the children.
        if task is not None and not task.cancelling():
            task.cancel()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with contextlib.suppress(NotImplementedError, AttributeError):  # Windows
            loop.add_signal_handler(getattr(signal, name), end)
    await show.run()
