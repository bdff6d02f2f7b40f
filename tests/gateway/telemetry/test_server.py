"""The endpoints of status and metrics in a running gateway."""

import asyncio
import json
import socket
from pathlib import Path

import aiohttp
import pytest

from gateway import upkeep
from gateway.fake_mlflow import FakeMlflow
from gateway.telemetry.pages import StatusPages
from gateway.testing import batch
from tests.e2e.mlflow_server import eventually
from tests.gateway.running import Gateway, gateway

TOKEN = "fake-" + "status-token"
PAGES = {
    "/": "text/html; charset=utf-8",
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/dom.js": "text/javascript; charset=utf-8",
    "/chart.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
    "/status.json": "application/json",
    "/history.json": "application/json",
    "/dead-letters.json": "application/json",
    "/config.yaml": "text/plain; charset=utf-8",
}
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


async def test_status_page_comes_with_all_it_needs(tmp_path: Path) -> None:
    """The page, its files and its facts are served; it loads nothing foreign and runs no inline."""
    async with gateway(tmp_path, config()) as running:
        kinds = {}
        for path in PAGES:
            status, headers, body = await get(running, path)
            assert (200, "no-store") == (status, headers["Cache-Control"])
            assert body
            kinds[path] = headers["Content-Type"]
            policy = headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        page = (await get(running, "/"))[2].decode()

    assert PAGES == kinds
    assert "http" not in page
    assert "style=" not in page


async def test_configuration_is_masked(tmp_path: Path) -> None:
    """What the page shows of the settings is what print-config prints."""
    auth = f"{{auth: {{token: {TOKEN}}}}}"
    async with gateway(tmp_path, config(auth)) as running:
        right = {"Authorization": f"Bearer {TOKEN}"}
        text = (await get(running, "/config.yaml", **right))[2].decode()
        whole = (await get(running, "/status.json", **right))[2].decode()

    assert "token: '****'" in text
    assert TOKEN not in text + whole


async def test_history_grows(tmp_path: Path) -> None:
    """What the page draws of the past is remembered by the gateway, from its start."""
    async with FakeMlflow() as server, gateway(tmp_path, config(url=server.url)) as running:
        moments = json.loads((await get(running, "/history.json"))[2])
        await running.post(batch({}).encode())

        async def remembered() -> bool:
            now = json.loads((await get(running, "/history.json"))[2])
            return bool(now[-1]["accepted"] > moments[0]["accepted"])

        await eventually(remembered, timeout_s=20, what="another moment")

    assert {"unix_s", "accepted", "refused", "sent", "failed", "waiting"} == set(moments[0])


async def test_status_tells_destinations_with_their_pages(tmp_path: Path) -> None:
    """Where spans went is told with the address of what arrived."""
    async with FakeMlflow() as server, gateway(tmp_path, config(url=server.url)) as running:
        await running.post(batch({}, {}).encode())

        async def sent() -> bool:
            return running.service.status().exporters[0].destinations != []

        await eventually(sent, what="a destination")
        status = json.loads((await get(running, "/status.json"))[2])

    (destination,) = status["exporters"][0]["destinations"]
    assert destination["page"].startswith(f"{server.url}/#/experiments/")
    assert {"receivers": ["otlp"], "processors": [], "exporters": ["mlflow"]} == status["stages"][
        "traces"
    ]
    assert ["otlp", "mlflow"] == status["pipelines"]["traces"]


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
        for path in ("/status.json", "/live", "/ready", *PAGES):
            async with running.http.get(f"http://{address}:{port}{path}") as answer:
                answers[path] = answer.status, await answer.read()

    assert {path: 200 if path in {"/live", "/ready"} else 403 for path in answers} == {
        path: status for path, (status, _) in answers.items()
    }
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


async def test_the_page_remembers_after_an_unforeseen_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it shows of the last hours begins again, and the fault is counted."""
    monkeypatch.setattr(upkeep, "PAUSE_S", 0.0)
    remember, left = StatusPages.remember, [ValueError("unforeseen")]

    async def faulty(pages: StatusPages) -> None:
        if left:
            raise left.pop()
        await remember(pages)

    monkeypatch.setattr(StatusPages, "remember", faulty)
    async with gateway(tmp_path, config()) as running:

        async def is_remembered() -> bool:
            return bool(json.loads((await get(running, "/history.json"))[2]))

        await eventually(is_remembered)
        metrics = (await get(running, "/metrics", "metrics"))[2].decode()

    assert 'spangate_part_faults_total{part="status page"}' in metrics
