"""What a database that is busy for half a minute does to spans on their way: nothing."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    ExitStack,
    asynccontextmanager,
    closing,
    contextmanager,
    suppress,
)
from pathlib import Path

import psycopg2  # type: ignore[import-untyped]  # has no types
import pytest

from gateway.local_mlflow import LocalMlflow
from gateway.testing import batch
from tests.e2e import postgres
from tests.e2e.conftest import free_port, running
from tests.e2e.mlflow_server import MlflowApi, eventually
from tests.gateway.running import gateway

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.nightly,
]

on_postgres = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        postgres.binaries() is None, reason="PostgreSQL's server is not installed (apt: postgresql)"
    ),
]

BUSY_S = 32.0
"""More than the 20 s that MLflow waits for SQLite, and the 30 s for a connection of its pool."""

CONFIG = """
exporters:
  mlflow:
    endpoint: {url}
    experiment: {{default: busy}}
    batch: {{flush_timeout: 50ms}}
    retry_on_failure: {{initial_interval: 200ms, max_interval: 2s}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [], exporters: [mlflow]}}}}}}
"""

Busy = Callable[[], AbstractContextManager[None]]


@asynccontextmanager
async def locked_sqlite(folder: Path) -> AsyncIterator[tuple[str, Busy]]:
    """Run MLflow on SQLite that another program may lock."""
    path = folder / "locked.db"

    @contextmanager
    def busy() -> Iterator[None]:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield

    async with running(LocalMlflow(folder, free_port(), store=f"sqlite:///{path}")) as server:
        yield server.url, busy


@asynccontextmanager
async def full_pool(folder: Path) -> AsyncIterator[tuple[str, Busy]]:
    """Run MLflow with a single connection to PostgreSQL, which a lock may keep busy."""
    environment = {
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "1",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "0",
    }
    with postgres.running(free_port()) as store:

        @contextmanager
        def busy() -> Iterator[None]:
            with closing(psycopg2.connect(store.replace("+psycopg2", ""))) as other:
                other.cursor().execute("LOCK TABLE spans IN ACCESS EXCLUSIVE MODE")
                yield

        local = LocalMlflow(folder, free_port(), store=store, environment=environment)
        async with running(local) as server:
            yield server.url, busy


@asynccontextmanager
async def full_server(folder: Path) -> AsyncIterator[tuple[str, Busy]]:
    """Run MLflow, which keeps no connection, on a PostgreSQL whose connections may run out."""
    environment = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}
    with postgres.running(free_port()) as store:

        @contextmanager
        def busy() -> Iterator[None]:
            with ExitStack() as others:
                with suppress(psycopg2.OperationalError):  # too many clients already
                    while True:
                        other = psycopg2.connect(store.replace("+psycopg2", ""))
                        others.enter_context(closing(other))
                yield

        local = LocalMlflow(folder, free_port(), store=store, environment=environment)
        async with running(local) as server:
            yield server.url, busy


@pytest.mark.parametrize(
    "mlflow_with",
    [
        locked_sqlite,
        pytest.param(full_pool, marks=on_postgres),
        pytest.param(full_server, marks=on_postgres),
    ],
)
async def test_a_busy_database_costs_no_span(
    tmp_path: Path,
    mlflow_with: Callable[[Path], AbstractAsyncContextManager[tuple[str, Busy]]],
) -> None:
    """Spans are accepted while it is busy, none becomes a dead letter, and all are stored."""
    sent: set[str] = set()
    async with (
        mlflow_with(tmp_path) as (url, busy),
        gateway(tmp_path, CONFIG.format(url=url)) as spangate,
    ):

        async def post(requests: int) -> None:
            for _ in range(requests):
                several = batch(*({} for _ in range(5)), one_trace=False)
                assert 200 == (await spangate.post(several.encode()))[0]
                sent.update(span.trace_id.hex() for span in several)

        async def empty() -> bool:
            return spangate.service.status().exporters[0].waiting_spans == 0

        await post(2)
        await eventually(empty, what="delivery before the database is busy")
        with busy():
            await post(10)
            await asyncio.sleep(BUSY_S)  # the fault itself takes its time
            assert not await empty()
            await post(10)
        await eventually(empty, timeout_s=90, what="delivery of everything")
        assert not spangate.service.status().dead_letters
        async with MlflowApi(url) as api:
            experiment = await api.experiment("busy")
            assert sent == await api.trace_ids(experiment["experiment_id"])
