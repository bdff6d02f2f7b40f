"""A worker process as the supervisor sees it."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from pathlib import Path

import msgspec

from gateway.config.loader import Loaded
from gateway.memory import SUPERVISOR
from gateway.telemetry.status import Status
from gateway.why import Told
from gateway.workers.channel import Channel
from gateway.workers.messages import Answer, Ask, FromWorker, Report, Tell

TELL_S = 1.0
"""How long somebody who asks for figures waits for those of the moment."""


class Child:
    """
    One worker process.

    ``built``, ``started`` and ``stopping`` say how far it is; ``status`` what it last told.
    """

    def __init__(self, number: int, process: Process, channel: Channel[FromWorker]) -> None:
        self.number = number
        self.built = False
        self.started = False
        self.stopping = False
        self.trial = False
        """Whether it is the first with a new configuration: if it cannot start, none does."""
        self.loaded: Loaded | None = None
        """The configuration that it runs."""
        self.hung: list[str] = []
        """Processors that did not come back."""
        self.ports: set[tuple[str, str, int]] = set()
        """What it reserved."""
        self.drained = asyncio.Event()
        self.settled = asyncio.Event()
        """Set once it has started, or has ended."""
        self.reasons: list[str] = []
        """Why it could not start."""
        self.status: Status | None = None
        self.endpoints: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        loop = asyncio.get_running_loop()
        self.begun = self.heard = loop.time()
        """When it was started and when it last gave a sign of life, in the loop's time."""
        self.gone = asyncio.Event()
        self._process = process
        self._channel = channel
        self._questions: dict[int, asyncio.Future[Told]] = {}
        self._asked: dict[int, asyncio.Event] = {}

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send(self, message: msgspec.Struct) -> None:
        """Tell it something."""
        self._channel.send(message)

    async def receive(self) -> FromWorker | None:
        """Return what it says next; None once it is silent for ever."""
        message = await self._channel.receive()
        if message is not None:
            self.heard = asyncio.get_running_loop().time()
        return message

    async def tell(self) -> None:
        """Return once it has reported how it fares now, or has not for a while."""
        request = id(answered := asyncio.Event())
        self._asked[request] = answered
        self.send(Tell(request))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TELL_S):
                await answered.wait()
        del self._asked[request]

    async def ask(self, trace_id: bytes) -> Told:
        """Return what it knows of a trace; nothing where it does not answer."""
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        request = id(answer)
        self._questions[request] = answer
        self.send(Ask(request, trace_id))
        try:
            async with asyncio.timeout(TELL_S):
                return await answer
        except TimeoutError:
            return Told(facts=[], waiting=[])
        finally:
            del self._questions[request]

    def answered(self, answer: Answer) -> None:
        """Take an answer to a question."""
        asked = self._questions.get(answer.request)
        if asked is not None and not asked.done():
            asked.set_result(answer.told)

    def reported(self, report: Report) -> None:
        """Take a report."""
        self.status = report.status
        if report.request in self._asked:
            self._asked[report.request].set()

    async def end(self) -> int:
        """Return how it ended, once it has."""
        code = await self._process.wait()
        self._channel.close()
        for answered in self._asked.values():
            answered.set()
        for event in (self.settled, self.drained, self.gone):
            event.set()
        return code

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End it without asking."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


async def spawn(number: int, keep: Sequence[int]) -> Child:
    """
    Start a worker, in our process group.

    Args:
        number: of the worker.
        keep: descriptors that it inherits and never touches.

    """
    ours, theirs = socket.socketpair()
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-P", "-m", "gateway.worker", str(theirs.fileno())],
            stdin=DEVNULL,
            pass_fds=[theirs.fileno(), *keep],
            env={**os.environ, "PYTHONPATH": _path(), SUPERVISOR: str(os.getpid())},
        )
    channel: Channel[FromWorker] = await Channel.open(ours, FromWorker)
    return Child(number, process, channel)


def _path() -> str:
    """Return where this process imports from, for a worker to import the same."""
    return os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
