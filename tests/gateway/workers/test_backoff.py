"""How soon a worker that ended gets a successor."""

from gateway.workers.backoff import DARK_S, LONGEST_S, Backoff


def test_the_first_successor_comes_at_once() -> None:
    """A single crash costs no wait."""
    assert 0 == Backoff().next(now=5, lived_s=1)


def test_a_crash_loop_backs_off() -> None:
    """Waits double up to a bound while workers end soon after their start."""
    backoff = Backoff()

    waits = [backoff.next(now=float(at), lived_s=1) for at in range(9)]

    assert [0, 0.5, 1, 2, 4, 8, 16, LONGEST_S, LONGEST_S] == waits


def test_a_worker_that_lived_ends_the_loop() -> None:
    """Its crash is the first of its kind."""
    backoff = Backoff()
    for at in range(5):
        backoff.next(now=float(at), lived_s=1)

    assert 0 == backoff.next(now=100, lived_s=60)


def test_the_last_worker_has_a_successor_at_once() -> None:
    """While others wait, somebody takes requests; but a loop stays slow."""
    backoff = Backoff()
    for at in range(9):
        backoff.next(now=float(at), lived_s=1)

    waits = [backoff.next(now=at, lived_s=1, last=True) for at in (10.0, 11.0, 17.0)]

    assert [0, DARK_S - 1, DARK_S - 2] == waits
