"""What ``spangate demo`` promises, all of it real: MLflow, the gateway, the agents."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's process table")

Start = Callable[..., Awaitable[Process]]


@pytest_asyncio.fixture
async def demo() -> AsyncIterator[Start]:
    """Yield a function that starts the demo; what still runs at the end is killed."""
    started: list[Process] = []

    async def start(*arguments: str) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gateway.cli", "demo", *arguments, stdout=PIPE, stderr=PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_exit_shows_what_arrived_and_succeeds(demo: Start, tmp_path: Path) -> None:
    """Seven traces over both protocols, routed to two experiments, in a table; then it ends."""
    process = await demo("--exit", "--data-dir", str(tmp_path))

    out, err = await process.communicate()

    text = out.decode()
    assert 0 == process.returncode, text + err.decode()
    assert "All 7 traces with" in text
    for word in ("trip-planner", "help-desk", "demo-travel", "demo-support", "paris-trip",
                 "AGENT", "TOOL", "ERROR", "/traces"):  # fmt: skip
        assert word in text
    assert (tmp_path / "spangate.yaml").exists()


@linux
async def test_stays_up_until_told_and_leaves_nothing_behind(demo: Start, tmp_path: Path) -> None:
    """The gateway's status and MLflow answer until SIGINT; then both are gone, exit code 0."""
    process = await demo("--data-dir", str(tmp_path))
    assert process.stdout is not None
    lines: list[str] = []
    async for line in process.stdout:
        lines.append(line.decode())
        if "Ctrl-C" in lines[-1]:
            break
    assert "Ctrl-C" in lines[-1], "".join(lines)
    (mlflow,) = [line.split()[-1] for line in lines if line.startswith("MLflow ")]

    async with aiohttp.ClientSession() as session:
        async with session.get(f"{mlflow}/health") as answer:
            assert 200 == answer.status
        children = _descendants(process.pid)
        process.send_signal(signal.SIGINT)
        assert 0 == await process.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{mlflow}/health")

    assert len(children) >= 4
    assert [] == [pid for pid in children if _runs(pid)]


@linux
async def test_interrupted_early_it_ends_at_once(demo: Start, tmp_path: Path) -> None:
    """SIGTERM while MLflow starts: nothing was shown, so exit code 1, and MLflow is gone."""
    process = await demo("--data-dir", str(tmp_path))
    while not (tmp_path / "mlflow" / "mlflow.log").exists():
        await asyncio.sleep(0.05)
    children = _descendants(process.pid)

    process.send_signal(signal.SIGTERM)

    assert 1 == await process.wait()
    assert [] == [pid for pid in children if _runs(pid)]


def _descendants(pid: int) -> list[int]:
    """Return the processes below one, from Linux's process table."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
