"""
A local MLflow server as a child process, which ends with us.

MLflow is never imported here: that takes seconds and 200 MB.
"""

import asyncio
import importlib.metadata
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import aiohttp

from gateway import keeper
from gateway.config.problems import ConfigError, Problem

HOST = "127.0.0.1"
USUAL_PORT = 5000
INSTALL = "pip install 'spangate[demo]'"

_READY_S = 120.0
_POLL_S = 0.1
_STOP_S = keeper.GRACE_S + 5.0
_LOG_LINES = 15

_ENVIRONMENT = {
    "MLFLOW_MODEL_CATALOG_URI": "",  # else the first span of a provider waits for a download
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # evaluation jobs, three more processes
}

Progress = Callable[[str], None]
"""Told what is going on, in words for people."""


class MlflowMissingError(ConfigError):
    """MLflow is not installed; the message holds the command that installs it."""

    def __init__(self) -> None:
        problem = Problem("", "", "MLflow is not installed", f"install it: {INSTALL}")
        super().__init__([problem])
        self.args = (f"MLflow is not installed; install it: {INSTALL}",)


class MlflowFailedError(OSError):
    """The server ended or did not get ready; the message holds the end of its log."""


class LocalMlflow:
    """
    An MLflow server on the loopback, on SQLite.

    Args:
        folder: where it keeps its database, artifacts and log.
        port: its port; ``None`` for 5000, or a free one where that is taken.
        store: a database to use instead of SQLite.
        prefix: its ``--static-prefix``.
        arguments: more arguments for ``mlflow server``.
        environment: more variables for it; ours are not passed on where they concern MLflow.

    """

    def __init__(
        self,
        folder: Path,
        port: int | None = None,
        *,
        store: str | None = None,
        prefix: str = "",
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder.resolve()
        self._port = port
        self._store = store or f"sqlite:///{self._folder / 'mlflow.db'}"
        self._prefix = prefix
        self._arguments = arguments
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Its address; known once it was started."""
        return f"http://{HOST}:{self._port}{self._prefix}"

    @property
    def pid(self) -> int:
        """The process that keeps it, whose child it is; 0 unless it was started."""
        return self._process.pid if self._process is not None else 0

    @property
    def log(self) -> Path:
        """The file that it writes its log to."""
        return self._folder / "mlflow.log"

    async def start(self, progress: Progress | None = None) -> None:
        """
        Return once the server answers.

        Raises:
            MlflowMissingError: it is not installed.
            MlflowFailedError: it ended or did not get ready.
            OSError: the folder cannot be used.

        """
        tell = progress or (lambda _: None)
        _require_mlflow()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._port is None:
            self._port = _usual_or_free_port()
        tell(f"starting MLflow on port {self._port}, this takes some seconds")
        self._process = await self._spawn()
        try:
            async with asyncio.timeout(_READY_S):
                await self._ready(self._process)
        except TimeoutError:
            await self.stop()
            raise MlflowFailedError(
                f"MLflow was not ready within {_READY_S:.0f} s; the end of {self.log}:\n"
                + self._tail()
            ) from None
        except BaseException:
            await self.stop()
            raise
        tell(f"MLflow is ready at {self.url}")

    async def stop(self) -> None:
        """End the server and all that it started; safe without :meth:`start`, and safe twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _spawn(self) -> asyncio.subprocess.Process:
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return await asyncio.create_subprocess_exec(
                sys.executable, "-I", keeper.__file__,
                sys.executable, "-P", "-m", "mlflow", "server",
                "--backend-store-uri", self._store,
                "--artifacts-destination", str(self._folder / "artifacts"),
                "--host", HOST, "--port", str(self._port), "--workers", "1",
                *(("--static-prefix", self._prefix) if self._prefix else ()),
                *self._arguments,
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
                cwd=self._folder, env=self._variables(),
                # Ctrl-C is for the gateway, which still has spans to deliver then.
                start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(log)

    def _variables(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return {**ours, **_ENVIRONMENT, **self._environment}

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while process.returncode is None:
                try:
                    async with session.get(f"{self.url}/health") as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(_POLL_S)
        raise MlflowFailedError(
            f"MLflow ended with code {process.returncode}; the end of {self.log}:\n{self._tail()}"
        )

    def _tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _require_mlflow() -> None:
    """Look for the full distribution: the skinny one has no server."""
    try:
        importlib.metadata.version("mlflow")
    except importlib.metadata.PackageNotFoundError:
        raise MlflowMissingError from None


def _usual_or_free_port() -> int:
    for port in (USUAL_PORT, 0):
        with socket.socket() as listener:
            # As servers do: a port whose last connection has just ended is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
                listener.listen()
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise MlflowFailedError(f"no free port on {HOST}")
