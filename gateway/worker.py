"""
One worker process: a gateway that does what its supervisor says, and ends with it.

Started by the supervisor as ``python -m gateway.worker``; signals are the supervisor's business.
"""

import asyncio
import os
import pickle
import signal
import socket
import sys
import threading
from pathlib import Path

from gateway import garbage, loop
from gateway.blame import blame_unseen, standing
from gateway.config.loader import settle
from gateway.config.problems import ConfigError
from gateway.delivery.crashes import Crashes
from gateway.failures import foreseen
from gateway.guard import Guard, depend_on
from gateway.poison import Poison
from gateway.receivers.addresses import ListenError
from gateway.service import Service
from gateway.telemetry import logs, metrics, snapshot
from gateway.telemetry.once import SIZE, Once
from gateway.trace_guard import TraceGuard
from gateway.workers import crash, messages
from gateway.workers.cells import Cells
from gateway.workers.channel import Channel
from gateway.workers.load import SIZE as LOAD_SIZE
from gateway.workers.load import Load
from gateway.workers.messages import ToWorker
from gateway.workers.suspects import processing, sending
from gateway.workers.watch import Watch

REPORT_S = 1.0
TURN_S = 0.0002
"""How long a thread may run while others wait, where there are several tenants.

The event loop waits so long for nearly everything it does while spans are processed; Python's 5 ms
would leave it a few hundred steps a second. A single tenant delays nobody else."""
PR_SET_PDEATHSIG = 1
_FAILED = 1


class Worker:
    """The :class:`gateway.service.Seat` of a gateway in a worker process."""

    def __init__(self, channel: Channel[ToWorker], begin: messages.Begin) -> None:
        self.number = begin.number
        self.sockets = Path(begin.sockets)
        self.cells = Cells(self.sockets)
        self.load = Load(self.cells.block("load", LOAD_SIZE), begin.number)
        self.once = Once(self.cells.block("counted", SIZE))
        suspects = begin.suspects
        self.crashes = Crashes(sending(self.sockets, begin.number), _traces(suspects))
        self.poison = Poison(processing(self.sockets, begin.number), suspects.requests)
        self._channel = channel
        crash.prepare(self.sockets.parent, begin.number)
        self._settings = settle(pickle.loads(begin.tree))  # noqa: S301 - from our supervisor
        self._service: Service | None = None
        self._stop = asyncio.Event()
        self._may_close = asyncio.Event()
        self._first: asyncio.Future[messages.Own] = asyncio.get_running_loop().create_future()
        self._ports: dict[int, asyncio.Future[int]] = {}
        self._tripped = begin.tripped
        self._watch = Watch(begin.hang_limit_s, self._guards, self._last_words)

    async def run(self) -> int:
        """Run until told to end; return the exit code."""
        logs.take_over(self._settings.service.telemetry.logs)
        self._service = Service(self._settings, seat=self)
        asides = [asyncio.create_task(self._listen()), asyncio.create_task(self._report())]
        for task, part in zip(asides, ("the supervisor's orders", "reports"), strict=True):
            depend_on(task, part)
        try:
            await self._service.run(self._stop, on_ready=self._started)
        except BaseException as error:
            reasons = foreseen(error, self._settings.service.data_dir)
            if reasons is None:
                raise
            self._channel.send(messages.Failed(reasons))
            await self._channel.flush()
            return _FAILED
        finally:
            for task in asides:
                task.cancel()
            await asyncio.gather(*asides, return_exceptions=True)
        self._tell()
        await self._channel.flush()
        return 0

    # For the service.

    async def take_place(self, lanes: int) -> messages.Own:
        """Say that everything is built; return what this worker is to serve at first."""
        self._channel.send(messages.Built(lanes))
        return await self._first

    async def reserve(self, where: str, host: str, port: int) -> int:
        """
        Return the port to listen on, together with the other workers.

        Raises:
            ListenError: it cannot be used.

        """
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        request = id(answer)
        self._ports[request] = answer
        self._channel.send(messages.Reserve(request, where, host, port))
        try:
            return await answer
        finally:
            del self._ports[request]

    def released(self, lanes: list[int]) -> None:
        """Say that lanes are no longer served here."""
        self._channel.send(messages.Released(lanes))

    def emptied(self, log: int) -> None:
        """Say that nothing is left in the log of a worker that is gone."""
        self._channel.send(messages.Emptied(log))

    async def drained(self) -> None:
        """Say that nothing more can be sent now; return once no other worker needs this one."""
        if not self._stop.is_set():
            return  # it ends by a fault, and the sooner the sooner it has a successor
        self._channel.send(messages.Drained())
        await self._may_close.wait()

    # For the supervisor.

    async def _listen(self) -> None:
        while (message := await self._channel.receive()) is not None:
            self._obey(message)
        os._exit(_FAILED)  # without its supervisor a worker has no place

    def _obey(self, message: ToWorker) -> None:
        match message:
            case messages.Own():
                self._own(message)
            case messages.Port(request=request):
                _answer(self._ports.get(request), message)
            case messages.Tell(request=request):
                self._tell(request)
            case messages.Ask(request=request, trace_id=trace_id):
                assert self._service is not None, "running"
                self._channel.send(messages.Answer(request, self._service.why(trace_id)))
            case messages.Stop(reload=reload):
                assert self._service is not None, "running"
                self._service.leave(reload=reload)
                self._stop.set()
            case messages.Suspect(suspects=suspects):
                self.crashes.suspect(_traces(suspects))
                self.poison.suspect(suspects.requests)
            case messages.Trip(processors=processors):
                self._trip(processors)
            case messages.Close():
                self._may_close.set()
            case messages.Begin():
                raise AssertionError("a worker begins once")

    def _own(self, own: messages.Own) -> None:
        if not self._first.done():
            self._first.set_result(own)
        elif self._service is not None:
            self._service.own(own)

    def _started(self) -> None:
        assert self._service is not None, "running"
        self._watch.start()  # not before: to import and to build takes the loop for a while
        self._trip(self._tripped)
        pages = self._service.pages()
        garbage.settle()
        self._channel.send(messages.Started(self._service.endpoints, pages))

    async def _report(self) -> None:
        usual_s = sys.getswitchinterval()
        while True:
            self._tell()
            several = self._service is not None and self._service.several_tenants
            sys.setswitchinterval(TURN_S if several else usual_s)
            hung = self._watch.beat()
            if hung:
                self._trip(hung)
                self._channel.send(messages.Hung(hung, "", self._standing(hung)))
            await asyncio.sleep(REPORT_S)

    def _trip(self, processors: list[str]) -> None:
        """
        Leave processors alone for a while.

        One that decides on traces is asked about others: the trace itself is suspect.
        """
        guards = self._service.guards if self._service is not None else []
        for guard in guards:
            if guard.name in processors:
                guard.trip()

    def _guards(self) -> list[Guard | TraceGuard]:
        if self._service is None:
            return []
        return [*self._service.guards, *self._service.judges]

    def _last_words(self, processors: list[str], place: str) -> None:
        """Say, from a thread, why this process ends."""
        standing = self._standing(processors)
        self._channel.send_at_once(messages.Hung(processors, place, standing))

    def _standing(self, processors: list[str]) -> list[str]:
        """Return the lines at which these processors are."""
        homes = {guard.home for guard in self._guards() if guard.name in processors}
        return sorted(filter(None, map(standing, homes)))

    def _tell(self, request: int = 0) -> None:
        assert self._service is not None, "running"
        self._service.refresh_metrics()
        families = snapshot.take(metrics.REGISTRY)
        self._channel.send(messages.Report(self._service.status(), families, request))


def _traces(suspects: messages.Suspected) -> dict[bytes, int]:
    return {bytes.fromhex(trace): crashes for trace, crashes in suspects.traces.items()}


def _answer(asked: "asyncio.Future[int] | None", answer: messages.Port) -> None:
    """Tell whoever asked for a port, unless the start was given up meanwhile."""
    if asked is None or asked.done():
        return
    if answer.error:
        asked.set_exception(ListenError(0, answer.error))
    else:
        asked.set_result(answer.port)


def _end_with(supervisor: int) -> None:
    """Let the system end this process with its supervisor, whatever it is doing then."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - elsewhere the thread has to do

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(supervisor,), daemon=True).start()
    if os.getppid() != supervisor:
        os._exit(_FAILED)


def _watch(supervisor: int) -> None:
    pause = threading.Event()
    while os.getppid() == supervisor:
        pause.wait(0.5)
    os._exit(_FAILED)


async def _main(end: socket.socket) -> int:
    channel: Channel[ToWorker] = await Channel.open(end, ToWorker)
    begin = await channel.receive()
    if not isinstance(begin, messages.Begin):
        return _FAILED
    try:
        worker = Worker(channel, begin)
    except OSError as error:
        reasons = foreseen(error, Path(begin.sockets).parent) or []
    except ConfigError as error:  # a plugin's file was edited since the supervisor imported it
        reasons = [str(problem) for problem in error.problems]
    else:
        return await worker.run()
    channel.send(messages.Failed(reasons))
    await channel.flush()
    return _FAILED


def main() -> None:
    """Run a worker on the connection that the supervisor left open; ends the process."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # they reach the whole process group
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    _end_with(int(os.environ["SPANGATE_SUPERVISOR_PID"]))
    with asyncio.Runner(loop_factory=loop.factory()) as runner:
        try:
            code = runner.run(_main(socket.socket(fileno=int(sys.argv[1]))))
        except SystemExit as ended:
            # Somebody's code ended the loop in the middle: threads still use what an end in order
            # would take away under them.
            logs.get("process").error(
                "code on the event loop called sys.exit(); this worker ends with it",
                reason=blame_unseen(ended),
                advice="raise an error instead, in plugins and in the libraries that they use",
            )
            os._exit(ended.code if isinstance(ended.code, int) else _FAILED)
    sys.exit(code)


if __name__ == "__main__":
    main()
