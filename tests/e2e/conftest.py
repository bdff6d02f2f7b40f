"""Real MLflow servers, each started once a session and ended by its own pid."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from gateway.local_mlflow import LocalMlflow
from tests.e2e.mlflow_server import MlflowApi


def free_port() -> int:
    """Return a port that the system chose."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def running(server: LocalMlflow) -> AsyncIterator[LocalMlflow]:
    """Run a server for the time of a block."""
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalMlflow]:
    """Run a real MLflow server on SQLite for all tests: use experiments of your own."""
    folder = tmp_path_factory.mktemp("mlflow")
    async with running(LocalMlflow(folder, free_port())) as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_url(mlflow_server: LocalMlflow) -> str:
    """Return the address of the shared server."""
    return mlflow_server.url


@pytest_asyncio.fixture
async def mlflow(mlflow_url: str) -> AsyncIterator[MlflowApi]:
    """Yield a client of the shared server."""
    async with MlflowApi(mlflow_url) as api:
        yield api
