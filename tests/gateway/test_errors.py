"""What the flow errors promise to the authors of plugins."""

import pytest

from gateway.plugin import Batch, Busy, Forbidden, Reject, Retry, TooLarge
from gateway.testing import batch


@pytest.mark.parametrize("kind", [Busy, Retry])
def test_a_number_alone_is_the_delay(kind: type[Busy | Retry]) -> None:
    """``Busy(5)`` and ``Busy(after=5)`` say when to come back, with a reason that reads."""
    for flow in (kind(5), kind(after=5)):
        assert 5.0 == flow.after
        assert str(flow).isascii()
        assert "5" not in str(flow)


@pytest.mark.parametrize("kind", [Busy, Retry])
def test_a_reason_may_come_with_a_delay(kind: type[Busy | Retry]) -> None:
    """A text is the reason and the second argument the delay."""
    assert ("too much", 2.5) == (str(kind("too much", 2.5)), kind("too much", 2.5).after)


def test_delays_may_be_left_out() -> None:
    """A sender that is busy for us comes back in a second; a back-off is left to the engine."""
    assert (1.0, None) == (Busy("full").after, Retry("away").after)


def test_spans_alone_are_what_is_refused() -> None:
    """``Reject(spans)`` names the spans that become dead letters."""
    sent: Batch = batch({"n": 1}, {"n": 2})
    bad = list(sent)[:1]

    assert (bad, bad) == (Reject(bad).spans, Reject("poison", bad).spans)
    assert None is Reject("all of it").spans


@pytest.mark.parametrize("kind", [Busy, Retry, Reject, Forbidden, TooLarge])
def test_every_one_can_be_raised_bare(kind: type[Exception]) -> None:
    """A plugin may raise the class itself, as Python allows, and a reason is there all the same."""
    with pytest.raises(kind) as caught:
        raise kind

    assert str(caught.value)
