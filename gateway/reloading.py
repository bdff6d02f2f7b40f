"""Notice edits of the configuration and of plugins while the gateway runs (``run --reload``)."""

import asyncio
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeAlias

from gateway.blame import home_of, is_ours
from gateway.config.loader import ConfigError, Loaded
from gateway.config.settings import Settings
from gateway.telemetry import logs

POLL_S = 0.3

Stamp: TypeAlias = tuple[int, int]


class Watcher:
    """
    Watches what a configuration consists of: its files, its plugins, the modules beside them.

    Args:
        configs: the configuration files.
        read: reads them.

    """

    def __init__(self, configs: Iterable[Path], read: Callable[[], Loaded]) -> None:
        self._configs = {path.resolve() for path in configs}
        self._read = read
        self._homes: set[Path] = set()
        self._seen: dict[Path, Stamp] = {}
        """The state of the files that was looked at last; what differs is news."""

    def watch(self, settings: Settings) -> None:
        """Watch what these settings consist of, from now on."""
        self._homes = _homes(settings)
        self._look_beside()

    def load(self) -> Loaded:
        """
        Return the configuration as it is now, with its plugins imported anew.

        Raises:
            ConfigError: it cannot be used.

        """
        watched = self._seen.keys()
        _forget(watched)
        try:
            loaded = self._read()
        except ConfigError:
            self._look_beside(watched)  # the mistake is in one of them
            raise
        self._homes = _homes(loaded.settings)
        self._look_beside()
        return loaded

    async def run(self, reload: Callable[[Callable[[], Loaded]], None]) -> None:
        """Have every edit taken up, until cancelled."""
        logger = logs.get("reload")
        while True:
            changed = await self._changed()
            logger.info("reloading", changed=", ".join(sorted(file.name for file in changed)))
            reload(self.load)

    def _look_beside(self, more: Collection[Path] = ()) -> None:
        """Watch the modules that stand where plugins do; known files from their known state on."""
        beside = {file for file in _modules().values() if file.parent in self._homes}
        files = self._configs | beside | set(more)
        self._seen = {file: self._seen.get(file) or _stamp(file) for file in files}

    async def _changed(self) -> set[Path]:
        """Return the files that have changed, once nobody writes them any more."""
        now = self._seen
        while now == self._seen or now != _stamps(self._seen):
            now = _stamps(self._seen)
            await asyncio.sleep(POLL_S)
        before, self._seen = self._seen, now
        return {file for file in before if before[file] != now[file]}


def _homes(settings: Settings) -> set[Path]:
    kinds = (settings.receivers, settings.processors, settings.exporters)
    homes = {home_of(one.component) for kind in kinds for one in kind.values()}
    return {home.resolve() for home in homes if home is not None and not is_ours(home)}


def _forget(files: Collection[Path]) -> None:
    """Have the modules of these files imported anew when they are asked for."""
    for name, file in _modules().items():
        if file in files:
            del sys.modules[name]


def _stamp(file: Path) -> Stamp:
    """Return what tells a file's states apart; one that is gone for a moment has a state too."""
    try:
        stat = file.stat()
    except OSError:
        return 0, 0
    return stat.st_mtime_ns, stat.st_size


def _stamps(files: Collection[Path]) -> dict[Path, Stamp]:
    return {file: _stamp(file) for file in files}


def _modules() -> dict[str, Path]:
    return {
        name: Path(file).resolve()
        for name, module in list(sys.modules.items())
        if (file := getattr(module, "__file__", None)) and isinstance(file, str)
    }
