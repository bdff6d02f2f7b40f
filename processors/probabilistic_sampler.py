"""Keep a share of all traces, the same ones everywhere."""

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from gateway.otlp.ready import length
from gateway.plugin import Batch, Config, Context, Meter, Processor, Resource, Span
from processors.consistent_sampling import (
    ALWAYS,
    MAX_PRECISION,
    NEVER,
    TraceState,
    TraceStateError,
    probability,
    read_trace_state,
    t_value,
    threshold_of,
    trace_randomness,
)

Percentage = Annotated[float, msgspec.Meta(ge=0)]
_PRIORITY = "sampling.priority"
_TRACE_STATE = b"\x1a"  # Span.trace_state, field 3
_ID_SIZE = 16
_NO_ID = bytes(_ID_SIZE)
_NEVER_REACHED = b"\xff" * 8
"""More than the last seven bytes of any trace id."""
_SPAN_TYPES = ("mlflow.spanType", "openinference.span.kind")


class RateRuleConfig(Config):
    """A share for some traces."""

    match: dict[str, str]
    """Globs, case-sensitive, all of which must match: by resource attribute (``service.name``),
    ``tenant``, ``span.type`` (MLflow's) or ``span.name``."""

    sampling_percentage: Percentage
    """Percentage of these traces that is kept."""

    def validate(self) -> None:
        """Refuse a rule about everything, which ``sampling_percentage`` outside rules is for."""
        if not self.match:
            raise ValueError("match: expected at least one glob")


class ProbabilisticSamplerConfig(Config):
    """Settings of ``probabilistic_sampler``."""

    sampling_percentage: Percentage
    """Percentage of traces that is kept; 100 and more keeps all, 0 none."""

    mode: Literal["proportional", "equalizing", "hash_seed"] | None = None
    """``proportional`` keeps this share of what arrives, whatever was sampled before.
    ``equalizing`` samples down to this share: what was sampled to less already passes.
    ``hash_seed`` decides as the Collector's mode of that name, by a hash of the trace id. Unset
    is ``proportional``, or ``hash_seed`` where a ``hash_seed`` is given."""

    hash_seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)] = 0
    """Seed of the hash; the same one wherever decisions must agree."""

    sampling_precision: Annotated[int, msgspec.Meta(ge=1, le=MAX_PRECISION)] = 4
    """Hexadecimal digits with which the threshold is written and decided."""

    fail_closed: bool = True
    """Whether spans are dropped whose trace state is broken or contradicts the trace id; else
    they are kept."""

    keep_errors: bool = False
    """Whether traces with a span of status ERROR are always kept, as far as they are in the same
    batch as that span."""

    rules: list[RateRuleConfig] = msgspec.field(default_factory=list)
    """Other shares for some traces; the first rule that matches a span counts. Spans of a trace
    in one batch share the highest percentage that one of them gets."""


class Priority(Enum):
    """What the attribute ``sampling.priority`` of OpenTracing asks for."""

    DEFER = 0
    KEEP = 1
    DROP = 2


class ByTraceId:
    """Decide by the randomness in trace id or trace state; see :attr:`mode` of the settings."""

    def __init__(self, share: float, precision: int, *, proportional: bool) -> None:
        self._share = share
        self._precision = precision
        self._proportional = proportional
        self._own = threshold_of(share, precision)

    def randomness(self, trace_id: bytes, state: TraceState) -> tuple[int | None, TraceState]:
        """
        Return the randomness of a trace, and the trace state that tells it to others.

        It is what ``rv`` says, else the end of the trace id; ``None`` where there is neither.
        """
        if state.randomness:
            return int(state.randomness, 16), state
        return trace_randomness(trace_id), state

    def threshold(self, state: TraceState) -> int:
        """Return what the randomness must reach; probabilities only ever fall."""
        if state.threshold is None:
            return self._own
        if not self._proportional:
            return max(self._own, state.threshold)
        return threshold_of(probability(state.threshold) * self._share, self._precision)


class ByHash:
    """Decide as the Collector's ``hash_seed``: FNV-1a of seed and trace id, 14 bits of it."""

    _BUCKETS = 1 << 14

    def __init__(self, percentage: float, seed: int) -> None:
        scaled = int(_float32(_float32(percentage) * _float32(self._BUCKETS / 100)))
        self._threshold = (self._BUCKETS - scaled) << 42 if scaled else NEVER
        self._seeded = _fnv1a(0x811C9DC5, seed.to_bytes(4, "little"))

    def randomness(self, trace_id: bytes, state: TraceState) -> tuple[int | None, TraceState]:
        """
        Return the hash as randomness, and the trace state with that written down.

        Raises:
            TraceStateError: the trace was sampled by the specification.

        """
        if state.randomness or state.threshold is not None:
            raise TraceStateError("rv or th in use; use mode proportional or equalizing")
        if not any(trace_id):
            return None, state
        hashed = _fnv1a(self._seeded, trace_id)
        bucket = hashed & (self._BUCKETS - 1)
        unused = hashed >> 18
        mixed = unused ^ (unused << 10)
        value = ((self._BUCKETS - 1 - bucket) << 42) | (mixed << 14) | bucket
        return value, state._replace(randomness=f"{value:014x}")

    def threshold(self, state: TraceState) -> int:
        """Return the threshold."""
        del state
        return self._threshold


def _fnv1a(value: int, data: bytes) -> int:
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def _float32(value: float) -> float:
    """Round as the Collector does, which keeps percentages in 32 bits."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


class Sampler:
    """
    One percentage: trace id and trace state to what becomes of a span.

    Args:
        percentage: of traces to keep.
        config: how they are chosen.
        name: of the setting that says so.

    """

    def __init__(
        self,
        percentage: float,
        config: ProbabilisticSamplerConfig,
        name: str = "sampling_percentage",
    ) -> None:
        self.percentage = min(percentage, 100.0)
        self.name = f"{name}: {percentage:g}"
        self._open = not config.fail_closed
        mode = config.mode or ("hash_seed" if config.hash_seed else "proportional")
        self._method: ByTraceId | ByHash
        if mode == "hash_seed":
            self._method = ByHash(self.percentage, config.hash_seed)
        else:
            self._method = ByTraceId(
                _float32(self.percentage) / 100,
                config.sampling_precision,
                proportional=mode == "proportional",
            )
        self._by_trace_id = mode != "hash_seed"
        self._threshold = self._method.threshold(TraceState())
        self._never = self._threshold >= NEVER
        self._fresh = f"ot=th:{t_value(self._threshold)}" if self._threshold < NEVER else ""
        self._mark = _trace_state(self._fresh)
        self._least = _NEVER_REACHED if self._never else self._threshold.to_bytes(7)

    def sample(self, batch: Batch, *, ask: bool) -> Sequence[Span]:
        """
        Decide about the spans that nobody has sampled before; return the others.

        Args:
            batch: whose spans are dropped or marked.
            ask: whether a span may bear a priority.

        """
        if not self._by_trace_id:
            return batch.spans
        least, mark = self._least, self._mark
        others: list[Span] = []
        gone: list[Span] = []
        decided: dict[bytes, bool | None] = {}
        for span in batch.spans:
            message = span.core
            trace_id = message.trace_id
            if trace_id in decided:
                keeps = decided[trace_id]
            else:
                is_valid = len(trace_id) == _ID_SIZE and trace_id != _NO_ID
                decided[trace_id] = keeps = trace_id[-7:] >= least if is_valid else None
            if keeps is None or message.trace_state or (ask and span.holds(_PRIORITY)):
                others.append(span)
            elif keeps:
                span.append(mark, {})
            else:
                gone.append(span)
        batch.drop_all(gone, self.name)
        return others

    def decide(
        self, trace_id: bytes, text: str, priority: Priority, failed: Callable[[str], None]
    ) -> str | None:
        """
        Return the trace state that a span goes on with, or ``None`` where it is dropped.

        Args:
            trace_id: of the span.
            text: its trace state.
            priority: what its sender asks for.
            failed: called with the reason where nothing can be decided by the rules.

        """
        if priority is Priority.DROP:
            return None
        try:
            state = read_trace_state(text)
        except TraceStateError as error:
            return self._undecided(str(error), text, priority, failed)
        try:
            value, told = self._method.randomness(trace_id, state)
        except TraceStateError as error:
            return self._undecided(str(error), text, priority, failed)
        if value is None:
            return self._undecided("no randomness", _kept(state), priority, failed)
        if state.threshold is not None and value < state.threshold:
            cleared = _kept(state._replace(threshold=None))
            return self._undecided("th contradicts the randomness", cleared, priority, failed)
        if priority is Priority.KEEP:
            return _kept(told)
        threshold = self._method.threshold(state)
        return str(told._replace(threshold=threshold)) if value >= threshold else None

    def _undecided(
        self, reason: str, text: str, priority: Priority, failed: Callable[[str], None]
    ) -> str | None:
        if self._never and priority is Priority.DEFER:
            return None
        failed(reason)
        return text if self._open or priority is Priority.KEEP else None


def _kept(state: TraceState) -> str:
    """Return the trace state of what is kept for certain; an earlier threshold stays."""
    return str(state._replace(threshold=state.threshold or ALWAYS))


class ProbabilisticSampler(Processor[ProbabilisticSamplerConfig]):
    """
    Keep a share of all traces, chosen by trace id, so that it is the same everywhere.

    Consistent with the OpenTelemetry specification and the Collector; ``ot=th`` in the trace
    state of what is kept says which share that is.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: ProbabilisticSamplerConfig) -> None:
        super().__init__(config)
        self._meter: Meter | None = None
        self._default = Sampler(config.sampling_percentage, config)
        self._all = Sampler(100, config)
        self._rules = [
            (tuple(rule.match.items()), Sampler(rule.sampling_percentage, config, f"rules[{at}]"))
            for at, rule in enumerate(config.rules)
        ]
        self._of_spans = any(
            key in ("span.type", "span.name") for matches, _ in self._rules for key, _ in matches
        )
        self._glob = lru_cache(maxsize=4096)(fnmatchcase)

    async def start(self, context: Context) -> None:
        """Take the meter for what could not be decided."""
        self._meter = context.meter

    def process(self, batch: Batch) -> Batch:
        """Drop the spans of traces that are not sampled; mark the others."""
        asks = self._may_ask(batch)
        default = self._default
        if self._rules or self.config.keep_errors:
            samplers, spans = self._choose(batch), batch.spans
        else:
            samplers, spans = {}, default.sample(batch, ask=asks)
        failures: dict[str, int] = {}
        broken = ""
        decided: dict[tuple[bytes, str], str | None] = {}

        def failed(reason: str) -> None:
            nonlocal broken
            broken = reason
            failures[reason] = failures.get(reason, 0) + 1

        for span in spans:
            message = span.core
            trace_id, old = key = message.trace_id, message.trace_state
            broken = ""
            priority = read_priority(span) if asks else Priority.DEFER
            if priority is not Priority.DEFER or key not in decided:
                new = samplers.get(trace_id, default).decide(trace_id, old, priority, failed)
                if priority is Priority.DEFER and not failures:
                    decided[key] = new
            else:
                new = decided[key]
            if new is None:
                batch.drop(span, _why(samplers.get(trace_id, default), priority, broken))
            elif new != old:
                _mark(span, new)
        self._count(failures)
        return batch

    @staticmethod
    def _may_ask(batch: Batch) -> bool:
        """Whether a span may bear a priority; bytes are searched faster than spans."""
        return not batch.untouched or _mentions_priority(batch.encode())

    def _count(self, failures: Mapping[str, int]) -> None:
        if self._meter is not None:
            for reason, count in failures.items():
                self._meter.count("sampling_errors_total", count, reason=reason)

    def _choose(self, batch: Batch) -> dict[bytes, Sampler]:
        """Return the sampler of each trace: the highest percentage that one of its spans gets."""
        chosen: dict[bytes, Sampler] = {}
        by_resource: dict[int, Sampler] = {}
        tenant = batch.context.tenant
        for span in batch.spans:
            if self.config.keep_errors and span.is_error:
                found = self._all
            elif self._of_spans:
                found = self._first(span.resource, tenant, span)
            else:
                known = by_resource.get(id(span.resource))
                found = known or self._first(span.resource, tenant, span)
                by_resource[id(span.resource)] = found
            trace_id = span.peek.trace_id
            best = chosen.get(trace_id)
            if best is None or found.percentage > best.percentage:
                chosen[trace_id] = found
        return chosen

    def _first(self, resource: Resource, tenant: str, span: Span) -> Sampler:
        for matches, sampler in self._rules:
            if all(self._glob(_said(key, resource, tenant, span), glob) for key, glob in matches):
                return sampler
        return self._default


def _why(sampler: Sampler, priority: Priority, broken: str) -> str:
    """Return the rule by which a span is dropped."""
    if broken:
        return f"{broken} (fail_closed)"
    return f"{_PRIORITY}: 0" if priority is Priority.DROP else sampler.name


def _said(key: str, resource: Resource, tenant: str, span: Span) -> str:
    """Return what a rule's glob is matched with."""
    if key == "tenant":
        return tenant
    if key == "span.name":
        return span.name
    if key == "span.type":
        texts = (span.attributes.text(name) for name in _SPAN_TYPES)
        return next((text.strip('"').upper() for text in texts if text), "UNKNOWN")
    value = resource.attributes.get(key)
    return "" if value is None else str(value)


_ENCODED = b"\x11" + _PRIORITY.encode()
"""The key as it stands in a request: its length and its text."""


def _mentions_priority(data: bytes) -> bool:
    """Whether the key may stand in a request; the length is rare in texts, which saves a search."""
    at = data.find(_ENCODED[:1])
    for _ in range(len(data) // 64):
        if at < 0 or data.startswith(_ENCODED, at):
            return at >= 0
        at = data.find(_ENCODED[:1], at + 1)
    return _ENCODED in data


def _mark(span: Span, trace_state: str) -> None:
    """Set the trace state; where there was none the span's bytes stay and it is added to them."""
    if span.core.trace_state:
        span.proto.trace_state = trace_state
    else:
        span.append(_trace_state(trace_state), {})


def _trace_state(text: str) -> bytes:
    """Return the field of a span that holds a trace state."""
    data = text.encode()
    return _TRACE_STATE + length(len(data)) + data


def read_priority(span: Span) -> Priority:
    """Return what a span's ``sampling.priority`` asks for: 0 to drop it, more to keep it."""
    if not span.holds(_PRIORITY):
        return Priority.DEFER
    value = span.attributes[_PRIORITY]
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return Priority.DEFER
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return Priority.DEFER
    if value == 0:
        return Priority.DROP
    return Priority.KEEP if value > 0 else Priority.DEFER
