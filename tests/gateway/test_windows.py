"""That the gateway uses nothing that Windows lacks, shown where that has been taken away."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from gateway.testing import batch
from tests.gateway.real import CONFIG

LACKING = """
import asyncio, os, signal, sys
# These choose their way when they are imported, and are not ours.
import aiohttp, genai_prices, grpc.aio, re2, rich.console, structlog, typer, zoneinfo
sys.platform = "win32"
sys.modules.update(dict.fromkeys(["fcntl", "grp", "pwd", "resource", "termios", "uvloop"]))
for module, names in {
    os: "chown fchmod fchown fdatasync fork getpgid getpgrp getuid killpg mkfifo O_DIRECT "
        "O_DIRECTORY posix_fallocate preadv pwritev sched_getaffinity setpgid setsid statvfs "
        "sysconf",
    signal: "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGSTOP SIGUSR1 SIGUSR2",
}.items():
    for name in names.split():
        vars(module).pop(name, None)
os.process_cpu_count = os.cpu_count  # as Python 3.13 has it there
def refuse(*_): raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = refuse
from gateway.cli import main
main()
"""
INTERRUPTED = 130


async def test_it_runs_and_stops_there(tmp_path: Path) -> None:
    """It accepts, Ctrl-C ends it in order, and what waits is on disk for other commands."""
    (tmp_path / "gateway.yaml").write_text(CONFIG.format(sink="http://127.0.0.1:1"))
    async with started(tmp_path, "run") as gateway:
        await send(f"http://{await endpoint(gateway)}/v1/traces")
        gateway.send_signal(signal.SIGINT)
        _, log = await gateway.communicate()
    async with started(tmp_path, "queue", "status") as status:
        said, _ = await status.communicate()

    assert INTERRUPTED == gateway.returncode
    assert b"the rest is on disk" in log
    assert b"1 span waits" in said
    assert 0 == status.returncode


@asynccontextmanager
async def started(folder: Path, *words: str) -> AsyncIterator[Process]:
    """Start a command without what Windows lacks."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LACKING, *words, "--config", "gateway.yaml",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def endpoint(gateway: Process) -> str:
    """Return where a gateway takes OTLP over HTTP, once it does."""
    assert gateway.stderr is not None
    async for line in gateway.stderr:
        event = json.loads(line)
        if event["event"] == "gateway started":
            return str(event["endpoints"]["http"])
    raise AssertionError("the gateway did not start")


async def send(url: str) -> None:
    """Send a span that must be accepted."""
    headers, body = {"Content-Type": "application/x-protobuf"}, batch({"n": 1}).encode()
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=body, headers=headers) as answer,
    ):
        assert 200 == answer.status
