"""A processor that was started, and what it says and counts."""

from pathlib import Path
from typing import Any, Generic, TypeVar

from gateway.plugin import Logger, Meter, Processor
from gateway.testing import FakeClock, processor

T = TypeVar("T", bound=Processor[Any])


class Watching(Generic[T]):
    """Give a processor its context, and remember what comes back."""

    component_id = "watched"

    def __init__(self, made: T) -> None:
        self.processor = made
        self.counts: dict[str, float] = {}
        self.warnings: list[tuple[str, dict[str, Any]]] = []
        self.clock = FakeClock()
        self.data_dir = Path()

    @property
    def logger(self) -> Logger:
        return self

    @property
    def meter(self) -> Meter:
        return self

    def debug(self, event: str, **fields: object) -> None:
        """Take what developers may want to know."""

    info = debug

    def warning(self, event: str, **fields: object) -> None:
        self.warnings.append((event, dict(fields)))

    error = warning

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        key = " ".join([name, *(f"{label}={value}" for label, value in sorted(labels.items()))])
        self.counts[key] = self.counts.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Take a gauge."""


async def watched(kind: type[T], **settings: object) -> Watching[T]:
    """Return a started processor, built from settings."""
    watching = Watching(processor(kind, **settings))
    await watching.processor.start(watching)
    return watching
