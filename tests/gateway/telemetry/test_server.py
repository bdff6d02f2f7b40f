"""The endpoints of status and metrics in a running gateway."""

import asyncio
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from gateway.fake_mlflow import FakeMlflow
from gateway.testing import batch
from tests.e2e.mlflow_server import eventually
from tests.gateway.running import Gateway, gateway

TOKEN = "fake-" + "status-token"
CONFIG = """
exporters:
  mlflow:
    endpoint: URL
    sending_queue: {storage: memory}
    batch: {flush_timeout: 10ms}
service:
  telemetry:
    metrics: METRICS
    status: STATUS
    audit: {path: audit.jsonl}
  pipelines: {traces: {receivers: [otlp], processors: [], exporters: [mlflow]}}
"""


def config(status: str = "{}", metrics: str = "{}", url: str = "http://127.0.0.1:1") -> str:
    """Return the settings of a gateway."""
    return CONFIG.replace("STATUS", status).replace("METRICS", metrics).replace("URL", url)


async def get(
    running: Gateway, path: str, endpoint: str = "status", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Ask an endpoint of the gateway."""
    address = running.url(path, endpoint).replace("0.0.0.0", "127.0.0.1")
    async with running.http.request(method, address, headers=headers) as answer:
        return answer.status, dict(answer.headers), await answer.read()


def own_address() -> str:
    """Return an address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no network")
        return str(probe.getsockname()[0])


async def test_pages(tmp_path: Path) -> None:
    """Each endpoint has its pages, with the right answers for what is not there."""
    async with gateway(tmp_path, config()) as running:
        assert 200 == (await get(running, "/live"))[0]
        assert 200 == (await get(running, "/status.json"))[0]
        assert 200 == (await get(running, "/live", method="HEAD"))[0]
        assert 200 == (await get(running, "/metrics", "metrics"))[0]
        assert 404 == (await get(running, "/metrics"))[0]
        assert 404 == (await get(running, "/status.json", "metrics"))[0]
        status, headers, _ = await get(running, "/live", method="POST")

    assert (405, "GET, HEAD") == (status, headers["Allow"])


async def test_page_is_closed_beyond_loopback(tmp_path: Path) -> None:
    """From another address the page is refused and probes are answered, without reasons."""
    address = own_address()
    async with gateway(tmp_path, config('{endpoint: "0.0.0.0:0"}')) as running:
        assert 200 == (await get(running, "/status.json"))[0]
        await running.post(batch({}).encode())

        async def degraded() -> bool:
            return b"reasons" in (await get(running, "/ready"))[2]

        await eventually(degraded, timeout_s=20, what="trouble with MLflow")
        port = running.service.endpoints["status"].rpartition(":")[2]
        answers = {}
        for path in ("/status.json", "/live", "/ready"):
            async with running.http.get(f"http://{address}:{port}{path}") as answer:
                answers[path] = answer.status, await answer.read()

    assert [403, 200, 200] == [status for status, _ in answers.values()]
    assert b"service.telemetry.status.auth" in answers["/status.json"][1]
    assert {"status": "degraded"} == json.loads(answers["/ready"][1])


async def test_credentials_open_the_pages(tmp_path: Path) -> None:
    """With ``auth`` the pages want credentials, from loopback too; probes do not."""
    auth = f"{{auth: {{token: {TOKEN}}}}}"
    async with gateway(tmp_path, config(auth, auth)) as running:
        for path, endpoint in (("/status.json", "status"), ("/metrics", "metrics")):
            status, headers, _ = await get(running, path, endpoint)
            assert (401, 'Bearer realm="spangate"') == (status, headers["WWW-Authenticate"])
            right = {"Authorization": f"Bearer {TOKEN}"}
            assert 200 == (await get(running, path, endpoint, **right))[0]
        assert 200 == (await get(running, "/live"))[0]
        assert 200 == (await get(running, "/ready"))[0]
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]

    assert [("page refused", "/status.json"), ("page refused", "/metrics")] == [
        (line["event"], line["path"]) for line in lines
    ]
    assert TOKEN not in str(lines)


async def test_foreign_web_pages_cannot_read_it(tmp_path: Path) -> None:
    """A browser on this machine is no way in for a page that renamed us to its own host."""
    async with FakeMlflow() as server, gateway(tmp_path, config(url=server.url)) as running:
        status, headers, _ = await get(running, "/status.json", Host="evil.example.com")

    assert 403 == status
    assert "Access-Control-Allow-Origin" not in headers


async def test_taken_address_names_the_setting(tmp_path: Path) -> None:
    """A taken port says which setting to change."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(BaseExceptionGroup) as caught:
            async with gateway(tmp_path, config(f'{{endpoint: "{address}"}}')):
                pass

    assert "service.telemetry.status.endpoint: cannot listen" in repr(caught.value)


async def test_many_idle_clients_do_not_shut_probes_out(tmp_path: Path) -> None:
    """Clients that connect and say nothing make room for those that ask."""
    async with gateway(tmp_path, config()) as running:
        host, _, port = running.service.endpoints["status"].rpartition(":")
        idle = [await asyncio.open_connection(host, int(port)) for _ in range(300)]
        async with aiohttp.ClientSession() as session:
            for _ in range(5):
                async with session.get(
                    running.url("/live", "status"), headers={"Connection": "close"}
                ) as answer:
                    assert 200 == answer.status
        for _, writer in idle:
            writer.close()
