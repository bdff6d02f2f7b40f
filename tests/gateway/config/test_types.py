"""What the types of settings promise."""

import pytest

from gateway.config.types import Duration, FilePath, Secret, from_yaml, to_plain


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("200ms", 0.2), ("5s", 5), ("1m30s", 90), ("1.5h", 5400), ("0", 0), ("3us", 3e-6)],
)
def test_durations_read_as_in_the_collector(text: str, seconds: float) -> None:
    """Go's notation, without signs."""
    assert Duration.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "5 s", "-5s", "s", "5x", "1s 2s", "٣s", "9" * 400 + "s"])
def test_anything_else_is_no_duration(text: str) -> None:
    """A number needs its unit."""
    with pytest.raises(ValueError, match="expected a duration"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["200ms", "5s", "90m", "1h", "0s", "1500ms", "3us"])
def test_durations_print_as_they_read(text: str) -> None:
    """What is printed can be read again."""
    duration = Duration.parse(text)

    assert duration == Duration.parse(str(duration))


def test_a_secret_prints_as_stars() -> None:
    """No way of printing shows it, only ``reveal`` does."""
    value = "hunter" + "2"
    secret = Secret(value)

    assert {"****"} == {str(secret), repr(secret), f"{secret}", str(to_plain(secret))}
    assert value == secret.reveal()


def test_secrets_compare_by_value() -> None:
    """Equal texts are equal secrets; a text is no secret."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert not Secret("")


@pytest.mark.parametrize(
    ("kind", "value"),
    [(Duration, 5), (Duration, True), (Duration, "x"), (Secret, ["a"]), (FilePath, 5)],
)
def test_wrong_values_are_refused(kind: type, value: object) -> None:
    """Each type says what it expects."""
    with pytest.raises(ValueError, match="expected"):
        from_yaml(kind, value)
