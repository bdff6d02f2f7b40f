"""
What the supervisor and a worker say to each other.

The supervisor decides which lanes a worker serves; a worker that is to give one up says when it
has, and only then another gets it.
"""

from typing import TypeAlias

import msgspec

from gateway.telemetry.snapshot import Family
from gateway.telemetry.status import Status
from gateway.why import Told


class Suspected(msgspec.Struct):
    """What was under way when workers crashed."""

    traces: dict[str, int] = {}
    """Crashes by trace id in hex: those in which it was being sent, or decided."""
    requests: dict[str, int] = {}
    """Scores by request and processor that had it; see :mod:`gateway.poison`."""


class Begin(msgspec.Struct, tag="begin"):
    """To a new worker: who it is and what to run."""

    number: int
    """Its number, which no other live worker has; also that of the log it writes."""
    tree: bytes
    """The configuration as it was read, pickled, so that all workers run the same."""
    sockets: str
    """The folder of the sockets on which workers hand spans to each other."""
    tripped: list[str]
    """Processors that hung or crashed in the worker before, to be left alone for a while."""
    suspects: Suspected
    hang_limit_s: float
    """How long a processor may take for a batch, or keep the event loop."""


class Own(msgspec.Struct, tag="own"):
    """To a worker: the lanes it serves from now on, and who serves the others."""

    lanes: list[int]
    logs: list[int]
    """Logs of workers that are gone, for it to empty."""
    owners: dict[int, int]
    """Worker by lane, as far as there is one."""
    shared: bool
    """Whether there are other workers, which may bring something."""
    siblings: list[int]
    """Other workers that take requests and run the same configuration."""


class Suspect(msgspec.Struct, tag="suspect"):
    """To a worker: another has crashed."""

    suspects: Suspected


class Port(msgspec.Struct, tag="port"):
    """To a worker: the answer to ``Reserve``."""

    request: int
    port: int
    error: str


class Tell(msgspec.Struct, tag="tell"):
    """To a worker: report now."""

    request: int


class Ask(msgspec.Struct, tag="ask"):
    """To a worker: say what became of a trace."""

    request: int
    trace_id: bytes


class Stop(msgspec.Struct, tag="stop"):
    """To a worker: take nothing new, send what waits, and say when that is done."""

    reload: bool
    """Whether another worker goes on in its place, so that no sender needs to be refused."""


class Trip(msgspec.Struct, tag="trip"):
    """To a worker: leave these processors alone for a while, they hung or crashed in another."""

    processors: list[str]


class Close(msgspec.Struct, tag="close"):
    """To a worker that has stopped: end now, nobody needs it any more."""


class Built(msgspec.Struct, tag="built"):
    """From a worker: its configuration works; waiting for its lanes."""

    lanes: int
    """How many lanes there are."""


class Started(msgspec.Struct, tag="started"):
    """From a worker: it takes requests."""

    endpoints: dict[str, str]
    pages: dict[str, str]


class Failed(msgspec.Struct, tag="failed"):
    """From a worker: it cannot start; why, for people."""

    reasons: list[str]


class Reserve(msgspec.Struct, tag="reserve"):
    """From a worker: it wants to listen there."""

    request: int
    where: str
    host: str
    port: int


class Released(msgspec.Struct, tag="released"):
    """From a worker: it no longer serves these lanes."""

    lanes: list[int]


class Emptied(msgspec.Struct, tag="emptied"):
    """From a worker: nothing is left in the log of a worker that is gone."""

    log: int


class Drained(msgspec.Struct, tag="drained"):
    """From a worker that was told to stop: what it had is sent, or stays on disk."""


class Hung(msgspec.Struct, tag="hung"):
    """From a worker: processors do not come back; the worker needs to be replaced."""

    processors: list[str]
    place: str
    """File and line where the event loop is kept; empty where it is not."""
    at: list[str] = []
    """Files and lines of the processors at which they stand."""


class Report(msgspec.Struct, tag="report"):
    """From a worker, every second and on ``Tell``: how it fares; also its sign of life."""

    status: Status
    metrics: list[Family]
    request: int = 0


class Answer(msgspec.Struct, tag="answer"):
    """From a worker: what it knows of a trace."""

    request: int
    told: Told


ToWorker: TypeAlias = Begin | Own | Suspect | Trip | Port | Tell | Ask | Stop | Close
FromWorker: TypeAlias = (
    Built | Started | Failed | Reserve | Released | Emptied | Drained | Hung | Report | Answer
)
