"""What the gateway says of its own state: of one worker, or of all of them together."""

from collections.abc import Iterable, Sequence

import msgspec


class Trouble(msgspec.Struct, kw_only=True):
    """Why a destination takes nothing now."""

    destination: str
    reason: str
    advice: str | None
    since_unix_ns: int
    failures: int


class SenderStatus(msgspec.Struct, kw_only=True):
    """An exporter: what waits for it, and which of its destinations are in trouble."""

    exporter: str
    waiting_spans: int
    waiting_bytes: int
    max_bytes: int
    oldest_age_seconds: float
    troubles: list[Trouble]


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


def merge(statuses: Sequence[Status]) -> Status:
    """
    Return the state of a gateway from that of its workers, which share one configuration.

    The gateway runs while any worker does. What waits is added up; a destination that several
    workers have trouble with is told once, with the first of their reasons.
    """
    return Status(
        version=next((one.version for one in statuses), ""),
        state=_state({one.state for one in statuses}),
        degraded=list(dict.fromkeys(reason for one in statuses for reason in one.degraded)),
        pipelines={name: ids for one in statuses for name, ids in one.pipelines.items()},
        endpoints={name: address for one in statuses for name, address in one.endpoints.items()},
        exporters=_senders(sender for one in statuses for sender in one.exporters),
        dead_letters=sum(one.dead_letters for one in statuses),
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
    )


def _troubles(troubles: Iterable[Trouble]) -> list[Trouble]:
    """Return each destination's trouble, the oldest; what a person can mend goes before it."""
    merged: dict[str, Trouble] = {}
    for trouble in sorted(troubles, key=lambda one: (one.advice is None, one.since_unix_ns)):
        merged.setdefault(trouble.destination, trouble)
    return list(merged.values())
