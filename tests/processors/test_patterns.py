"""What regular expressions of users promise: linear time, and clear complaints."""

import time

import pytest

from processors.patterns import Pattern, cached


def test_searches_anywhere() -> None:
    """As in the Collector, a pattern without anchors matches a part."""
    assert Pattern("ell").found_in("hello")
    assert not Pattern("^ell").found_in("hello")
    assert not Pattern("ell").matches("hello")


def test_groups_that_take_no_part_are_empty() -> None:
    """An optional group gives an empty text, as the Collector's does."""
    assert {"a": "x", "b": ""} == Pattern(r"(?P<a>x)(?P<b>y)?").groups("xz")


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        ("-", "-, -"),
        ("$2/$1", "b1/a1, b2/a2"),
        ("${1}0", "a10, a20"),
        ("<${left}>", "<a1>, <a2>"),
        ("$0!", "a1b1!, a2b2!"),
        ("$$1", "$1, $1"),
        (r"\1", r"\1, \1"),
    ],
)
def test_a_replacement_names_groups(replacement: str, expected: str) -> None:
    """Groups are written as in the Collector; a backslash is a backslash."""
    replace = Pattern(r"(?P<left>a\d)(b\d)").replacer(replacement)

    assert expected == replace("a1b1, a2b2")


def test_keeps_what_is_not_ascii() -> None:
    """Texts are UTF-8 all the way."""
    assert "größer • x" == Pattern("é+").replacer("ö")("grééßer • x")


def test_refuses_unknown_groups_and_broken_patterns() -> None:
    """Both are said where the pattern is made, not while spans pass."""
    with pytest.raises(ValueError, match='no group "2"'):
        Pattern("(a)").replacer("$2")
    with pytest.raises(ValueError, match="no regular expression: missing"):
        Pattern("(")
    assert cached("(") is None


def test_hostile_texts_take_linear_time() -> None:
    """A pattern that is exponential elsewhere is not, on a megabyte."""
    started = time.process_time()

    assert not Pattern("^(a+)+$").found_in("a" * 1_000_000 + "b")

    assert time.process_time() - started < 5
