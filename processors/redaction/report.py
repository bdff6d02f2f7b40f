"""What was found in a batch: types and sizes, never values."""

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
    """Note the types of findings; with ``details`` where they were, too."""

    def __init__(self, *, details: bool = False) -> None:
        self.types: list[str] = []
        """Of each finding, in order."""
        self.findings: list[Finding] | None = [] if details else None
        self.place = ""

    def add(self, kind: str, length: int) -> None:
        """Note a finding at the current place."""
        self.types.append(kind)
        if self.findings is not None:
            self.findings.append(Finding(self.place, kind, length))


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
