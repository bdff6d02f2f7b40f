"""What a worker says of a request reaches the worker that received it as it was said."""

import pytest

from gateway.errors import Busy, Flow, Forbidden, Moved, Reject, Retry, ShareFull, TooLarge
from gateway.workers.orders import refused


class Mine(Reject):
    """As a plugin's author may derive one."""


@pytest.mark.parametrize(
    "flow",
    [
        Reject("not like this"),
        TooLarge("too large"),
        Forbidden("not there"),
        Busy("too much", after=7),
        ShareFull("too much of yours", after=2),
        Retry("not now", after=3),
        Retry("not now"),
    ],
)
def test_kind_reason_and_delay_stay(flow: Flow) -> None:
    """So that the sender gets the same answer from either worker."""
    flow.by, flow.is_private = "mask", True

    told = refused(1, flow).flow()

    assert type(flow) is type(told)
    assert vars(flow) == vars(told)


def test_a_reason_that_quotes_what_is_no_text_is_told() -> None:
    """With a mark in place of that."""
    assert "no ? here" == refused(1, Reject("no \udcff here")).reason


@pytest.mark.parametrize(("flow", "kind"), [(Mine("no"), Reject), (Moved("there", {}), Retry)])
def test_kinds_that_are_not_ours_become_one_that_is(flow: Flow, kind: type[Flow]) -> None:
    """The nearest; of what no sender can be told, that it may come again."""
    told = refused(1, flow).flow()

    assert kind is type(told)
    assert flow.reason == told.reason
