"""Where patterns are searched, and how far."""

from processors.redaction import regex

WHOLE = regex.compile(r"\bpw:[^ ]*;")
BEGIN = regex.compile(r"\bpw:")


def test_match_that_begins_near_may_end_far() -> None:
    """What begins before the place where the search ends is found however long it is."""
    text = b"x pw:" + b"a" * 2000 + b"; " + b"b" * 2000

    assert [(2, 2006)] == WHOLE.findings(text, 0, 10, BEGIN)


def test_match_that_begins_far_is_not_looked_for() -> None:
    """What begins behind that place is nobody's finding, whether the beginning is known or not."""
    text = b"-" * 1000 + b" pw:a;" + b"-" * 1000

    assert [] == WHOLE.findings(text, 0, 100, BEGIN)
    assert [(1001, 1006)] == WHOLE.findings(text, 0, 1002, BEGIN)


def test_each_match_near_is_found() -> None:
    """One match does not hide the next, nor does text that only begins like one."""
    text = b"pw: pw:a; pw:b;" + b"-" * 1000

    assert [(4, 9), (10, 15)] == WHOLE.findings(text, 0, 20, BEGIN)


def test_first_group_is_the_finding() -> None:
    """Where a pattern has groups, the bounds are those of the first one that has a part."""
    pattern = regex.compile(r"pw:(?:(a+)|(b+))")

    assert [(3, 5), (9, 11)] == pattern.findings(b"pw:aa pw:bb", 0, 11)


def test_beginning_may_reach_further_than_it_may_stand() -> None:
    """What shows that a match begins may end behind the place until which it may begin."""
    text = b"x pw:a;" + b"-" * 1000 + b" pw:b;" + b"-" * 2000

    assert [(2, 7)] == WHOLE.findings(text, 0, 3, BEGIN, 200)
    assert [] == WHOLE.findings(text, 8, 9, BEGIN, 1400)


def test_pattern_that_is_its_own_beginning_is_found_whole() -> None:
    """Where no other begins it, a match reaches as far as it likes."""
    key = regex.compile(r"\bsk-[a-z]{4,}")
    text = b"x sk-abcd; sk-" + b"a" * 2000 + b";" + b"-" * 2000

    assert [(2, 9), (11, 2014)] == key.findings(text, 0, 12, key, 200)
