"""What the exporter promises about its way to the server."""

import asyncio

import pytest

from exporters.mlflow import MlflowConfig
from exporters.mlflow.server import HEAVY_BYTES, Server
from exporters.mlflow.settings import DatabricksConfig
from gateway.plugin import Config
from gateway.testing import FakeClock
from tests.exporters.backends import raw_server, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TABLE: dict[str, Config] = {"databricks": DatabricksConfig(table="main.llm.spans")}


async def connections(body: bytes, **settings: Config) -> list[int]:
    """Return how many requests came over each connection after three of the same were sent."""
    requests: list[int] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = len(requests)
        requests.append(0)
        try:
            while b"connection: close" not in (await read_request(reader)).lower():
                requests[mine] += 1
                writer.write(OK)
            requests[mine] += 1
            writer.write(OK)
        except asyncio.IncompleteReadError:
            pass  # the client is done

    async with raw_server(talk) as url:
        server = Server(MlflowConfig(endpoint=url, compression="none", **settings))  # type: ignore[arg-type]  # settings
        await server.start(FakeClock())
        for _ in range(3):
            assert 200 == (await server.post_traces(body, {})).status
        await server.stop()
    return requests


@pytest.mark.parametrize(
    ("size", "settings", "expected"),
    [
        (HEAVY_BYTES, {}, [1, 1, 1]),
        (HEAVY_BYTES - 1, {}, [3]),
        (HEAVY_BYTES, TABLE, [3]),
    ],
    ids=["heavy", "light", "databricks"],
)
async def test_heavy_requests_go_over_connections_of_their_own(
    size: int, settings: dict[str, Config], expected: list[int]
) -> None:
    """So that each finds a process that is free; others, and Databricks, keep one connection."""
    assert expected == await connections(b"x" * size, **settings)
