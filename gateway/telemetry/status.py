"""What the gateway says of its own state: of one worker, or of all of them together."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.config.settings import PipelineConfig
from gateway.telemetry.figures import Figures
from gateway.telemetry.notices import KEPT, Notice

MOST_DESTINATIONS = 100


class Trouble(msgspec.Struct, kw_only=True):
    """Why a destination takes nothing now."""

    destination: str
    reason: str
    """May quote a span where the destination refuses spans; those are for no log."""
    advice: str | None
    since_unix_ns: int
    failures: int


class DestinationStatus(msgspec.Struct, kw_only=True):
    """One place where an exporter sends spans."""

    destination: str
    page: str
    """Address where a person sees what arrived; empty where there is none."""
    waiting_spans: int
    sent_spans: int
    """Since the start, or since it was idle where there are very many destinations."""


class SenderStatus(msgspec.Struct, kw_only=True):
    """An exporter: what waits for it, and which of its destinations are in trouble."""

    exporter: str
    waiting_spans: int
    waiting_bytes: int
    max_bytes: int
    oldest_age_seconds: float
    troubles: list[Trouble]
    destinations: list[DestinationStatus] = msgspec.field(default_factory=list[DestinationStatus])
    """Those used lately; of many, those with most spans."""


class Stages(msgspec.Struct, kw_only=True):
    """A pipeline: ids of its components, in order."""

    receivers: list[str]
    processors: list[str]
    exporters: list[str]


class Status(msgspec.Struct, kw_only=True):
    """What ``/status.json`` says."""

    version: str
    state: str
    """``starting``, ``running`` or ``stopping``."""
    degraded: list[str]
    """Why not all is well; empty where it is."""
    pipelines: dict[str, list[str]]
    endpoints: dict[str, str]
    exporters: list[SenderStatus]
    dead_letters: int
    """Spans given up since the start."""
    started_unix_ns: int = 0
    stages: dict[str, Stages] = msgspec.field(default_factory=dict[str, Stages])
    notices: list[Notice] = msgspec.field(default_factory=list[Notice])
    """The last warnings and errors of the log, oldest first."""
    figures: Figures = msgspec.field(default_factory=Figures)
    """Counts, filled in where metrics of all workers come together."""


def stages(pipelines: Mapping[str, PipelineConfig]) -> dict[str, Stages]:
    """Return the stages of configured pipelines."""
    return {
        name: Stages(
            receivers=list(pipeline.receivers),
            processors=list(pipeline.processors),
            exporters=list(pipeline.exporters),
        )
        for name, pipeline in pipelines.items()
    }


def merge(statuses: Sequence[Status], notices: Sequence[Notice] = ()) -> Status:
    """
    Return the state of a gateway from that of its workers, which share one configuration.

    The gateway runs while any worker does. What waits is added up; a destination that several
    workers have trouble with is told once, with the first of their reasons.

    Args:
        statuses: of the workers.
        notices: of who asks.

    """
    return Status(
        version=next((one.version for one in statuses), ""),
        state=_state({one.state for one in statuses}),
        degraded=list(dict.fromkeys(reason for one in statuses for reason in one.degraded)),
        pipelines={name: ids for one in statuses for name, ids in one.pipelines.items()},
        endpoints={name: address for one in statuses for name, address in one.endpoints.items()},
        exporters=_senders(sender for one in statuses for sender in one.exporters),
        dead_letters=sum(one.dead_letters for one in statuses),
        started_unix_ns=min((one.started_unix_ns for one in statuses), default=0),
        stages={name: ids for one in statuses for name, ids in one.stages.items()},
        notices=_notices([*notices, *(notice for one in statuses for notice in one.notices)]),
    )


def remains(ended: Status) -> Status:
    """Return what is left of a worker that has ended: what it noted and counted."""
    exporters = [
        msgspec.structs.replace(
            sender,
            waiting_spans=0,
            waiting_bytes=0,
            max_bytes=0,
            oldest_age_seconds=0,
            troubles=[],
            destinations=[
                msgspec.structs.replace(one, waiting_spans=0) for one in sender.destinations
            ],
        )
        for sender in ended.exporters
    ]
    return msgspec.structs.replace(
        ended, state="", degraded=[], pipelines={}, endpoints={}, stages={}, exporters=exporters
    )


def _state(states: set[str]) -> str:
    return next((state for state in ("running", "stopping") if state in states), "starting")


def _senders(senders: Iterable[SenderStatus]) -> list[SenderStatus]:
    merged: dict[str, SenderStatus] = {}
    for sender in senders:
        known = merged.get(sender.exporter)
        merged[sender.exporter] = sender if known is None else _both(known, sender)
    return list(merged.values())


def _both(one: SenderStatus, other: SenderStatus) -> SenderStatus:
    return SenderStatus(
        exporter=one.exporter,
        waiting_spans=one.waiting_spans + other.waiting_spans,
        waiting_bytes=one.waiting_bytes + other.waiting_bytes,
        max_bytes=one.max_bytes + other.max_bytes,
        oldest_age_seconds=max(one.oldest_age_seconds, other.oldest_age_seconds),
        troubles=_troubles([*one.troubles, *other.troubles]),
        destinations=_destinations([*one.destinations, *other.destinations]),
    )


def _troubles(troubles: Iterable[Trouble]) -> list[Trouble]:
    """Return each destination's trouble, the oldest; what a person can mend goes before it."""
    merged: dict[str, Trouble] = {}
    for trouble in sorted(troubles, key=lambda one: (one.advice is None, one.since_unix_ns)):
        merged.setdefault(trouble.destination, trouble)
    return list(merged.values())


def _destinations(destinations: Iterable[DestinationStatus]) -> list[DestinationStatus]:
    merged: dict[str, DestinationStatus] = {}
    for one in destinations:
        known = merged.get(one.destination)
        merged[one.destination] = DestinationStatus(
            destination=one.destination,
            page=one.page or (known.page if known else ""),
            waiting_spans=one.waiting_spans + (known.waiting_spans if known else 0),
            sent_spans=one.sent_spans + (known.sent_spans if known else 0),
        )
    ranked = sorted(merged.values(), key=lambda one: (-one.waiting_spans, -one.sent_spans))
    return ranked[:MOST_DESTINATIONS]


def _notices(notices: Sequence[Notice]) -> list[Notice]:
    """Return the youngest notices; one that several processes have is one."""
    merged: dict[tuple[str, str, str], Notice] = {}
    for notice in sorted(notices, key=lambda notice: notice.time_unix_ns):
        key = notice.level, notice.component, notice.event
        known = merged.pop(key, None)
        count = notice.count + (known.count if known else 0)
        merged[key] = msgspec.structs.replace(notice, count=count)
    return list(merged.values())[-KEPT:]
