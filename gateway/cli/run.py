"""``spangate run``: run the gateway until told to stop."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gateway import loop
from gateway.banner import announce
from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import Loaded, read
from gateway.config.settings import Settings
from gateway.config.trial import read_apart
from gateway.data_dir import DataDir
from gateway.failures import foreseen
from gateway.reloading import Watcher
from gateway.service import Service
from gateway.telemetry import logs


def run(
    config: ConfigFiles = None,
    overrides: Overrides = None,
    *,
    with_mlflow: Annotated[
        bool,
        typer.Option(
            "--with-mlflow",
            help="Also start a local MLflow server (SQLite) and use it as the default endpoint.",
        ),
    ] = False,
    reload: Annotated[
        bool,
        typer.Option(
            "--reload",
            help="Take up edits of the configuration and of plugins; for those who write them.",
        ),
    ] = False,
) -> None:
    """
    Run the gateway: OTLP in over gRPC and HTTP, traces out to MLflow.

    Example: spangate run --config gateway.yaml --set exporters.mlflow.endpoint=http://mlflow:5000
    """
    loaded = read(config or (), overrides or ())
    logs.take_over(loaded.settings.service.telemetry.logs)
    try:
        with asyncio.Runner(loop_factory=loop.factory()) as runner:
            runner.run(_run(config, overrides, loaded, with_mlflow=with_mlflow, reload=reload))
    except BaseException as error:
        reasons = foreseen(error, loaded.settings.service.data_dir)
        if reasons is None:
            raise
        for reason in reasons:
            typer.secho(f"spangate: {reason}", err=True, fg="red")
        raise typer.Exit(1) from None


async def _run(
    config: list[Path] | None,
    overrides: list[str] | None,
    loaded: Loaded,
    *,
    with_mlflow: bool,
    reload: bool,
) -> None:
    environ: Mapping[str, str] = os.environ
    async with contextlib.AsyncExitStack() as stack:
        if with_mlflow:
            data_dir = Path(loaded.settings.service.data_dir)
            url = await stack.enter_async_context(_mlflow(data_dir))
            environ = {**os.environ, "MLFLOW_TRACKING_URI": url}
            loaded = read(config or (), overrides or (), environ=environ)
        if sys.platform == "win32":
            await _run_alone(loaded.settings)
            return
        load: Callable[[], Loaded] = partial(
            read_apart, tuple(config or ()), tuple(overrides or ()), environ
        )
        from gateway.supervisor import Supervisor  # noqa: PLC0415 - needs what Windows lacks

        supervisor = Supervisor(loaded)
        if reload:
            watcher = Watcher(config or (), load)
            watcher.watch(loaded.settings)
            load = watcher.load
            watching = asyncio.create_task(watcher.run(supervisor.reload))
            stack.callback(watching.cancel)
        _on_signals(supervisor.stop, supervisor.kill)
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGHUP, partial(supervisor.reload, load)
        )
        await supervisor.run(on_ready=lambda: announce(loaded.settings, supervisor))


async def _run_alone(settings: Settings) -> None:
    """Run in this process, where there are no worker processes."""
    service, stop = Service(settings), asyncio.Event()
    _on_signals(stop.set)
    await service.run(stop, on_ready=lambda: announce(settings, service))


@contextlib.asynccontextmanager
async def _mlflow(data_dir: Path) -> AsyncIterator[str]:
    """Run a local MLflow server and yield its address."""
    from gateway.local_mlflow import LocalMlflow  # noqa: PLC0415 - only with --with-mlflow

    _check_data_dir(data_dir)
    server = LocalMlflow(data_dir / "mlflow")
    try:
        await server.start(_tell)
        yield server.url
    finally:
        await server.stop()


def _check_data_dir(path: Path) -> None:
    """Say before MLflow's seconds what the gateway would say after them; the folder is ours."""
    data_dir = DataDir(path)
    data_dir.open()
    data_dir.close()


def _tell(news: str) -> None:
    typer.echo(news, err=True)


def _on_signals(stop: Callable[[], None], kill: Callable[[], None] | None = None) -> None:
    """Stop in order on the first signal, at once on the second."""
    stopping = False

    def on_signal() -> None:
        nonlocal stopping
        if stopping:
            if kill is not None:
                kill()
            os._exit(1)
        stopping = True
        stop()

    running = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT"):
        with contextlib.suppress(NotImplementedError):
            running.add_signal_handler(getattr(signal, name), on_signal)
