"""Read tenants and their tokens from files, again whenever these change."""

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.config.loader import ConfigError, load_part
from gateway.receivers.auth import Credentials
from gateway.tenants import TenantConfig

SUFFIXES = (".yaml", ".yml")
SETTLE_NS = 200_000_000
"""A file that was written so lately may be half written: it is read the next time."""

T = TypeVar("T")
Stamp = tuple[int, int, int]


class Change(NamedTuple):
    """What became of a file since the last look."""

    path: str
    what: str
    """``loaded``, ``reloaded``, ``removed``, or ``failed``."""
    reason: str = ""
    """Why it failed: file, line and what to do."""


class _Files(Generic[T]):
    """Files of one kind; one that cannot be read keeps what it said before."""

    def __init__(self, read: Callable[[Path], list[T]]) -> None:
        self._read = read
        self._stamps: dict[str, Stamp | None] = {}
        self.content: dict[str, list[T]] = {}

    def look(self, paths: Collection[str]) -> list[Change]:
        """Read those that have changed, and forget all others."""
        changes = [change for path in sorted(paths) for change in self._look_at(path)]
        for path in sorted(self._stamps.keys() - set(paths)):
            del self._stamps[path]
            if self.content.pop(path, None) is not None:
                changes.append(Change(path, "removed"))
        return changes

    def _look_at(self, path: str) -> list[Change]:
        stamp = stamp_of(path)
        if path in self._stamps:
            if stamp == self._stamps[path]:
                return []
            if stamp is not None and 0 <= time.time_ns() - stamp[0] < SETTLE_NS:
                return []
        self._stamps[path] = stamp
        try:
            content = self._read(Path(path))
        except ValueError as error:
            return [Change(path, "failed", str(error))]
        what = "reloaded" if path in self.content else "loaded"
        self.content[path] = content
        return [Change(path, what)]


class TenantFiles:
    """
    The tenants of the settings and of a folder, and the tokens of both.

    Args:
        tenants: those of the settings.
        folder: a folder of YAML files with a tenant, or a list of tenants, each.

    """

    def __init__(self, tenants: Sequence[TenantConfig], folder: str | None) -> None:
        self._tenants = tenants
        self._folder = Path(folder) if folder else None
        self._folder_fault = ""
        self._tenant_files = _Files(_read_tenants)
        self._token_files = _Files(_read_tokens)

    @property
    def watched(self) -> bool:
        """Whether there is anything to look at."""
        return self._folder is not None or any(t.tokens_file for t in self._tenants)

    def look(self) -> list[Change]:
        """Read what has changed; blocks, so call it on a thread."""
        changes = self._look_into_folder()
        named = {tenant.tokens_file for tenant in self.tenants() if tenant.tokens_file is not None}
        return changes + self._token_files.look(named)

    def tenants(self) -> list[TenantConfig]:
        """Return all tenants: first those of the settings, then those of the folder by file."""
        by_file = sorted(self._tenant_files.content.items())
        return [*self._tenants, *(tenant for _, some in by_file for tenant in some)]

    def credentials(self) -> list[Credentials]:
        """Return all tenants with their secrets, as last read."""
        tokens = self._token_files.content
        return [
            Credentials(tenant, tokens.get(tenant.tokens_file or "", ()))
            for tenant in self.tenants()
        ]

    def _look_into_folder(self) -> list[Change]:
        if self._folder is None:
            return []
        try:
            paths = [
                str(path)
                for path in self._folder.iterdir()
                if path.suffix in SUFFIXES and not path.name.startswith(".")
            ]
        except OSError as error:
            before, self._folder_fault = self._folder_fault, str(error.strerror)
            if before == self._folder_fault:
                return []
            reason = f"cannot read the folder {self._folder}: {error.strerror}"
            return [Change(str(self._folder), "failed", reason)]
        self._folder_fault = ""
        return self._tenant_files.look(paths)


def stamp_of(path: str) -> Stamp | None:
    """Return what changes when a file does; ``None`` while it is not there."""
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _read_tenants(path: Path) -> list[TenantConfig]:
    kind: Any = TenantConfig | list[TenantConfig]
    try:
        found = load_part(path, kind)
    except ConfigError as error:
        raise ValueError("; ".join(str(problem) for problem in error.problems)) from error
    tenants: list[TenantConfig] = found if isinstance(found, list) else [found]
    if not tenants:
        raise ValueError(f"{path}: the file names no tenant; remove it to remove its tenants")
    return tenants


def _read_tokens(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(f"tokens_file: cannot read {path}: {reason}") from error
    tokens = [line.strip() for line in text.splitlines()]
    return [token for token in tokens if token and not token.startswith("#")]
