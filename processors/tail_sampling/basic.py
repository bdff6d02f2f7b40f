"""Policies about times, numbers, status and trace state."""

from opentelemetry.proto.trace.v1.trace_pb2 import Status

from processors.tail_sampling.policy_settings import (
    LatencyConfig,
    SpanCountConfig,
    StatusCodeConfig,
    TraceStateConfig,
)
from processors.tail_sampling.view import Policy, View

_SAMPLED_FLAG = 1
_NS_A_MS = 1_000_000


class Always(Policy):
    """Match every trace."""

    def matches(self, view: View) -> bool:
        """Return that it matches."""
        del view
        return True


class Latency(Policy):
    """Match by the time from the first start to the last end, in whole milliseconds."""

    def __init__(self, config: LatencyConfig) -> None:
        self._low, self._high = config.threshold_ms, config.upper_threshold_ms

    def matches(self, view: View) -> bool:
        """Return whether the trace took as long."""
        spans = view.spans
        if not spans:
            return False
        start = min(span.peek.start_time_unix_nano for span in spans)
        took_ms = (max(span.peek.end_time_unix_nano for span in spans) - start) // _NS_A_MS
        if not self._high:
            return took_ms >= self._low
        return self._low < took_ms <= self._high


class StatusCode(Policy):
    """Match where a span has one of some status codes."""

    def __init__(self, config: StatusCodeConfig) -> None:
        values = Status.StatusCode.DESCRIPTOR.values_by_name
        self._codes = {values[f"STATUS_CODE_{code}"].number for code in config.status_codes}

    def matches(self, view: View) -> bool:
        """Return whether a span does."""
        return any(span.peek.status.code in self._codes for span in view.spans)


class SpanCount(Policy):
    """Match by the number of spans."""

    def __init__(self, config: SpanCountConfig) -> None:
        self._low, self._high = config.min_spans, config.max_spans

    def matches(self, view: View) -> bool:
        """Return whether there are as many."""
        count = view.trace.span_count
        return self._low <= count and (not self._high or count <= self._high)


class TraceState(Policy):
    """Match where a span's trace state has a member with one of some values."""

    def __init__(self, config: TraceStateConfig) -> None:
        self._members = {f"{config.key}={value}" for value in config.values}

    def matches(self, view: View) -> bool:
        """Return whether a span's does."""
        states = {span.peek.trace_state for span in view.spans}
        members = {member.strip() for state in states for member in state.split(",")}
        return not members.isdisjoint(self._members)


class TraceFlags(Policy):
    """Match where a span was sampled by its sender, as the W3C flags say."""

    def matches(self, view: View) -> bool:
        """Return whether a span was."""
        return any(span.peek.flags & _SAMPLED_FLAG for span in view.spans)
