"""What was found in a batch: types and sizes, never values."""

from collections import Counter
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
