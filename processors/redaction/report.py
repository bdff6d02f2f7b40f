"""What was found in a batch: types and sizes, never values."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple


class Finding(NamedTuple):
    """One finding."""

    place: str
    """Where: ``span "chat": attribute input.value``."""

    type: str
    """Its type."""

    length: int
    """How many characters the reader loses."""


class Report:
    """Count findings by type; with ``details`` keep where they were."""

    def __init__(self, *, details: bool = False) -> None:
        self.counts: Counter[str] = Counter()
        self.findings: list[Finding] | None = [] if details else None
        self.place = ""

    def add(self, kind: str, length: int) -> None:
        """Note a finding at the current place."""
        self.counts[kind] += 1
        if self.findings is not None:
            self.findings.append(Finding(self.place, kind, length))

    def join(self, other: "Report") -> None:
        """Add the findings of another report."""
        self.counts.update(other.counts)
        if self.findings is not None:
            self.findings += other.findings or []


class Names:
    """Keep the redacted keys of one object apart, so that no value hides another."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def take(self, name: str) -> None:
        """Note a key that stands in the object."""
        self._taken.add(name)

    def unique(self, name: str) -> str:
        """Return the name, numbered where the object has it already."""
        free = name
        while free in self._taken:
            number = self._next.get(name, 2)
            self._next[name] = number + 1
            free = f"{name}_{number}"
        self._taken.add(free)
        return free
