"""
Run the worker processes of a gateway: start, watch, replace and stop them.

What all of them share is here: the lock of the data directory, the ports, the telemetry endpoints,
and who serves which lane. No span passes through this process.
"""

import asyncio
import contextlib
import pickle
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from gateway import garbage
from gateway.audit import Audit
from gateway.clock import SystemClock
from gateway.config.loader import ConfigError, Loaded
from gateway.config.settings import TelemetryConfig
from gateway.data_dir import DataDir, DataDirError
from gateway.failures import WorkersError
from gateway.guard import HANG_LIMIT_S
from gateway.poison import Note
from gateway.queue.dead_letters import LetterFile
from gateway.queue.folder import QueueFolder
from gateway.receivers.addresses import ListenError
from gateway.telemetry import logs, metrics
from gateway.telemetry.pages import Sources
from gateway.telemetry.server import TelemetryServer
from gateway.telemetry.status import Status
from gateway.workers import crash, messages
from gateway.workers.backoff import Backoff
from gateway.workers.cells import Cells
from gateway.workers.child import Child, spawn
from gateway.workers.count import wanted
from gateway.workers.crew import Crew
from gateway.workers.fixed import refused
from gateway.workers.leaving import leave
from gateway.workers.messages import FromWorker
from gateway.workers.ports import Ports, taken
from gateway.workers.reloads import Load, Reloads
from gateway.workers.sharing import Sharing
from gateway.workers.suspects import Suspects

MERCY_S = 5.0
"""How much longer than its hang limit a worker may give no sign of life: it ends by itself."""
LEFT_S = 1.0
"""Where a successor waits for longer, those that live deliver what the worker has left."""
START_S = 300.0
"""How long a worker may be silent while it starts: it imports plugins, however slow."""


class Supervisor:
    """
    The processes of one gateway; it runs once.

    Args:
        loaded: what to run.
        hang_limit_s: how long a processor may take for a batch, or keep the event loop.

    """

    def __init__(self, loaded: Loaded, hang_limit_s: float = HANG_LIMIT_S) -> None:
        self._loaded = loaded
        self._hang_limit_s = hang_limit_s
        service = loaded.settings.service
        self._logger = logs.get("supervisor")
        self._data_dir = DataDir(Path(service.data_dir))
        self._folder = QueueFolder(self._data_dir.path / "queue")
        self._sockets = self._data_dir.path / "workers"
        self._suspects = Suspects(self._sockets)
        self._ports = Ports()
        self._crew = Crew()
        self._children = self._crew.children
        self._sharing = Sharing(self._crew, lambda: self._state == "starting")
        self._backoff = Backoff()
        self._state = "starting"
        self._stop_wanted = asyncio.Event()
        self._ended_by: DataDirError | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        """Held by who replaces workers, so that in the end there are as many as wanted."""
        self._waiting: set[int] = set()
        """Workers that have ended and wait for a successor."""
        self._tasks = asyncio.TaskGroup()
        path = service.telemetry.audit.path
        self._audit = Audit(logs.get("audit"), SystemClock(), Path(path) if path else None)
        self._reloads = Reloads(self._audit, logs.get("reload"), lambda: self._loaded)
        self._telemetry = TelemetryServer(
            Sources(
                status=self.status,
                refresh=self._crew.refresh,
                metrics=self._crew.metrics,
                letters=LetterFile(self._data_dir.path / "dead-letters").newest,
                settings=lambda: self._loaded.settings,
                told=self._crew.ask,
            ),
            audit=self._audit,
            clock=SystemClock(),
            logger=logs.get("telemetry"),
        )
        self.endpoints: dict[str, str] = {}
        """Addresses that are open, by name, once running."""

    def pages(self) -> dict[str, str]:
        """Return addresses where a person sees what arrived, by name."""
        return {name: page for c in self._children.values() for name, page in c.pages.items()}

    async def run(self, on_ready: Callable[[], None]) -> None:
        """
        Run until told to stop, then drain and return.

        Raises:
            WorkersError: the workers cannot start; nothing was accepted.
            OSError: the data directory or a telemetry endpoint cannot be used.

        """
        self._data_dir.open()
        try:
            self._audit.open()
            async with self._tasks:
                try:
                    await self._start()
                    self._state = "running"
                    on_ready()
                    garbage.settle()
                    await self._stop_wanted.wait()
                finally:
                    await self._end()
            if self._ended_by is not None:
                raise self._ended_by
        finally:
            self._ports.close()
            self._data_dir.close()

    def stop(self) -> None:
        """Have :meth:`run` end in order."""
        self._stop_wanted.set()

    def reload(self, load: Load) -> None:
        """
        Have a new configuration run, once it has proved to work; else the old one goes on.

        Args:
            load: reads it.

        """
        self._reloads.ask(load)

    def kill(self) -> None:
        """End all workers at once; what is on disk stays."""
        for child in self._children.values():
            child.kill()

    def status(self) -> Status:
        """Return what the status endpoint shows: all workers as one."""
        service = self._loaded.settings.service
        return self._crew.status(service, self._state, self.endpoints, self._reloads.refusal)

    # Starting and replacing.

    async def _start(self) -> None:
        settings = self._loaded.settings.service
        for warning in self._loaded.settings.warnings:
            self._logger.warning(warning)
        self.endpoints = await self._telemetry.start(
            settings.telemetry.metrics, settings.telemetry.status
        )
        workers = wanted(settings.workers)
        Cells.clear(self._sockets)
        self._suspects.load()
        self._sharing.logs = dict.fromkeys(log for log in self._folder.logs() if log >= workers)
        first = [await self._spawn(number) for number in range(workers)]
        await asyncio.gather(*(child.settled.wait() for child in first))
        reasons = list(dict.fromkeys(reason for child in first for reason in child.reasons))
        if reasons or not all(child.started for child in first):
            raise WorkersError(reasons or ["a worker ended while it was starting; see above"])
        self._tasks.create_task(self._watch())
        self._reloading = self._tasks.create_task(self._reloads.serve(self._reload))

    # Reloading.

    async def _reload(self, load: Load) -> str:
        """Let workers with a new configuration take over; return why not where they cannot."""
        try:
            loaded = await asyncio.to_thread(load)
        except ConfigError as error:
            return str(error)
        before, after = self._loaded.settings, loaded.settings
        unfit = refused(before, after) or taken(before.service.telemetry, after.service.telemetry)
        if unfit:
            return "; ".join(unfit)
        async with self._changing:
            return await self._change(loaded)

    async def _change(self, loaded: Loaded) -> str:
        before, self._loaded = self._loaded, loaded
        olds = list(self._children.values())
        first = await self._spawn(self._free_number(), trial=True)
        await first.settled.wait()
        if not first.started:
            self._loaded = before
            self._keep_ports()
            return "; ".join(first.reasons) or "a worker ended while it was starting; see above"
        first.trial = False
        await self._take_over(olds)
        return await self._serve_telemetry(before.settings.service.telemetry)

    async def _take_over(self, olds: list[Child]) -> None:
        """Replace the other workers, one by one."""
        settings = self._loaded.settings
        log_settings = settings.service.telemetry.logs
        logs.configure(log_settings.level, log_settings.format)
        for warning in settings.warnings:
            self._logger.warning(warning)
        for left in range(wanted(settings.service.workers) - 1, -1, -1):
            if olds:
                await self._retire(olds.pop(0))
            if left:
                fresh = await self._spawn(self._free_number())
                await fresh.settled.wait()
        for old in olds:
            await self._retire(old)
        self._keep_ports()
        served = {name: self.endpoints[name] for name in ("metrics", "status")}
        opened = [child.endpoints for child in self._children.values()]
        self.endpoints = {k: v for some in [served, *opened] for k, v in some.items()}

    def _keep_ports(self) -> None:
        """Give back the ports that no worker asked for."""
        self._ports.keep({port for child in self._children.values() for port in child.ports})

    async def _retire(self, child: Child) -> None:
        """Have a worker leave its work to others, and end it."""
        child.stopping = True
        self._sharing.share()
        timeout_s = float(self._loaded.settings.service.shutdown_timeout)
        await leave([child], timeout_s, reload=True)
        child.kill()
        await child.gone.wait()

    async def _serve_telemetry(self, before: TelemetryConfig) -> str:
        """Move the telemetry endpoints where they changed; return why not where they cannot."""
        now = self._loaded.settings.service.telemetry
        if (now.metrics, now.status) == (before.metrics, before.status):
            return ""
        await self._telemetry.stop()
        try:
            self.endpoints |= await self._telemetry.start(now.metrics, now.status)
        except OSError as error:
            await self._telemetry.stop()
            self.endpoints |= await self._telemetry.start(before.metrics, before.status)
            return f"all else runs as configured, but {error}"
        return ""

    def _free_number(self) -> int:
        taken = {*self._children, *self._sharing.logs, *self._waiting}
        return next(n for n in count() if n not in taken)

    async def _spawn(
        self, number: int, *, trial: bool = False, tripped: Sequence[str] = ()
    ) -> Child:
        lock = self._data_dir.descriptor
        assert lock is not None, "run() holds the data directory"
        child = self._children[number] = await spawn(number, [lock])
        child.trial, child.loaded = trial, self._loaded
        tree = pickle.dumps(self._loaded.tree)
        sockets = str(self._sockets)
        suspects = self._suspects.known
        child.send(
            messages.Begin(number, tree, sockets, list(tripped), suspects, self._hang_limit_s)
        )
        self._tasks.create_task(self._attend(child))
        if self._state == "stopping":  # the end began while its process was made, and knows it not
            child.stopping = True
            child.kill()
        return child

    async def _attend(self, child: Child) -> None:
        """Listen to a worker until it ends; then see what has to be done."""
        while (message := await child.receive()) is not None:
            self._heed(child, message)
        code = await child.end()
        self._crew.gone(child)
        self._sharing.gone(child)
        if child.stopping and self._state == "running":
            self._sharing.logs[child.number] = None
        elif not (child.stopping or child.trial) and self._state == "running":
            delay_s, blamed = self._account(child, code)
            self._waiting.add(child.number)
            self._tasks.create_task(self._replace(child, delay_s, blamed))
        self._sharing.share()

    def _suspect(self, child: Child) -> Sequence[Note]:
        """Remember, everywhere, what a worker was at when it ended unexpectedly."""
        notes = self._suspects.crashed(child.number)
        for other in self._children.values():
            other.send(messages.Suspect(self._suspects.known))
        return notes

    def _account(self, child: Child, code: int) -> tuple[float, list[str]]:
        """
        Say why a worker ended by itself; return when to start another, and who is to blame.

        The others learn of it before they do what they had passed on to it.
        """
        notes = self._suspect(child)
        now = asyncio.get_running_loop().time()
        delay_s = self._backoff.next(now, now - child.begun, last=not self._children)
        metrics.worker_restarts.inc()
        stood = crash.frames(self._data_dir.path, child.number)
        blamed, told = crash.account(stood, notes, code, self._suspects, self._loaded.settings)
        blamed = [*child.hung, *blamed]
        self._trip(blamed)
        self._logger.error(
            "a worker ended unexpectedly; another takes its place",
            worker=child.number,
            pid=child.pid,
            reason="; ".join(child.reasons) or None,
            **told,
            after_seconds=round(delay_s, 1),
        )
        return delay_s, blamed

    async def _replace(self, child: Child, delay_s: float, blamed: Sequence[str]) -> None:
        """Start another worker in place of one that ended by itself."""
        if delay_s > LEFT_S and child.started:  # else its log may be what it died of
            self._sharing.logs[child.number] = None
            self._sharing.share()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stop_wanted.wait()
        async with self._changing:
            self._waiting.discard(child.number)
            if self._state != "running" or self._stop_wanted.is_set():
                return
            going_on = [one for one in self._children.values() if not one.stopping]
            if len(going_on) < wanted(self._loaded.settings.service.workers):
                left = child.number in self._sharing.logs
                number = self._free_number() if left else child.number
                await self._spawn(number, tripped=blamed)
            else:  # a reload has brought all that are wanted
                self._sharing.logs.setdefault(child.number, None)
                self._sharing.share()

    def _trip(self, processors: list[str]) -> None:
        """Have all workers leave processors alone for a while."""
        if processors:
            for child in self._children.values():
                child.send(messages.Trip(processors))

    async def _watch(self) -> None:
        """Kill workers that hang; end where the data directory is gone."""
        loop = asyncio.get_running_loop()
        while self._state == "running":
            self._ended_by = await asyncio.to_thread(self._data_dir.lost)
            if self._ended_by is not None:
                self._logger.error("the gateway ends", reason=str(self._ended_by))
                self.stop()
            for child in self._children.values():
                patience_s = self._hang_limit_s if child.started else START_S
                if loop.time() - child.heard > patience_s + MERCY_S:
                    self._logger.error(
                        "a worker hangs; it is replaced",
                        worker=child.number,
                        pid=child.pid,
                        silent_seconds=round(loop.time() - child.heard),
                    )
                    child.kill()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self._stop_wanted.wait()
                    return

    # What workers say.

    def _heed(self, child: Child, message: FromWorker) -> None:
        match message:
            case messages.Report():
                self._crew.reported(child, message)
            case messages.Answer():
                child.answered(message)
            case messages.Built(lanes=lanes):
                self._sharing.built(child, lanes)
            case messages.Started(endpoints=endpoints, pages=pages):
                child.endpoints, child.pages = endpoints, pages
                child.started = True
                child.settled.set()
                self.endpoints |= endpoints
                self._sharing.share()
            case messages.Failed(reasons=reasons):
                child.reasons = reasons
            case messages.Reserve():
                child.send(self._reserve(child, message))
            case messages.Released(lanes=lanes):
                self._sharing.released(child, lanes)
            case messages.Emptied(log=log):
                self._sharing.emptied(log)
            case messages.Drained():
                child.drained.set()
            case messages.Hung():
                self._on_hung(child, message)

    def _on_hung(self, child: Child, hung: messages.Hung) -> None:
        self._logger.error(
            "a processor hangs; its worker is replaced, and it is left alone for a while",
            worker=child.number,
            pid=child.pid,
            processors=hung.processors,
            at=hung.at or hung.place or None,
            after_seconds=self._hang_limit_s,
            advice="mend the plugin: process() and decide() must return soon; async code must not "
            "block",
        )
        child.hung = hung.processors
        self._trip(child.hung)
        if not hung.place and not child.stopping:  # else it ends by itself
            child.stopping = True
            self._tasks.create_task(self._exchange(child))

    async def _exchange(self, child: Child) -> None:
        """Replace a worker that still serves, but lacks a thread."""
        metrics.worker_restarts.inc()
        async with self._changing:
            if child.gone.is_set():  # a reload has replaced it meanwhile
                return
            fresh = await self._spawn(self._free_number(), tripped=child.hung)
            await fresh.settled.wait()
            await self._retire(child)
        self._suspect(child)

    def _reserve(self, child: Child, wish: messages.Reserve) -> messages.Port:
        child.ports.add((wish.where, wish.host, wish.port))
        try:
            port = self._ports.reserve(wish.where, wish.host, wish.port)
        except ListenError as error:
            return messages.Port(wish.request, 0, str(error))
        return messages.Port(wish.request, port, "")

    # Ending.

    async def _end(self) -> None:
        """Have all workers drain, and end them."""
        if self._reloading is not None:
            self._reloading.cancel()
        timeout_s = float(self._loaded.settings.service.shutdown_timeout)
        if self._state == "running":
            self._logger.info(
                "stopping: what waits is sent first; a second signal ends at once",
                spans=sum(sender.waiting_spans for sender in self.status().exporters),
                at_most=str(self._loaded.settings.service.shutdown_timeout),
            )
        started, self._state = self._state == "running", "stopping"
        children = list(self._children.values())
        for child in children:
            if not child.started:  # it has accepted nothing, and would not listen before it has
                child.stopping = True
                child.kill()
        if started:
            await leave(children, timeout_s, reload=False)
        for child in children:
            if not child.gone.is_set():
                if started:
                    self._logger.error("a worker did not end in time", worker=child.number)
                child.kill()
        await asyncio.gather(*(child.gone.wait() for child in children))
        await self._telemetry.stop()
        self._audit.close()
