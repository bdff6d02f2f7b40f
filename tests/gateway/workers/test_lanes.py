"""Who serves which lane."""

import pytest

from gateway.workers.lanes import Allotment


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 7])
def test_lanes_are_spread_evenly(workers: int) -> None:
    """No worker has two lanes more than another, and every lane is served."""
    lanes = Allotment()

    lanes.share(4, range(workers))

    shares = [len(lanes.of(worker)) for worker in range(workers)]
    assert max(shares) - min(shares) <= 1
    assert [0, 1, 2, 3] == sorted(lanes.owners())


def test_a_lane_moves_only_once_it_is_released() -> None:
    """While its holder finishes, nobody serves it."""
    lanes = Allotment()
    lanes.share(4, [0])

    lanes.share(4, [0, 1])

    assert {0: 0, 1: 0} == lanes.owners()
    lanes.released(0, [2, 3])
    assert {0: 0, 1: 0, 2: 1, 3: 1} == lanes.owners()


def test_the_lanes_of_a_worker_that_is_gone_are_taken_at_once() -> None:
    """It can no longer release them."""
    lanes = Allotment()
    lanes.share(4, [0, 1])

    lanes.gone(0)
    lanes.share(4, [1])

    assert [0, 1, 2, 3] == lanes.of(1)


def test_a_release_that_comes_too_late_counts_for_nothing() -> None:
    """A lane that its holder shall keep after all stays with it."""
    lanes = Allotment()
    lanes.share(2, [0])
    lanes.share(2, [0, 1])
    lanes.gone(1)
    lanes.share(2, [0])

    lanes.released(0, [1])

    assert [0, 1] == lanes.of(0)
