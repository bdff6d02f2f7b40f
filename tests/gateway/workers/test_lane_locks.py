"""A lane is served by one process, whatever becomes of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.telemetry import logs
from gateway.workers import lane_locks
from gateway.workers.lane_locks import LaneLocks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no workers on Windows")
HOLDER = """
import asyncio, os, sys
from pathlib import Path
from gateway.telemetry import logs
from gateway.workers.lane_locks import LaneLocks

locks = LaneLocks(Path(sys.argv[1]), logs.get("t"))
asyncio.run(locks.take([0, 1]))
asyncio.run(locks.take_log(5))
if os.fork() == 0:
    os.execvp("sleep", ["sleep", "30"])
print("held", flush=True)
for line in sys.stdin:
    locks.release([1])
    print("released", flush=True)
"""


def holder(folder: Path) -> "subprocess.Popen[bytes]":
    """Start a process that holds lanes 0 and 1, and one that it has forked."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


async def test_a_lane_is_taken_once_it_is_released_or_its_owner_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stopped owner keeps it, and what it forked does not; who waits for long says so."""
    monkeypatch.setattr(lane_locks, "PATIENCE_S", 0.1)
    logs.configure("info", "json")
    with holder(tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert b"held\n" == process.stdout.readline()
        try:
            locks = LaneLocks(tmp_path, logs.get("t"))
            assert [0, 1] == locks._try([0, 1, 2])
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert b"released\n" == process.stdout.readline()
            await locks.take([1])

            process.send_signal(signal.SIGSTOP)
            waiting = asyncio.create_task(locks.take([0]))
            async with asyncio.timeout(30):
                while not (said := capsys.readouterr().err):
                    await asyncio.sleep(0.02)
            assert [0] == json.loads(said)["lanes"]
            assert not waiting.done()

            process.kill()
            await asyncio.wait_for(waiting, 30)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


async def test_a_log_is_taken_once_its_writer_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody empties a log that somebody may write; lanes of the same number are others."""
    monkeypatch.setattr(lane_locks, "PATIENCE_S", 0.1)
    logs.configure("info", "json")
    with holder(tmp_path) as process:
        assert process.stdout is not None
        assert b"held\n" == process.stdout.readline()
        try:
            locks = LaneLocks(tmp_path, logs.get("t"))
            await locks.take([5])
            await locks.take_log(1)
            waiting = asyncio.create_task(locks.take_log(5))
            async with asyncio.timeout(30):
                while not (said := capsys.readouterr().err):
                    await asyncio.sleep(0.02)
            assert [5] == json.loads(said)["logs"]
            assert not waiting.done()

            process.kill()
            await asyncio.wait_for(waiting, 30)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


async def test_without_a_file_lanes_are_served_all_the_same(tmp_path: Path) -> None:
    """The supervisor keeps them apart anyway, so a full disk keeps nobody from sending."""
    (tmp_path / "workers").write_text("no folder")

    await LaneLocks(tmp_path / "workers", logs.get("t")).take([0])
