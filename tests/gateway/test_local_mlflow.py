"""What a local MLflow server promises: it is there when started, and gone when we are."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from gateway import keeper
from gateway.config.problems import ConfigError
from gateway.local_mlflow import LocalMlflow, MlflowFailedError, MlflowMissingError

PATIENCE_S = 20.0

# A command with a child of its own; both ignore SIGTERM, and the child writes its pid.
STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
code = "import os, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
code += "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", code, sys.argv[1]])
time.sleep(600)
"""


def keep(*command: str) -> "subprocess.Popen[bytes]":
    """Start a command under a keeper."""
    return subprocess.Popen(
        [sys.executable, "-I", keeper.__file__, *command], stdin=subprocess.PIPE
    )


def lives(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until_written(path: Path) -> int:
    """Return the number in a file once it is there."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.02)
    raise AssertionError(f"{path} was not written")


def test_keeper_returns_the_commands_code() -> None:
    """A command that ends by itself takes the keeper with it."""
    kept = keep(sys.executable, "-c", "raise SystemExit(7)")
    code = kept.wait(PATIENCE_S)
    assert kept.stdin is not None
    kept.stdin.close()

    assert 7 == code


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_keeper_ends_the_whole_group_when_its_parent_is_killed(tmp_path: Path) -> None:
    """After SIGKILL of the parent nothing is left, though all of it ignores SIGTERM."""
    script = tmp_path / "keeper.py"
    text = Path(keeper.__file__).read_text()
    script.write_text(text.replace("GRACE_S = 5.0", "GRACE_S = 0.2"))
    pid_file = tmp_path / "pid"
    parent_code = (
        "import subprocess, sys, time; "
        "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code, sys.executable, "-I", str(script),
         sys.executable, "-c", STUBBORN, str(pid_file)]
    )  # fmt: skip
    grandchild = wait_until_written(pid_file)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()

    deadline = time.monotonic() + PATIENCE_S
    while lives(grandchild) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not lives(grandchild)


async def test_missing_package_names_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without MLflow the user is told what to install, as a mistake of usage."""

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)

    with pytest.raises(MlflowMissingError, match=r"pip install 'spangate\[demo\]'") as caught:
        await LocalMlflow(tmp_path).start()
    assert isinstance(caught.value, ConfigError)


@pytest.mark.slow
async def test_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """A wrong argument ends in an error with the end of the server's log, and nothing running."""
    local = LocalMlflow(tmp_path, 1, arguments=["--no-such-option"])

    with pytest.raises(MlflowFailedError, match="no-such-option"):
        await local.start()


@pytest.mark.slow
@pytest.mark.e2e
async def test_server_runs_on_a_free_port_and_ends(tmp_path: Path) -> None:
    """Where 5000 is taken another port is used; after stop the port is closed."""
    told: list[str] = []
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 5000))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        local = LocalMlflow(tmp_path / "data")
        await local.start(told.append)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{local.url}/version") as answer:
            version = await answer.text()
        await local.stop()
        await local.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{local.url}/version")

    assert ":5000" not in local.url
    assert importlib.metadata.version("mlflow") == version
    assert told
    assert 0o600 == local.log.stat().st_mode & 0o777
    assert (tmp_path / "data" / "mlflow.db").exists()
