"""What the engine gives a component when it starts."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from gateway.audit import Audit
from gateway.plugin import Clock, Logger, Meter
from gateway.poison import Poison
from gateway.telemetry import logs
from gateway.telemetry.meter import PluginMeter
from gateway.tenants import Tenants

Reserve: TypeAlias = Callable[[str, str, int], Awaitable[int]]
"""From the path of an endpoint's settings, host and port to the port to share with others."""


class Cell(Protocol):
    """Two numbers, 0 at first."""

    def __getitem__(self, at: int, /) -> float:
        """Return one."""
        ...

    def __setitem__(self, at: int, value: float, /) -> None:
        """Set one."""
        ...


Cells: TypeAlias = Callable[[str], Cell]
"""From a name to its numbers, the same in all workers."""


class ComponentContext:
    """The :class:`gateway.plugin.Context` of one component."""

    def __init__(
        self,
        kind: str,
        component_id: str,
        *,
        clock: Clock,
        data_dir: Path,
        tenants: Tenants,
        audit: Audit | None = None,
        reserve: Reserve | None = None,
        cells: Cells | None = None,
        poison: Poison | None = None,
    ) -> None:
        self.component_id = component_id
        self.logger: Logger = logs.get(component_id)
        self.meter: Meter = PluginMeter(component_id)
        self.clock = clock
        self.tenants = tenants
        """Settings of the authenticated tenants; for our own exporters."""
        self.audit = audit
        """Where refusals and reloads are noted; for our own components."""
        self.cells = cells
        """Numbers that several workers share; ``None`` where there is one process."""
        self.poison = poison
        """Keeps requests that end the process from doing so again; ``None`` without workers."""
        self.reserve = reserve
        """How several workers listen on the same port; ``None`` where there is one process."""
        self._folder = data_dir / kind / component_id.replace("/", "-")

    @property
    def data_dir(self) -> Path:
        """A folder of the component's own, made on first use."""
        # Above the folder itself, mkdir would leave the mode to the umask.
        self._folder.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self._folder.parent, self._folder):
            folder.mkdir(mode=0o700, exist_ok=True)
        return self._folder
