"""Room for requests under way, and fair shares of it."""

import contextlib

import pytest

from gateway.otlp.status import Refusal
from gateway.receivers.admission import Account, Admission
from gateway.tenants import TenantConfig
from gateway.testing import FakeClock


def account(name: str) -> Account:
    """Return a tenant's account."""
    return Account(TenantConfig(name=name), FakeClock())


async def test_room_is_given_back() -> None:
    """A request that ends gives up its bytes, also where it failed."""
    admission = Admission(1, 100)
    with admission.enter() as lease:
        lease.take(60)
        with pytest.raises(Refusal, match="max_in_flight_mib"):
            lease.take(60)

    assert 0 == admission.bytes_in_flight
    with admission.enter() as lease:
        lease.take(100)
    await admission.refuse()
    with pytest.raises(Refusal, match="stopping"):
        admission.enter()


def test_ended_leases_take_nothing() -> None:
    """What a thread reads on for a sender that is gone is not counted for ever."""
    admission = Admission(1, 100)
    with admission.enter() as lease:
        lease.take(10)

    with pytest.raises(Refusal):
        lease.take(10)

    assert 0 == admission.bytes_in_flight


def entered(admission: Admission, tenant: Account) -> int:
    """Return how many requests a tenant gets in at the same time."""
    with contextlib.suppress(Refusal):
        while True:
            admission.enter(tenant)
    return tenant.requests


def test_a_tenant_leaves_room_for_others() -> None:
    """One flooding tenant gets half of the room, and the next ones still get in."""
    admission = Admission(100, 100)
    admission.shared = True

    assert [50, 25, 13] == [entered(admission, account(name)) for name in ("a", "b", "c")]


def test_slow_requests_keep_no_place_from_others() -> None:
    """Requests that still arrive are let in beside those under way, up to a limit of their own."""
    admission = Admission(2, 1000)
    arriving = [admission.enter(arriving=True) for _ in range(8)]
    with pytest.raises(Refusal, match="8 requests arrive"):
        admission.enter(arriving=True)
    admission.leave(arriving.pop())
    with admission.enter():
        arriving[0].arrived()
        with pytest.raises(Refusal, match="2 requests are under way"):
            arriving[1].arrived()
    arriving[1].arrived()
    for lease in arriving:
        admission.leave(lease)
    with admission.enter(), admission.enter():
        pass


def test_a_single_tenant_may_have_all_the_room() -> None:
    """Where there is nobody else, nothing is kept free."""
    admission = Admission(100, 100)

    assert 100 == entered(admission, account("a"))


def test_bytes_are_shared_too() -> None:
    """Of several requests a tenant gets half of the bytes; a single one may have all."""
    admission = Admission(10, 1000)
    admission.shared = True
    tenant = account("a")
    with admission.enter(tenant) as first, admission.enter(tenant) as second:
        first.take(400)
        with pytest.raises(Refusal, match="share of max_in_flight_mib"):
            second.take(200)

    with admission.enter(tenant) as only:
        only.take(1000)
    assert (0, 0, 0) == (admission.bytes_in_flight, tenant.bytes, tenant.requests)
