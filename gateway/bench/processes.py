"""Run the real gateway, a sink and a load generator, each in a process of its own."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

_START_S = 30.0


class BenchError(Exception):
    """The measurement cannot be made; the text says why."""


async def spawn(*arguments: str, cpus: Collection[int], stderr: int | None = None) -> Process:
    """Start a Python process on the given processors."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, stdin=PIPE, stdout=PIPE, stderr=stderr
    )
    if cpus and sys.platform == "linux":
        os.sched_setaffinity(process.pid, cpus)
    return process


async def end(process: Process) -> None:
    """Ask a process to end, and insist after a while."""
    if process.stdin is not None:
        process.stdin.close()
    for signal in (process.terminate, process.kill):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)


class Gateway:
    """A running gateway."""

    def __init__(self, process: Process, endpoints: dict[str, str]) -> None:
        self.pid = process.pid
        self._endpoints = endpoints

    def port(self, protocol: str) -> int:
        """Return the port that serves ``http`` or ``grpc``."""
        for name, address in self._endpoints.items():
            if protocol in name:
                return int(address.rpartition(":")[2].partition("/")[0])
        raise BenchError(f"the gateway opened no {protocol} endpoint: {self._endpoints}")


@asynccontextmanager
async def gateway(config: Path, cpus: Collection[int]) -> AsyncIterator[Gateway]:
    """
    Run the gateway with a configuration that logs as JSON.

    Raises:
        BenchError: it does not start.

    """
    process = await spawn("gateway.cli", "run", "--config", str(config), cpus=cpus, stderr=PIPE)
    reading = None
    try:
        endpoints = await asyncio.wait_for(_started(process), _START_S)
        reading = asyncio.create_task(_drop(process))
        yield Gateway(process, endpoints)
    except TimeoutError as error:
        raise BenchError(f"the gateway did not start within {_START_S:.0f} s") from error
    finally:
        await end(process)
        if reading is not None:
            await reading


@asynccontextmanager
async def peer(module: str, sink: int, cpus: Collection[int]) -> AsyncIterator[Gateway]:
    """
    Run something to compare the gateway with.

    Args:
        module: is told the port of the sink, and writes its endpoints to stdout as JSON.
        sink: the port.
        cpus: where it may run.

    Raises:
        BenchError: it does not start.

    """
    process = await spawn(module, str(sink), cpus=cpus)
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), _START_S)
        if not line:
            raise BenchError(f"{module} did not start; what it said stands above")
        yield Gateway(process, msgspec.json.decode(line, type=dict[str, str]))
    except TimeoutError as error:
        raise BenchError(f"{module} did not start within {_START_S:.0f} s") from error
    finally:
        await end(process)


async def _started(process: Process) -> dict[str, str]:
    """Read the log until it says that the gateway is up."""
    assert process.stderr is not None
    lines = b""
    while line := await process.stderr.readline():
        lines += line
        with contextlib.suppress(msgspec.DecodeError):
            entry = msgspec.json.decode(line)
            if isinstance(entry, dict) and "endpoints" in entry:
                return dict(entry["endpoints"])
    raise BenchError(f"the gateway did not start:\n{lines.decode(errors='replace')}")


async def _drop(process: Process) -> None:
    assert process.stderr is not None
    while await process.stderr.read(65536):
        pass


class SinkProcess:
    """A running sink."""

    def __init__(self, process: Process, port: int) -> None:
        self._process = process
        self.port = port

    async def spans(self) -> int:
        """Return the spans that it has got so far."""
        return await self._tell(b"")

    async def hold(self) -> None:
        """Give no more answers, until :meth:`go`."""
        await self._tell(b"hold")

    async def go(self) -> None:
        """Give answers again."""
        await self._tell(b"go")

    async def _tell(self, command: bytes) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(command + b"\n")
        return int(await self._process.stdout.readline())


@asynccontextmanager
async def sink(cpus: Collection[int]) -> AsyncIterator[SinkProcess]:
    """Run a destination that counts spans."""
    process = await spawn("gateway.bench.sink", cpus=cpus, stderr=DEVNULL)
    try:
        assert process.stdout is not None
        yield SinkProcess(process, int(await process.stdout.readline()))
    finally:
        await end(process)


async def run_load(order: bytes, cpus: Collection[int]) -> bytes:
    """
    Send as ordered and return the report.

    Raises:
        BenchError: requests failed.

    """
    process = await spawn("gateway.bench.load", order.decode(), cpus=cpus, stderr=PIPE)
    try:
        output, errors = await process.communicate()
    finally:
        await end(process)
    if process.returncode != 0:
        raise BenchError(f"the load generator failed:\n{errors.decode(errors='replace')}")
    return output
