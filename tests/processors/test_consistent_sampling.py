"""What consistent sampling promises: the numbers of the specification."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.consistent_sampling import (
    ALWAYS,
    NEVER,
    TraceState,
    TraceStateError,
    adjusted_count,
    probability,
    read_trace_state,
    t_value,
    threshold_of,
    trace_randomness,
)


@pytest.mark.parametrize(
    ("share", "precision", "written"),
    [
        (1.0, 4, "0"),
        (0.5, 4, "8"),
        (0.25, 4, "c"),
        (0.75, 4, "4"),
        (1 / 3, 4, "aaab"),
        (1 / 3, 14, "aaaaaaaaaaaaac"),  # 2/3 of 2**56, as exact as a double says it
        (0.1, 4, "e666"),
        (0.1, 3, "e66"),
        (0.01, 3, "fd71"),  # the leading f is not counted
        (0.01, 4, "fd70a"),
        (0.01, 14, "fd70a3d70a3d71"),
        (0.001, 4, "ffbe77"),
        (0.4, 3, "99a"),
        (0.4, 6, "99999a"),
        (0.2, 6, "cccccd"),
        (0.95, 3, "0ccd"),
        (2.0**-14, 4, "fffc"),
        (2.0**-28, 4, "fffffff"),
    ],
)
def test_thresholds_are_written_as_specified(share: float, precision: int, written: str) -> None:
    """A share becomes the hexadecimal threshold of the specification, trailing zeros dropped."""
    assert written == t_value(threshold_of(share, precision))


def test_what_cannot_be_expressed_is_never_sampled() -> None:
    """Shares below one trace in 2**56 reach no threshold; one and more reach all."""
    assert NEVER == threshold_of(2.0**-57)
    assert NEVER == threshold_of(0.0)
    assert ALWAYS == threshold_of(1.5)


@given(st.floats(2.0**-20, 1 - 2.0**-20), st.integers(1, 14))
def test_precision_bounds_the_error(share: float, precision: int) -> None:
    """The written probability is the wanted one up to the digits that were asked for."""
    written = probability(threshold_of(share, precision))
    assert written == pytest.approx(share, rel=16.0 ** (1 - precision), abs=2.0**-54)


def test_randomness_is_the_end_of_the_trace_id() -> None:
    """The last seven bytes count, however the id begins; no valid id has no randomness."""
    assert 0x9B8233F7E3A151 == trace_randomness(bytes.fromhex("ffffffffffffffffff9b8233f7e3a151"))
    assert trace_randomness(bytes(16)) is None
    assert trace_randomness(b"12345678") is None


def test_a_trace_state_is_taken_apart() -> None:
    """Our part is understood, what others wrote there is kept as it stands."""
    state = read_trace_state("congo=t61rcWkgMzE , ot=th:c;x1:y;rv:9b8233f7e3a151,rojo=00f067aa")
    assert (
        TraceState("9b8233f7e3a151", 0xC0 << 48, ("x1:y",), ("congo=t61rcWkgMzE", "rojo=00f067aa"))
        == state
    )
    assert "ot=rv:9b8233f7e3a151;th:c;x1:y,congo=t61rcWkgMzE,rojo=00f067aa" == str(state)


@pytest.mark.parametrize("text", ["", "vendor=1", "a@b=1,c=d e", "ot=p:8;r:62"])
def test_trace_states_without_ours_stay(text: str) -> None:
    """Nothing is invented where nothing was sampled."""
    assert text == str(read_trace_state(text))


@pytest.mark.parametrize(
    "text",
    [
        "ot",
        "=x",
        "UPPER=x",
        "vendor=a=b",
        "ot=th:abababababababab",
        "ot=th:-1",
        "ot=th:",
        "ot=rv:abababababababab",
        "ot=rv:abc",
        "ot=th",
        "ot=TH:8",
        "x=" + "y" * 257,
        ",".join(f"v{n}={'y' * 250}" for n in range(5)),
        ",".join(f"v{n}=1" for n in range(33)),
        "ot=" + ";".join(f"x{n}:1" for n in range(80)),
    ],
)  # fmt: skip
def test_broken_trace_states_are_refused(text: str) -> None:
    """What W3C or OpenTelemetry forbids is not guessed at."""
    with pytest.raises(TraceStateError):
        read_trace_state(text)


def test_the_list_keeps_within_its_limit() -> None:
    """A member of ours in a full list costs the last one its place, as W3C asks."""
    full = read_trace_state(",".join(f"v{n}=1" for n in range(32)))
    members = str(full._replace(threshold=0)).split(",")
    assert 32 == len(members)
    assert "ot=th:0" == members[0]
    assert ["v0=1", "v30=1"] == [members[1], members[-1]]


@pytest.mark.parametrize(
    ("text", "count"), [("", 1), ("ot=th:0", 1), ("ot=th:8", 2), ("x=1,ot=th:c", 4), ("??", 1)]
)
def test_a_sampled_span_stands_for_several(text: str, count: float) -> None:
    """The threshold says how many spans a kept one stands for."""
    assert count == adjusted_count(text)
