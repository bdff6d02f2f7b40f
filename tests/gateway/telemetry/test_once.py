"""What is remembered of spans that were counted."""

import random

from gateway.telemetry.once import SIZE, Once


def test_a_span_is_new_once() -> None:
    """Also where its number is zero or negative."""
    once = Once()

    assert [True, True, True] == [once.is_new(number) for number in (0, -5, 1 << 62)]
    assert [False, False, False] == [once.is_new(number) for number in (0, -5, 1 << 62)]


def test_most_of_the_newest_are_known() -> None:
    """Of so many spans as come between a request and its retry nearly all are known again."""
    once, source = Once(), random.Random(1)
    numbers = [source.getrandbits(64) for _ in range(SIZE // 16)]
    assert all(once.is_new(number) for number in numbers)

    again = sum(once.is_new(number) for number in numbers[-20_000:])
    assert again < 1000
