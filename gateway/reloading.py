"""Take up what is edited while the gateway runs: configuration and plugins (``run --reload``)."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from gateway.banner import announce
from gateway.blame import home_of, is_ours
from gateway.config.loader import Loaded
from gateway.config.settings import Settings
from gateway.failures import foreseen
from gateway.supervisor import Supervisor
from gateway.telemetry import logs

POLL_S = 0.3

Stamp: TypeAlias = tuple[int, int]


class Reloading:
    """
    A gateway that is replaced when a file of its changes.

    The new state is checked in a process of its own first; while it is bad the old one runs on.

    Args:
        read: reads the configuration anew.
        command: what checks it: ``spangate validate`` with the same options.
        environ: the environment of that command.
        configs: the configuration files.

    """

    def __init__(
        self,
        read: Callable[[], Loaded],
        command: Sequence[str],
        environ: Mapping[str, str],
        configs: Sequence[Path],
    ) -> None:
        self._read = read
        self._command = command
        self._environ = environ
        self._configs = configs
        self._logger = logs.get("reload")
        self._supervisor: Supervisor | None = None
        self._ended = asyncio.Event()
        self._seen: dict[Path, Stamp] = {}
        """The state of the files that was looked at last; what differs is news."""

    def stop(self) -> None:
        """Have :meth:`run` end in order."""
        self._ended.set()
        if self._supervisor is not None:
            self._supervisor.stop()

    def kill(self) -> None:
        """End all workers at once."""
        if self._supervisor is not None:
            self._supervisor.kill()

    async def run(self, loaded: Loaded) -> None:
        """
        Run until told to stop.

        Raises:
            WorkersError, OSError: the first start failed.

        """
        self._watch(loaded)
        await self._serve(loaded)
        while not self._ended.is_set():
            forget(self._seen)
            loaded = self._read()
            self._watch(loaded)
            try:
                await self._serve(loaded)
            except BaseException as error:
                reasons = foreseen(error)
                if reasons is None:
                    raise
                self._logger.error("not running: mend this and save", reason="; ".join(reasons))
                await self._until_good()

    def _watch(self, loaded: Loaded) -> None:
        """Watch what the configuration consists of; known files from their known state on."""
        files = watched(self._configs, loaded.settings)
        self._seen = {file: self._seen.get(file, stamp(file)) for file in files}

    async def _serve(self, loaded: Loaded) -> None:
        """Run one state of the files until there is another that is good."""
        supervisor = self._supervisor = Supervisor(loaded)
        running = asyncio.create_task(
            supervisor.run(on_ready=lambda: announce(loaded.settings, supervisor))
        )
        watching = asyncio.create_task(self._until_good())
        try:
            await asyncio.wait([running, watching], return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            supervisor.stop()
            await running

    async def _until_good(self) -> None:
        """Return once files have changed to something that can be run, or at the end."""
        while not self._ended.is_set():
            changed = await self._changed()
            if not changed:
                return
            names = ", ".join(sorted(file.name for file in changed))
            problem = await self._problem()
            if not problem:
                self._logger.info("reloading", changed=names)
                return
            self._logger.error(
                "not reloaded: what ran before goes on", changed=names, reason=problem
            )

    async def _changed(self) -> set[Path]:
        """Return the files that have changed, once nobody writes them any more."""
        before = now = self._seen
        while now == before or now != _stamps(before):
            now = _stamps(before)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._ended.wait()
                    return set()
        self._seen = now
        return {file for file in before if before[file] != now[file]}

    async def _problem(self) -> str:
        """Return what is wrong with the new state; nothing where it can be run."""
        checking = await asyncio.create_subprocess_exec(
            *self._command,
            env=dict(self._environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, told = await checking.communicate()
        return told.decode(errors="replace").strip() if checking.returncode else ""


def watched(configs: Sequence[Path], settings: Settings) -> set[Path]:
    """Return the files that make up what runs: configuration, plugins, modules beside them."""
    files = {path.resolve() for path in configs}
    kinds = (settings.receivers, settings.processors, settings.exporters)
    homes = {home_of(one.component) for kind in kinds for one in kind.values()}
    for home in homes:
        if home is not None and not is_ours(home):
            files |= {file for file in _modules().values() if file.parent == home.resolve()}
    return files


def forget(files: Collection[Path]) -> None:
    """Have the modules of these files imported anew when they are asked for."""
    for name, file in _modules().items():
        if file in files:
            del sys.modules[name]


def stamp(file: Path) -> Stamp:
    """Return what tells a file's states apart; one that is gone for a moment has a state too."""
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _stamps(files: Collection[Path]) -> dict[Path, Stamp]:
    return {file: stamp(file) for file in files}


def _modules() -> dict[str, Path]:
    return {
        name: Path(file).resolve()
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) and isinstance(file, str)
    }
