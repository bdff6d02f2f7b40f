"""Quotas, by an injected clock."""

import pytest

from gateway.otlp.status import Refusal
from gateway.receivers.quota import LONGEST_HOLD_S, REFUSALS_PER_SECOND, Quota
from gateway.tenants import QuotaConfig
from gateway.testing import FakeClock


def test_quota_refills() -> None:
    """A used-up quota says when it will do again, and does then."""
    clock = FakeClock()
    quota = Quota(QuotaConfig(spans_per_second=10, burst=20), clock)
    quota.take(15, 0)

    with pytest.raises(Refusal) as caught:
        quota.take(15, 0)
    assert 1.0 == caught.value.after

    clock.advance(1.0)
    quota.take(15, 0)


def test_quota_holds_no_more_than_its_burst() -> None:
    """A long pause saves up no more than the burst."""
    clock = FakeClock()
    quota = Quota(QuotaConfig(spans_per_second=10, burst=20), clock)
    clock.advance(1000)

    quota.take(20, 0)
    with pytest.raises(Refusal):
        quota.take(1, 0)


def test_larger_than_the_burst_goes_on_credit() -> None:
    """A request larger than the burst passes a full bucket, and what follows pays for it."""
    clock = FakeClock()
    quota = Quota(QuotaConfig(spans_per_second=10), clock)
    quota.take(50, 0)

    with pytest.raises(Refusal) as caught:
        quota.check()

    assert pytest.approx(4.1) == caught.value.after


def test_who_does_not_wait_has_to() -> None:
    """Answers to a tenant that is refused all the time are held back; a few are not."""
    clock = FakeClock()
    quota = Quota(QuotaConfig(spans_per_second=1), clock)
    quota.take(1, 0)

    def hold() -> float:
        with pytest.raises(Refusal) as caught:
            quota.take(100, 0)
        return caught.value.hold_s

    assert [0.0] * REFUSALS_PER_SECOND == [hold() for _ in range(REFUSALS_PER_SECOND)]
    assert 0 < hold() < hold() < 1
    for _ in range(1000):
        hold()
    assert LONGEST_HOLD_S == hold()
    clock.advance(2)
    quota.take(1, 0)
    assert 0.0 == hold()


def test_refused_requests_cost_nothing() -> None:
    """What is given back may be used again."""
    quota = Quota(QuotaConfig(spans_per_second=10, mib_per_second=1), FakeClock())
    quota.take(10, 1024 * 1024)
    quota.give_back(10, 1024 * 1024)

    quota.take(10, 1024 * 1024)


def test_bytes_burst_as_long_as_spans() -> None:
    """Bytes may burst for as many seconds as spans."""
    quota = Quota(QuotaConfig(spans_per_second=10, mib_per_second=1, burst=30), FakeClock())

    quota.take(1, 3 * 1024 * 1024)
    with pytest.raises(Refusal, match="mib_per_second"):
        quota.take(1, 1)
