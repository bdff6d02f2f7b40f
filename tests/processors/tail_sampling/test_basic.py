"""What the Collector's plain policies promise."""

from typing import Any

import pytest

from gateway.testing import batch
from tests.processors.tail_sampling.judging import kept, lasting, with_status


def latency(low: int, high: int = 0) -> dict[str, Any]:
    return {"type": "latency", "latency": {"threshold_ms": low, "upper_threshold_ms": high}}


@pytest.mark.parametrize(
    ("expected", "policy"),
    [
        (True, latency(500)),
        (False, latency(501)),
        (True, latency(100, 500)),
        (False, latency(500, 1000)),
        (False, latency(100, 499)),
    ],
)
def test_latency_spans_from_the_first_start_to_the_last_end(
    expected: bool, policy: dict[str, Any]
) -> None:
    """500 ms over all spans reach a threshold of 500, and lie above no lower bound of 500."""
    assert expected is kept(policy, lasting((100, 300), (0, 50), (400, 500.9)))


@pytest.mark.parametrize(
    ("expected", "codes", "statuses"),
    [
        (True, ["ERROR"], (0, 2)),
        (False, ["ERROR"], (0, 1)),
        (True, ["OK", "ERROR"], (0, 1)),
        (True, ["UNSET"], (1, 0)),
        (False, ["UNSET"], (1, 2)),
    ],
)
def test_status_code_of_any_span(
    expected: bool, codes: list[str], statuses: tuple[int, ...]
) -> None:
    """One span with one of the codes is enough."""
    policy = {"type": "status_code", "status_code": {"status_codes": codes}}
    assert expected is kept(policy, with_status(*statuses))


@pytest.mark.parametrize(
    ("expected", "bounds"),
    [
        (True, {"min_spans": 3}),
        (False, {"min_spans": 4}),
        (True, {"min_spans": 1, "max_spans": 3}),
        (False, {"max_spans": 2}),
    ],
)
def test_span_count_includes_its_bounds(expected: bool, bounds: dict[str, int]) -> None:
    """Three spans."""
    assert expected is kept({"type": "span_count", "span_count": bounds}, batch({}, {}, {}))


@pytest.mark.parametrize(
    ("expected", "state"),
    [(True, "a=1, vendor=gold"), (False, "vendor=golden"), (False, "other=gold"), (False, "")],
)
def test_trace_state_has_a_member_with_a_value(expected: bool, state: str) -> None:
    """Key and value must both be equal."""
    spans = batch({}, {})
    spans.spans[1].proto.trace_state = state
    policy = {"type": "trace_state", "trace_state": {"key": "vendor", "values": ["gold", "silver"]}}
    assert expected is kept(policy, spans)


def test_trace_flags_of_any_span() -> None:
    """The sampled flag of W3C counts, other flags do not."""
    spans = batch({}, {})
    spans.spans[1].proto.flags = 0x102
    assert not kept({"type": "trace_flags"}, spans)
    spans.spans[1].proto.flags = 0x103
    assert kept({"type": "trace_flags"}, spans)


def test_always_sample() -> None:
    """Every trace is kept."""
    assert kept({"type": "always_sample"}, batch({}))
