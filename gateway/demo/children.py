"""The demo's child processes: the gateway as users run it, and the agents."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import aiohttp
import msgspec

from gateway import keeper
from gateway.demo.report import Sent

AGENT_S = 90.0
READY_S = 60.0
_STOP_S = keeper.GRACE_S + 5.0
_POLL_S = 0.1

# -P: a folder called `processors` in the working directory must not shadow ours.
_PYTHON = (sys.executable, "-P")
_KEEPER = (sys.executable, "-I", keeper.__file__)


class DemoError(Exception):
    """Something of the demo does not work; the message says what and what to do."""


def environment(**extra: str) -> dict[str, str]:
    """Return our environment without what would send the demo's spans elsewhere."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "LANGSMITH_", "LANGCHAIN_"))
    }
    return {**kept, "NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost", **extra}


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log, for the error that it explains."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


class LocalGateway:
    """
    The gateway in a process of its own.

    Args:
        config: its configuration.
        status: address of its status endpoint, to learn when it is ready.
        log: file for what it writes.

    """

    def __init__(self, config: Path, status: str, log: Path) -> None:
        self._config = config
        self._status = status
        self.log = log
        """What it writes."""

        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """
        Return once it accepts spans.

        Raises:
            DemoError: it ended or did not get ready; with the end of its log.

        """
        with self.log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_KEEPER, *_PYTHON, "-m", "gateway.cli", "run", "--config", str(self._config),
                stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log,
                env=environment(), start_new_session=True,
            )  # fmt: skip
        try:
            async with asyncio.timeout(READY_S):
                await self._ready(self._process)
        except TimeoutError:
            raise DemoError(
                f"the gateway was not ready within {READY_S:.0f} s:\n{tail(self.log)}"
            ) from None

    async def _ready(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession() as session:
            while process.returncode is None:
                with suppress(aiohttp.ClientError):
                    async with session.get(f"{self._status}/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(_POLL_S)
        raise DemoError(f"the gateway ended with code {process.returncode}:\n{tail(self.log)}")

    async def wait(self) -> None:
        """
        Wait until it ends, which it should not do by itself.

        Raises:
            DemoError: it ended.

        """
        if self._process is not None:
            code = await self._process.wait()
            raise DemoError(f"the gateway ended with code {code}:\n{tail(self.log)}")

    async def stop(self) -> None:
        """Let it deliver what waits, then end it; safe without :meth:`start`, and safe twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def run_agent(module: str, *scenes: str, protocol: str, endpoint: str) -> Sent:
    """
    Run an agent to its end and return what it says that it sent.

    Raises:
        DemoError: it failed; with the end of what it wrote.

    """
    process = await asyncio.create_subprocess_exec(
        *_PYTHON, "-m", f"gateway.demo.{module}", *scenes,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env=environment(**_otlp(protocol, endpoint)), start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(AGENT_S):
            out, err = await process.communicate()
    except TimeoutError:
        raise DemoError(f"the agent {module} took more than {AGENT_S:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise DemoError(
            f"the agent {module} failed with code {process.returncode}:\n"
            + "\n".join(err.decode(errors="replace").splitlines()[-15:])
        )
    return msgspec.json.decode(out.splitlines()[-1], type=Sent)


def _otlp(protocol: str, endpoint: str) -> Mapping[str, str]:
    return {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
