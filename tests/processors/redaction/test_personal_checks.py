"""What decides about personal data, beside the corpus."""

import random

from stdnum import luhn

from processors.redaction.personal_checks import passes_luhn


def test_checksum_is_that_of_the_standard() -> None:
    """Luhn's formula agrees with the library's on numbers of every length."""
    dice = random.Random(1)
    numbers = [
        "".join(dice.choices("0123456789", k=size)) for size in range(1, 25) for _ in "x" * 40
    ]
    numbers += [number + luhn.calc_check_digit(number) for number in numbers]

    assert [luhn.is_valid(each) for each in numbers] == [
        passes_luhn(each.encode()) for each in numbers
    ]
