"""What ``spangate run`` promises to whoever starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.testing import batch

CONFIG = """
receivers:
  otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}
exporters: {file: {path: out.jsonl, sending_queue: {storage: memory}}}
service:
  pipelines: {traces: {receivers: [otlp], processors: [], exporters: [file]}}
  telemetry: {metrics: {endpoint: "127.0.0.1:0"}, status: {endpoint: "127.0.0.1:0"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "gateway.yaml").write_text(CONFIG)
    return tmp_path


@contextmanager
def started(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command in a folder; it is ended by its own pid."""
    command = [sys.executable, "-m", "gateway.cli", "run", "--config", "gateway.yaml", *options]
    home = str(Path(__file__).parents[3])
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": home},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def announced(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the line that says the gateway has started."""
    assert process.stderr is not None
    for line in process.stderr:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == "gateway started":
            return event
    raise AssertionError("the gateway did not start")


def send(endpoint: str) -> None:
    request = urllib.request.Request(
        f"http://{endpoint}/v1/traces",
        data=batch({"n": 1}).encode(),
        headers={"Content-Type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert 200 == answer.status


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_runs_until_told_to_stop(folder: Path, name: str) -> None:
    """One JSON line announces endpoints and pipelines; a signal ends it in order with 0."""
    with started(folder) as process:
        event = announced(process)
        assert {"traces": "otlp > file"} == event["pipelines"]
        send(event["endpoints"]["http"])
        process.send_signal(getattr(signal, name))
        assert 0 == process.wait(20)
    assert 1 == len((folder / "out.jsonl").read_text().splitlines())
    assert 0o700 == (folder / "spangate-data").stat().st_mode & 0o777


def test_says_that_it_stops_and_how_long_that_may_take(folder: Path) -> None:
    """Whoever stops it learns what it waits for, and how to end it at once."""
    with started(folder) as process:
        announced(process)
        process.send_signal(signal.SIGTERM)
        _, rest = process.communicate(timeout=20)
    (event,) = [
        event for line in rest.splitlines() if "stopping" in (event := json.loads(line))["event"]
    ]
    assert (0, "25s") == (event["spans"], event["at_most"])
    assert "second signal" in event["event"]


def test_a_second_signal_ends_at_once(folder: Path) -> None:
    """While the first signal waits for a destination that is away, the second does not."""
    with socket.socket() as away:
        away.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{away.getsockname()[1]}"
        options = [
            "--set", "exporters.otlp_http.endpoint=" + address,
            "--set", "exporters.otlp_http.sending_queue.storage=memory",
            "--set", "service.pipelines.traces.exporters=[otlp_http]",
        ]  # fmt: skip
        with started(folder, *options) as process:
            event = announced(process)
            send(event["endpoints"]["http"])
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(signal.SIGTERM)
            assert 1 == process.wait(5)


def test_a_taken_port_exits_1_with_a_sentence(folder: Path) -> None:
    """The endpoint, its setting and what to do stand in one line, without a traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        option = f"receivers.otlp.protocols.http.endpoint={address}"
        with started(folder, "--set", option) as process:
            _, errors = process.communicate(timeout=20)
            assert 1 == process.returncode
    assert address in errors
    assert "receivers.otlp" in errors
    assert "Traceback" not in errors


def test_a_bad_configuration_exits_2_with_every_mistake(folder: Path) -> None:
    """Nothing starts, and all mistakes are told with their lines."""
    (folder / "gateway.yaml").write_text(CONFIG.replace("grpc:", "grcp:").replace("path", "pth"))
    with started(folder) as process:
        _, errors = process.communicate(timeout=20)
        assert 2 == process.returncode
    assert "gateway.yaml:3" in errors
    assert "gateway.yaml:4" in errors
    assert "Traceback" not in errors


def test_with_mlflow_names_the_missing_extra(folder: Path) -> None:
    """Without MLflow, ``--with-mlflow`` exits 2 and names the command that installs it."""
    hidden = folder / "sitecustomize.py"
    hidden.write_text(
        "import importlib.metadata as m\n"
        "real = m.version\n"
        "def version(name):\n"
        "    if name == 'mlflow':\n"
        "        raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.version = version\n"
    )
    home = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "run", "--with-mlflow"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), home])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert 2 == done.returncode
    assert "pip install 'spangate[demo]'" in done.stderr


def test_with_mlflow_looks_at_the_data_directory_first(folder: Path) -> None:
    """A directory that another gateway holds is told before MLflow is started, which takes long."""
    with started(folder) as first:
        announced(first)
        with started(folder, "--with-mlflow") as second:
            _, errors = second.communicate(timeout=20)
            assert 1 == second.returncode
    assert "service.data_dir" in errors
    assert "used by another gateway" in errors
    assert "starting MLflow" not in errors
