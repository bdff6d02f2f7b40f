"""Who serves which lane, and who empties the logs of workers that are gone: settled and told."""

from collections.abc import Callable, Sequence

from gateway.workers import messages
from gateway.workers.child import Child
from gateway.workers.crew import Crew
from gateway.workers.lanes import Allotment


class Sharing:
    """
    Lanes and logs, spread over the workers that can serve them.

    Args:
        crew: the workers that live now.
        starting: whether the gateway does not run yet; nobody begins then before all are there.

    """

    def __init__(self, crew: Crew, starting: Callable[[], bool]) -> None:
        self._crew = crew
        self._starting = starting
        self._lanes = Allotment()
        self._lane_count = 0
        self.logs: dict[int, int | None] = {}
        """Logs of workers that are gone, and who empties each."""

    def built(self, child: Child, lanes: int) -> None:
        """Note that a worker has built everything, and how many lanes there are to serve."""
        child.built = True
        self._lane_count = max(self._lane_count, lanes)
        self.share()

    def released(self, child: Child, lanes: Sequence[int]) -> None:
        """Note that a worker no longer serves lanes."""
        self._lanes.released(child.number, lanes)
        self._tell_owners()

    def emptied(self, log: int) -> None:
        """Note that nothing is left in a log."""
        self.logs.pop(log, None)
        self._tell_owners()

    def gone(self, child: Child) -> None:
        """Note that a worker has ended: what it held and emptied is free."""
        self._lanes.gone(child.number)
        self.logs = {log: who if who != child.number else None for log, who in self.logs.items()}

    def share(self) -> None:
        """Spread lanes and forgotten logs over the workers that can serve them."""
        children = self._crew.children
        able = [c for c in children.values() if c.built and not c.stopping]
        if self._starting() and len(able) < len(children):
            return  # nobody begins before all are there
        serving = [child.number for child in able if child.started or self._starting()]
        serving = serving or [child.number for child in able]
        if not serving:
            return
        self._lanes.share(self._lane_count, serving)
        for log, who in self.logs.items():
            if who is None:
                self.logs[log] = serving[log % len(serving)]
        self._tell_owners()

    def _tell_owners(self) -> None:
        owners = self._lanes.owners()
        children = self._crew.children
        for child in children.values():
            if child.built:
                taken = [log for log, who in self.logs.items() if who == child.number]
                mine, shared = self._lanes.of(child.number), len(children) > 1
                siblings = self._crew.siblings(child)
                child.send(messages.Own(mine, taken, owners, shared, siblings))
