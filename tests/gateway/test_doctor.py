"""What ``spangate doctor`` finds, and what it leaves alone."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from exporters.mlflow import exporter
from gateway.cli import app
from gateway.config.exporting import MIB
from gateway.config.loader import load
from gateway.data_dir import DataDir
from gateway.diagnosis import Finding
from gateway.doctor import examine
from gateway.fake_mlflow import FakeMlflow

CONFIG = """
receivers: {{otlp: {{protocols: {{http: {{endpoint: "{http}"}}}}}}}}
exporters:
  mlflow:
    endpoint: {mlflow}
    experiment: {experiment}
service:
  data_dir: {data_dir}
  pipelines: {{traces: {{receivers: [otlp], exporters: [mlflow]}}}}
  telemetry: {{metrics: {{endpoint: "127.0.0.1:0"}}, status: {{endpoint: "127.0.0.1:0"}}}}
"""


@pytest.fixture
async def server() -> AsyncIterator[FakeMlflow]:
    """Run a server."""
    async with FakeMlflow() as running:
        yield running


def configured(
    folder: Path,
    mlflow: str,
    *,
    http: str = "127.0.0.1:0",
    experiment: str = "{}",
    data_dir: Path | None = None,
) -> Path:
    """Write a configuration and return its path."""
    path = folder / "gateway.yaml"
    text = CONFIG.format(
        mlflow=mlflow, http=http, experiment=experiment, data_dir=data_dir or folder / "data"
    )
    path.write_text(text)
    return path


async def findings(path: Path) -> dict[str, Finding]:
    """Return what the doctor finds, by what was looked at."""
    return {finding.check: finding for finding in await examine(load([path]))}


async def test_all_is_well(server: FakeMlflow, tmp_path: Path) -> None:
    """With a fitting server nothing fails, and nothing was created, here or there."""
    found = await findings(configured(tmp_path, server.url))

    assert {"ok"} == {finding.status for finding in found.values()}
    assert "will be created" in found["mlflow: experiment llm-traces"].detail
    assert ["Default"] == [experiment.name for experiment in server.experiments.values()]
    assert not (tmp_path / "data").exists()


async def test_disk_smaller_than_all_that_may_be_written(
    server: FakeMlflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traces that are not decided and dead letters count beside what waits for exporters."""
    path = configured(tmp_path, server.url)
    text = path.read_text()
    path.write_text(
        text.replace("exporters: [mlflow]", "processors: [tail_sampling], exporters: [mlflow]")
        + "  dead_letters: {max_size_mib: 100}\n"
        + "processors: {tail_sampling: {policies: [{name: all, type: always_sample}]}}\n"
    )
    total, used = 4096 * MIB, 2048 * MIB
    usage = SimpleNamespace(total=total, used=used, free=total - used)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    disk = (await findings(path))["disk"]

    assert "warn" == disk.status
    assert "2048 MiB free for queues and dead letters of at most 2148 MiB" == disk.detail
    assert "dead_letters.max_size_mib" in (disk.advice or "")


async def test_server_that_is_away(tmp_path: Path) -> None:
    """One failure says that the server does not answer, and what to do."""
    found = await findings(configured(tmp_path, "http://127.0.0.1:9"))

    assert "fail" == found["mlflow: server"].status
    assert "start MLflow" in found["mlflow: server"].advice


async def test_server_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes the connection and never answers is given up after 10 s, not the timeout."""
    assert 10 == exporter.DIAGNOSIS_S
    monkeypatch.setattr(exporter, "DIAGNOSIS_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = await findings(configured(tmp_path, address))

    assert "fail" == found["mlflow: server"].status
    assert "200ms" in found["mlflow: server"].detail


@pytest.mark.parametrize(
    ("experiment", "status", "words"),
    [
        ("{default: live}", "ok", "exists, id 1"),
        ("{default: gone}", "fail", "deleted, id 2"),
        ("{default: gone, deleted: restore}", "warn", "will be restored"),
        ("{default: new}", "ok", "will be created"),
        ("{default: new, create_missing: false}", "fail", "does not exist"),
        ("{default: 77}", "fail", "does not exist"),
    ],
)
async def test_experiments(
    server: FakeMlflow, tmp_path: Path, experiment: str, status: str, words: str
) -> None:
    """Each experiment of the settings is there, will be, or needs a person."""
    server.add_experiment("live")
    server.add_experiment("gone", deleted=True)

    found = await findings(configured(tmp_path, server.url, experiment=experiment))

    (finding,) = [one for check, one in found.items() if check.startswith("mlflow: experiment")]
    assert status == finding.status
    assert words in finding.detail
    assert server.experiments["2"].deleted


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (401, "You are not authenticated", "exporters.mlflow.auth"),
        (403, "Invalid Host header", "--allowed-hosts"),
        (404, "<html>", "uvicorn"),
    ],
)
async def test_server_that_would_not_take_spans(
    server: FakeMlflow, tmp_path: Path, status: int, body: str, advice: str
) -> None:
    """Credentials, allowed hosts and a server without OTLP are found without sending a span."""
    server.answer_next(status, body, "text/plain")

    found = await findings(configured(tmp_path, server.url))

    assert "fail" == found["mlflow: traces"].status
    assert advice in found["mlflow: traces"].advice


async def test_old_server_and_file_store(server: FakeMlflow, tmp_path: Path) -> None:
    """An old version is worth a warning, a file store takes no spans at all."""
    server.version, server.store_type = "3.9.1", "FileStore"

    found = await examine(load([configured(tmp_path, server.url)]))

    assert {"warn", "fail"} <= {finding.status for finding in found}


async def test_clock_skew(server: FakeMlflow, tmp_path: Path) -> None:
    """Clocks that are apart are reported."""
    date = {"Date": "Wed, 21 Oct 2015 07:28:00 GMT"}
    server.answer_next(200, "OK", "text/plain", path="/health", headers=date)

    found = await findings(configured(tmp_path, server.url))

    assert "warn" == found["mlflow: clock"].status


async def test_taken_port(server: FakeMlflow, tmp_path: Path) -> None:
    """A port that somebody else uses is a failure that names the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        found = await findings(configured(tmp_path, server.url, http=address))

    assert "fail" == found[f"port {address}"].status
    assert "receivers.otlp.protocols.http.endpoint" in found[f"port {address}"].advice


async def test_ports_of_the_running_gateway(server: FakeMlflow, tmp_path: Path) -> None:
    """While a gateway runs with the same data directory its ports are no failure."""
    held = DataDir(tmp_path / "data")
    held.open()
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            found = await findings(configured(tmp_path, server.url, http=address))
    finally:
        held.close()

    assert {"ok"} == {finding.status for finding in found.values()}


async def test_data_directory_that_cannot_be_made(server: FakeMlflow, tmp_path: Path) -> None:
    """A file where the directory should be is a failure that says what to set."""
    (tmp_path / "file").write_text("")

    found = await findings(configured(tmp_path, server.url, data_dir=tmp_path / "file" / "data"))

    assert "fail" == found["data directory"].status
    assert "SPANGATE_DATA_DIR" in found["data directory"].advice


async def test_command_exits_by_what_it_found(server: FakeMlflow, tmp_path: Path) -> None:
    """0 where all is well, 1 where something fails, and JSON for scripts."""
    runner = CliRunner()
    good = ["doctor", "--config", str(configured(tmp_path, server.url)), "--output", "json"]
    well = await asyncio.to_thread(runner.invoke, app, good)
    bad = ["doctor", "--config", str(configured(tmp_path, "http://127.0.0.1:9"))]
    ill = await asyncio.to_thread(runner.invoke, app, bad)

    assert (0, True) == (well.exit_code, json.loads(well.stdout)["ok"])
    assert 1 == ill.exit_code
    assert "FAIL" in ill.stdout
    assert "start MLflow" in ill.stdout
