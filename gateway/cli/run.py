"""``spangate run``: run the gateway until told to stop."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway.banner import announce
from gateway.cli.options import ConfigFiles, Overrides
from gateway.config.loader import load
from gateway.config.settings import Settings
from gateway.data_dir import DataDir
from gateway.guard import StartError
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
) -> None:
    """
    Run the gateway: OTLP in over gRPC and HTTP, traces out to MLflow.

    Example: spangate run --config gateway.yaml --set exporters.mlflow.endpoint=http://mlflow:5000
    """
    settings = load(config or (), overrides or ())
    log_settings = settings.service.telemetry.logs
    logs.configure(log_settings.level, log_settings.format)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(config, overrides, settings, with_mlflow=with_mlflow))
    except (StartError, OSError) as failure:
        raise _failed([failure]) from None
    except BaseExceptionGroup as group:
        # With except* what is raised here would leave as a group, and be shown as a traceback.
        known, others = group.split((StartError, OSError))
        if known is None or others is not None:
            raise
        raise _failed(_leaves(known)) from None


def _failed(failures: Sequence[BaseException]) -> typer.Exit:
    for failure in failures:
        typer.secho(f"spangate: {failure}", err=True, fg="red")
    return typer.Exit(1)


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415 - not there on Windows

    return uvloop.Loop


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


async def _run(
    config: list[Path] | None,
    overrides: list[str] | None,
    settings: Settings,
    *,
    with_mlflow: bool,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        if with_mlflow:
            url = await stack.enter_async_context(_mlflow(Path(settings.service.data_dir)))
            environ = {**os.environ, "MLFLOW_TRACKING_URI": url}
            settings = load(config or (), overrides or (), environ=environ)
        service = Service(settings)
        stop = asyncio.Event()
        _stop_on_signals(stop)
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


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Stop in order on the first signal, at once on the second."""

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT"):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(getattr(signal, name), on_signal)
