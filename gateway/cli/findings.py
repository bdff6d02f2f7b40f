"""What processors find in a request, such as secrets: where, what, and how much of the text."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from gateway.batch import Batch
from gateway.plugin import Component


class Finding(Protocol):
    """One finding; it never holds what was found."""

    @property
    def place(self) -> str:
        """Where, such as ``span "chat": attribute input.value``."""
        ...

    @property
    def type(self) -> str:
        """What it is."""
        ...

    @property
    def length(self) -> int:
        """How many characters the reader loses."""
        ...


Findings: TypeAlias = Mapping[str, Sequence[Finding]]
"""By the id of the processor that found them."""


@runtime_checkable
class Finder(Protocol):
    """A processor that can say what it would replace."""

    def findings(self, batch: Batch) -> Sequence[Finding]:
        """Return what ``process`` would replace; the batch stays as it is."""
        ...


def find(processors: Sequence[tuple[str, Component[Any]]], batch: Batch) -> Findings:
    """Ask each processor that can tell."""
    return {
        component_id: processor.findings(batch)
        for component_id, processor in processors
        if isinstance(processor, Finder)
    }
