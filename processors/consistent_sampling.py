"""
Consistent probability sampling: thresholds, randomness, and where both stand in a trace state.

A trace is kept where its 56 bits of randomness reach the threshold of a sampler, so that all
samplers agree on traces: whatever one with a low probability keeps, one with a higher keeps too.

Source: OpenTelemetry specification, "TraceState: Probability Sampling" and "TraceState
Handling"; W3C Trace Context Level 2, "Tracestate Header" and "Random Trace ID Flag". Where they
leave room, as the Collector's pkg/sampling.
"""

import math
import re
from typing import NamedTuple

ALWAYS = 0
NEVER = 1 << 56
"""Thresholds that every randomness reaches, and that none does."""
MAX_PRECISION = 14
_DIGITS = 14
_MIN_PROBABILITY = 1 / NEVER

_MAX_MEMBERS = 32
_MAX_LENGTH = 1024
_MAX_OT_LENGTH = 256
_KEY = r"(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
_MEMBER = re.compile(
    rf"({_KEY})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
_OT = re.compile(r"[a-z][a-z0-9]*:[a-zA-Z0-9._-]*(?:;[a-z][a-z0-9]*:[a-zA-Z0-9._-]*)*")
_HEX = re.compile(r"[0-9a-fA-F]{1,14}")


class TraceStateError(ValueError):
    """A trace state breaks the rules; the text says which."""


class TraceState(NamedTuple):
    """A trace state, its OpenTelemetry part taken apart."""

    randomness: str = ""
    """``rv`` as it stands there: 14 hexadecimal digits, or nothing."""
    threshold: int | None = None
    """``th``; ``None`` where nobody has sampled yet, or not said so."""
    rest: tuple[str, ...] = ()
    """Other fields of the OpenTelemetry part, in order."""
    others: tuple[str, ...] = ()
    """Other vendors' members, in order."""

    def __str__(self) -> str:
        """Write the trace state; the OpenTelemetry part first, since it was changed last."""
        own = [f"rv:{self.randomness}"] if self.randomness else []
        own += [f"th:{t_value(self.threshold)}"] if self.threshold is not None else []
        own += self.rest
        members = [f"ot={';'.join(own)}", *self.others] if own else self.others
        return ",".join(members[:_MAX_MEMBERS])


def read_trace_state(text: str) -> TraceState:
    """
    Take a trace state apart.

    Raises:
        TraceStateError: it breaks the rules.

    """
    if not text:
        return TraceState()
    if len(text) > _MAX_LENGTH:
        raise TraceStateError("tracestate too long")
    members = [member for part in text.split(",") if (member := part.strip(" \t"))]
    if len(members) > _MAX_MEMBERS:
        raise TraceStateError("tracestate has too many members")
    own, others = "", []
    for member in members:
        found = _MEMBER.fullmatch(member)
        if found is None:
            raise TraceStateError("tracestate syntax")
        if found[1] == "ot":
            own = found[2]
        else:
            others.append(member)
    return _read_own(own)._replace(others=tuple(others))


def _read_own(text: str) -> TraceState:
    if not text:
        return TraceState()
    if len(text) > _MAX_OT_LENGTH or not _OT.fullmatch(text):
        raise TraceStateError("tracestate syntax of ot")
    randomness, threshold = "", None
    rest = []
    for field in text.split(";"):
        key, _, value = field.partition(":")
        if key == "rv":
            if len(value) != _DIGITS or not _HEX.fullmatch(value):
                raise TraceStateError("rv must have 14 hexadecimal digits")
            randomness = value
        elif key == "th":
            if not _HEX.fullmatch(value):
                raise TraceStateError("th must have 1 to 14 hexadecimal digits")
            threshold = int(value.ljust(_DIGITS, "0"), 16)
        else:
            rest.append(field)
    return TraceState(randomness, threshold, tuple(rest))


def t_value(threshold: int) -> str:
    """Return a threshold as ``th`` writes it: hexadecimal, without zeros at the end."""
    return f"{threshold:014x}".rstrip("0") or "0"


def probability(threshold: int) -> float:
    """Return which part of all traces reaches a threshold."""
    return (NEVER - threshold) / NEVER


def threshold_of(share: float, precision: int = MAX_PRECISION) -> int:
    """
    Return the threshold that a share of all traces reaches.

    Args:
        share: 0 to 1; what is too small to be written is never sampled.
        precision: hexadecimal digits after the leading zeros, or ``f``, of the threshold.

    """
    if share < _MIN_PROBABILITY:
        return NEVER
    if share >= 1:
        return ALWAYS
    # near 0 and 1 more digits are needed for the same relative precision
    leading = max(int(math.frexp(part)[1] / -4) for part in (share, 1 - share))
    digits = min(_DIGITS, precision + max(leading, 0))
    exact = NEVER - math.floor(share * NEVER + 0.5)
    shift = 4 * (_DIGITS - digits)
    return exact if shift == 0 else (exact + (1 << (shift - 1))) >> shift << shift


def trace_randomness(trace_id: bytes) -> int | None:
    """Return the randomness in a trace id: its last seven bytes; ``None`` for no valid id."""
    if len(trace_id) != 16 or not any(trace_id):
        return None
    return int.from_bytes(trace_id[9:])


def adjusted_count(trace_state: str) -> float:
    """
    Return how many spans a sampled one stands for; multiply counts with it.

    A span without ``th`` stands for itself as far as anybody knows: 1.
    """
    try:
        threshold = read_trace_state(trace_state).threshold
    except TraceStateError:
        return 1.0
    return 1.0 if threshold is None else 1 / probability(threshold)
