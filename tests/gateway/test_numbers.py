"""How numbers of things are told."""

import pytest

from gateway.numbers import several


@pytest.mark.parametrize(
    ("count", "told"), [(0, "0 spans"), (1, "1 span"), (2, "2 spans"), (1234, "1,234 spans")]
)
def test_only_one_thing_has_no_s(count: int, told: str) -> None:
    """Nothing and many have one."""
    assert told == several(count, "span")
