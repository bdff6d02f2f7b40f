"""What became of a trace: from the history of the running gateway, its queue and its letters."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from gateway import exporter_guard, lifecycle
from gateway.config.settings import Settings
from gateway.plugin import Config, Exporter
from gateway.queue.dead_letters import LetterFacts, LetterFile
from gateway.queue.queue import PIPELINE_QUEUE
from gateway.queue.scanner import Scanner, Waiting
from gateway.telemetry.history import Detail, Fact
from gateway.telemetry.status import SenderStatus

MOST_LETTERS = 100
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_HEX = re.compile(r"[0-9a-f]{32}")


class Told(msgspec.Struct, kw_only=True):
    """What the processes of a running gateway know of a trace."""

    facts: list[Fact]
    waiting: list[Waiting]
    """What waits in memory."""


class WaitingPart(msgspec.Struct, kw_only=True):
    """Spans of a trace that wait, with others that came with them."""

    exporter: str
    """Empty while a sampler has not decided."""
    pipeline: str
    """Empty where an exporter is to send them."""
    lane: int
    destination: str
    page: str
    since_unix_ns: int
    trouble: str = ""
    """Why the destination takes nothing, and what to do, where that is known."""


class Story(msgspec.Struct, kw_only=True):
    """What became of a trace."""

    trace_id: str
    state: str
    """``waiting``, ``dead_letter``, ``delivered``, ``sampled_out``, ``dropped``, ``refused``,
    ``received`` or ``unknown``; of several that hold, the first."""
    summary: str
    facts: list[Fact]
    """What is remembered, in order of time."""
    waiting: list[WaitingPart]
    dead_letters: list[LetterFacts]


def parse(text: str) -> bytes:
    """
    Return a trace id: of 32 hex digits, a ``traceparent``, or MLflow's ``tr-`` id.

    Raises:
        ValueError: it is none.

    """
    plain = text.strip().lower().rpartition("/")[2].removeprefix("tr-")
    found = _TRACEPARENT.fullmatch(plain)
    digits = found[1] if found else plain.removeprefix("0x").replace("-", "")
    if not _HEX.fullmatch(digits) or not digits.strip("0"):
        raise ValueError(
            f'"{text}" is no trace id: expected 32 hex digits that are not all zero, such as '
            "4bf92f3577b34da6a3ce929d0e0e4736, tr-4bf9... as MLflow shows it, or a traceparent"
        )
    return bytes.fromhex(digits)


class Names:
    """Destinations as people know them, from exporters that are built and never started."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._built: dict[str, Exporter[Config] | None] = {}

    def find(self, exporter_id: str, destination: str) -> tuple[str, str]:
        """Return name and page of a destination; its key where its exporter is not there."""
        exporter = self._exporter(exporter_id)
        if exporter is None:
            return destination, ""
        return exporter_guard.describe(exporter, destination), exporter_guard.page(
            exporter, destination
        )

    def _exporter(self, exporter_id: str) -> Exporter[Config] | None:
        if exporter_id not in self._built:
            self._built[exporter_id] = self._build(exporter_id)
        return self._built[exporter_id]

    def _build(self, exporter_id: str) -> Exporter[Config] | None:
        chosen = self._settings.exporters.get(exporter_id)
        if chosen is None:
            return None
        try:
            built = lifecycle.build(f"exporters.{exporter_id}", chosen.component, chosen.config)
        except lifecycle.StartError:
            return None
        return built if isinstance(built, Exporter) else None


def look(
    settings: Settings,
    trace_id: bytes,
    told: Told | None = None,
    senders: Sequence[SenderStatus] = (),
) -> Story:
    """
    Return what became of a trace.

    Args:
        settings: of the gateway, whose disk is looked at.
        trace_id: the trace.
        told: by the processes of the gateway, if it runs.
        senders: how the exporters fare.

    Raises:
        OSError: the queue or the letters cannot be read.

    """
    data_dir = Path(settings.service.data_dir)
    names = Names(settings)
    facts = sorted(told.facts if told else [], key=lambda fact: fact.time_unix_ns)
    waiting = Scanner(data_dir / "queue").overview(trace_id).waiting
    waiting = [one for one in waiting if not _is_settled(one, facts)]
    parts = [_part(one, names, senders) for one in [*waiting, *(told.waiting if told else [])]]
    letters = _letters(data_dir, trace_id.hex())
    state, summary = _verdict(facts, parts, letters)
    return Story(
        trace_id=trace_id.hex(),
        state=state,
        summary=summary,
        facts=facts,
        waiting=parts,
        dead_letters=letters,
    )


def _is_settled(waiting: Waiting, facts: Sequence[Fact]) -> bool:
    """Whether the disk is a moment behind: what it holds was settled after it came."""
    ends = {"sent", "dead_letter", "kept", "sampled_out"}
    return any(
        fact.time_unix_ns >= waiting.oldest_unix_ns
        and fact.detail.kind in ends
        and waiting.exporter in (fact.detail.exporter, PIPELINE_QUEUE + fact.detail.pipeline)
        for fact in facts
    )


def _part(waiting: Waiting, names: Names, senders: Sequence[SenderStatus]) -> WaitingPart:
    undecided = waiting.exporter.startswith(PIPELINE_QUEUE)
    name, page = ("", "") if undecided else names.find(waiting.exporter, waiting.destination)
    return WaitingPart(
        exporter="" if undecided else waiting.exporter,
        pipeline=waiting.exporter.removeprefix(PIPELINE_QUEUE) if undecided else "",
        lane=waiting.lane,
        destination=name,
        page=page,
        since_unix_ns=waiting.oldest_unix_ns,
        trouble="" if undecided else _trouble(waiting.exporter, name, senders),
    )


def _trouble(exporter: str, destination: str, senders: Sequence[SenderStatus]) -> str:
    """Return why a destination takes nothing, and what to do."""
    for sender in senders:
        for trouble in sender.troubles if sender.exporter == exporter else ():
            if trouble.destination.startswith(destination) or not trouble.destination:
                return ": ".join(filter(None, (trouble.reason, trouble.advice)))
    return ""


def _letters(data_dir: Path, trace_id: str) -> list[LetterFacts]:
    """Return the dead letters of a trace, those of the newest that can be looked through."""
    found = LetterFile(data_dir / "dead-letters").find(trace_id)
    return found[-MOST_LETTERS:]


def _verdict(
    facts: Sequence[Fact], waiting: Sequence[WaitingPart], letters: Sequence[LetterFacts]
) -> tuple[str, str]:
    kinds = {fact.detail.kind for fact in facts}
    if waiting:
        undecided = [part for part in waiting if part.pipeline]
        if undecided:
            return "waiting", "undecided: its sampler still waits for spans"
        places = _listed(f"{part.exporter} {part.destination}".strip() for part in waiting)
        return "waiting", f"waiting to be sent by {places}"
    if letters or "dead_letter" in kinds:
        spans = f"{len(letters)} of its spans are dead letters" if letters else "given up"
        return "dead_letter", f"{spans}; the rest was delivered" if "sent" in kinds else spans
    if "sent" in kinds:
        sent = [fact.detail for fact in facts if fact.detail.kind == "sent"]
        places = _listed(f"{one.exporter} {one.destination}".strip() for one in sent)
        return "delivered", f"delivered by {places}"
    if "sampled_out" in kinds:
        why = _listed(f"{f.detail.by} ({f.detail.rule})" for f in _of(facts, "sampled_out"))
        return "sampled_out", f"sampled out by {why}"
    if "dropped" in kinds:
        return "dropped", f"dropped by {_listed(_by(f.detail) for f in _of(facts, 'dropped'))}"
    if "refused" in kinds:
        return "refused", f"refused to its sender: {_of(facts, 'refused')[-1].detail.reason}"
    if facts:
        return "received", "received; what came next is not remembered"
    return "unknown", "nothing is known of it"


def _by(detail: Detail) -> str:
    return f"{detail.by} ({detail.reason})" if detail.reason else detail.by


def _of(facts: Sequence[Fact], kind: str) -> list[Fact]:
    return [fact for fact in facts if fact.detail.kind == kind]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
