"""
Policies that keep a part: by chance, or as much as fits a rate.

Source: where there is a salt, the Collector's probabilistic policy (FNV-1a, 64 bits).
"""

from fractions import Fraction
from functools import lru_cache

from processors.consistent_sampling import TraceState, TraceStateError, read_trace_state
from processors.probabilistic_sampler import ByTraceId
from processors.tail_sampling.policy_settings import (
    BytesLimitingConfig,
    ProbabilisticConfig,
    RateLimitingConfig,
)
from processors.tail_sampling.view import Mark, Policy, View

_PRECISION = 4
_MAX_64 = (1 << 64) - 1
_FNV_OFFSET, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
_S_IN_NS = 1_000_000_000
_BURST = 2


class Probabilistic(Policy):
    """Match a share of the traces by the randomness that head samplers use too."""

    def __init__(self, config: ProbabilisticConfig) -> None:
        self._mark = ShareMark(config.sampling_percentage / 100)

    def matches(self, view: View) -> bool:
        """Return whether the trace's randomness reaches the threshold."""
        states = (span.peek.trace_state for span in view.spans)
        return self._mark.keeps(view.trace.trace_id, next(filter(None, states), ""))

    def mark(self) -> "ShareMark":
        """Return what says which share was kept."""
        return self._mark


class ShareMark(Mark):
    """The threshold of a share, on top of what was sampled before."""

    def __init__(self, share: float) -> None:
        self.share = share
        self._sampler = ByTraceId(share, _PRECISION, proportional=True)
        self._cached = lru_cache(maxsize=1024)(self._on)

    def keeps(self, trace_id: bytes, trace_state: str) -> bool:
        """Return whether a trace is among the share."""
        state = _read(trace_state) or TraceState()
        value, _ = self._sampler.randomness(trace_id, state)
        return value is not None and value >= self._sampler.threshold(state)

    def on(self, trace_state: str) -> str:
        """Return the trace state with the threshold; as it is where it breaks the rules."""
        return self._cached(trace_state)

    def _on(self, trace_state: str) -> str:
        state = _read(trace_state)
        if state is None:
            return trace_state
        return str(state._replace(threshold=self._sampler.threshold(state)))


def _read(trace_state: str) -> TraceState | None:
    try:
        return read_trace_state(trace_state)
    except TraceStateError:
        return None


class Salted(Policy):
    """Match a share of the traces by a hash of a salt and the trace id."""

    def __init__(self, config: ProbabilisticConfig) -> None:
        self._threshold = int(Fraction(config.sampling_percentage / 100) * _MAX_64)
        self._salted = _fnv1a(_FNV_OFFSET, config.hash_salt.encode())
        self._never = config.sampling_percentage == 0

    def matches(self, view: View) -> bool:
        """Return whether the hash is below the threshold."""
        hashed = _fnv1a(self._salted, view.trace.trace_id)
        return not self._never and hashed <= self._threshold


def _fnv1a(value: int, data: bytes) -> int:
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & _MAX_64
    return value


class PerSecond:
    """A budget that begins anew with each second."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._second = 0
        self._used = 0

    def take(self, amount: int, now_unix_ns: int) -> bool:
        """Take an amount, and return whether there was as much."""
        second = now_unix_ns // _S_IN_NS
        if second != self._second:
            self._second, self._used = second, 0
        if self._used + amount > self._most:
            return False
        self._used += amount
        return True


class Bucket:
    """A budget that refills steadily up to what it holds, and is full at first."""

    def __init__(self, rate: float, capacity: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._left = capacity
        self._at: int | None = None

    def take(self, amount: int, now_unix_ns: int) -> bool:
        """Take an amount, and return whether there was as much."""
        before = now_unix_ns if self._at is None else self._at
        elapsed_s = max(0, now_unix_ns - before) / _S_IN_NS
        self._left = min(self._capacity, self._left + elapsed_s * self._rate)
        self._at = now_unix_ns
        if amount > self._left:
            return False
        self._left -= amount
        return True


class RateLimiting(Policy):
    """Match as many traces as fit a number of spans a second."""

    def __init__(self, config: RateLimitingConfig) -> None:
        rate, burst = config.spans_per_second, config.burst_capacity
        self._budget = Bucket(rate, burst) if burst else PerSecond(rate)

    def matches(self, view: View) -> bool:
        """Return whether the trace fits."""
        return self._budget.take(view.trace.span_count, view.trace.now_unix_ns)


class BytesLimiting(Policy):
    """Match as many traces as fit a number of bytes a second, on average."""

    def __init__(self, config: BytesLimitingConfig) -> None:
        rate = config.bytes_per_second
        self._budget = Bucket(rate, config.burst_capacity or _BURST * rate)

    def matches(self, view: View) -> bool:
        """Return whether the trace fits."""
        return self._budget.take(view.trace.size_bytes, view.trace.now_unix_ns)
