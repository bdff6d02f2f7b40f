"""Which worker serves which lane: spread evenly, and never a lane by two workers."""

from collections.abc import Collection, Sequence


class Allotment:
    """
    The lanes of a gateway and who holds them.

    A lane goes to another worker only once the one that holds it has released it, or is gone.
    """

    def __init__(self) -> None:
        self._count = 0
        self._holders: dict[int, int] = {}
        self._wanted: dict[int, int] = {}

    def share(self, count: int, workers: Collection[int]) -> None:
        """Spread lanes evenly over workers; as many as possible stay where they are."""
        self._count = max(self._count, count)
        self._wanted = {}
        most = -(-self._count // len(workers)) if workers else 0
        room = dict.fromkeys(sorted(workers), most)
        for lane, holder in sorted(self._holders.items()):
            if room.get(holder, 0) > 0:
                self._give(lane, holder, room)
        for lane in range(self._count):
            if lane not in self._wanted and room:
                self._give(lane, max(room, key=lambda worker: (room[worker], -worker)), room)
        self._settle()

    def _give(self, lane: int, worker: int, room: dict[int, int]) -> None:
        self._wanted[lane] = worker
        room[worker] -= 1

    def released(self, worker: int, lanes: Sequence[int]) -> None:
        """Note that a worker no longer serves lanes."""
        for lane in lanes:
            if self._holders.get(lane) == worker and self._wanted.get(lane) != worker:
                del self._holders[lane]
        self._settle()

    def gone(self, worker: int) -> None:
        """Note that a worker has ended."""
        self._holders = {lane: who for lane, who in self._holders.items() if who != worker}

    def of(self, worker: int) -> list[int]:
        """Return the lanes that a worker is to serve."""
        return [lane for lane, who in self.owners().items() if who == worker]

    def owners(self) -> dict[int, int]:
        """Return who serves each lane; those in between two workers are missing."""
        return {
            lane: who
            for lane, who in sorted(self._holders.items())
            if self._wanted.get(lane) == who
        }

    def _settle(self) -> None:
        for lane, worker in self._wanted.items():
            self._holders.setdefault(lane, worker)
