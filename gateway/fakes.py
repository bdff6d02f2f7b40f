"""What components are given, for tests: a still clock, records of their words, gathered traces."""

import asyncio
import shutil
import tempfile
import weakref
from pathlib import Path

from gateway.batch import Batch
from gateway.trace import Ending, Trace

T0_UNIX_NS = 1_700_000_000_000_000_000


class FakeClock:
    """A clock that stands still until told otherwise; sleeping moves it."""

    def __init__(self, unix_ns: int = T0_UNIX_NS) -> None:
        self._unix_ns = unix_ns
        self._monotonic = 0.0

    def time_ns(self) -> int:
        """Return the wall clock in nanoseconds since 1970."""
        return self._unix_ns

    def monotonic(self) -> float:
        """Return seconds that only ever grow."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move the clock."""
        self._monotonic += seconds
        self._unix_ns += int(seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Move the clock instead of waiting; others get their turn."""
        self.advance(seconds)
        await asyncio.sleep(0)


class FakeLogger:
    """Keeps what was logged: :attr:`events` holds level, event and fields."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        """Keep an event for developers."""
        self.events.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        """Keep an event an operator may want to know."""
        self.events.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        """Keep an event an operator should look at."""
        self.events.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        """Keep an event an operator must act on."""
        self.events.append(("error", event, fields))


class FakeMeter:
    """
    Keeps what was counted: :attr:`values` by name and labels.

    Stricter than the gateway's, which leaves out what breaks the rules: a name keeps the kind and
    the labels that it was first used with, and a counter only grows.
    """

    def __init__(self) -> None:
        self.values: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        self._shapes: dict[str, tuple[str, frozenset[str]]] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """
        Add to a counter.

        Raises:
            ValueError: the amount is negative, or the name was used in another way.

        """
        if amount < 0:
            raise ValueError(f"the counter {name} cannot fall; use gauge()")
        key = self._key("counter", name, labels)
        self.values[key] = self.values.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """
        Set a gauge.

        Raises:
            ValueError: the name was used in another way.

        """
        self.values[self._key("gauge", name, labels)] = value

    def value(self, name: str, **labels: str) -> float:
        """Return what a counter or gauge stands at; 0 where it was not used."""
        return self.values.get((name, frozenset(labels.items())), 0)

    def _key(
        self, kind: str, name: str, labels: dict[str, str]
    ) -> tuple[str, frozenset[tuple[str, str]]]:
        shape = kind, frozenset(labels)
        first = self._shapes.setdefault(name, shape)
        if shape != first:
            raise ValueError(
                f"{name} was first used as a {first[0]} with the labels {sorted(first[1])}, now as "
                f"a {kind} with {sorted(shape[1])}; keep to one"
            )
        return name, frozenset(labels.items())


class FakeContext:
    """
    The :class:`gateway.plugin.Context` of tests: ``await component.start(FakeContext())``.

    Args:
        component_id: what the component is called.
        data_dir: its folder; ``None`` makes one that goes with the context.

    """

    def __init__(self, component_id: str = "test", data_dir: Path | None = None) -> None:
        self.component_id = component_id
        self.logger = FakeLogger()
        self.meter = FakeMeter()
        self.clock = FakeClock()
        self._data_dir = data_dir

    @property
    def data_dir(self) -> Path:
        """A folder of the component's own; made on first use."""
        if self._data_dir is None:
            self._data_dir = Path(tempfile.mkdtemp(prefix="spangate-test-"))
            weakref.finalize(self, shutil.rmtree, self._data_dir, ignore_errors=True)
        return self._data_dir


def trace(
    spans: Batch,
    *,
    age_s: float = 3600.0,
    root_age_s: float | None = None,
    ending: Ending | None = None,
) -> Trace:
    """
    Return what has been gathered of a trace, as ``TraceProcessor.decide`` is given it.

    Args:
        spans: its spans.
        age_s: how long ago the first of them was received.
        root_age_s: how long ago the root was; ``None`` for as long as the first.
        ending: why there is no more waiting.

    """
    gathered = Trace(spans.spans[0].trace_id, spans.context, spans)
    gathered.span_count = len(spans)
    gathered.size_bytes = sum(len(entry.span) for entry in spans.entries())
    gathered.now_unix_ns = T0_UNIX_NS
    gathered.first_unix_ns = gathered.last_unix_ns = T0_UNIX_NS - int(age_s * 1e9)
    if gathered.root is not None:
        root_age = age_s if root_age_s is None else root_age_s
        gathered.root_unix_ns = T0_UNIX_NS - int(root_age * 1e9)
    gathered.ending = ending
    return gathered
