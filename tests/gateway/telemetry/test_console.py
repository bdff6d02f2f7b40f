"""What the log looks like to a person at a terminal."""

from typing import Any

import pytest

from gateway.telemetry.console import Lines

WHEN = "2026-03-01T12:00:00.123456+01:00"
AT = "2026-03-01 12:00:00.123+01:00"


def text(**line: Any) -> str:
    """Return how a line of the log is written."""
    usual = {"timestamp": WHEN, "level": "warning", "component": "mlflow", "event": "away"}
    return Lines(colours=False)(None, "", {**usual, **line})


def test_lines_are_aligned() -> None:
    """Time, level, component and event stand below each other, whatever they are."""
    one, other = text(spans=3), text(component="otlp", event="request refused", spans=3)

    assert one.startswith(f"{AT}  WARN   mlflow")
    assert one.index("away") == other.index("request refused")
    assert one.index("spans=3") == other.index("spans=3")


def test_what_says_nothing_is_left_out() -> None:
    """Nothing is written of what is empty, and of zero it is."""
    line = text(tenant="", reason=None, trace_ids=[], audit=True, spans=0, cut=False)

    assert ["spans=0", "cut=False"] == line.split("away")[1].split()


def test_the_reason_comes_first_and_what_to_do_below() -> None:
    """Of many fields those that matter at night are found at once."""
    line = text(peer="10.0.0.7", reason="HTTP 503: down", advice="start MLflow")

    first, below = line.splitlines()
    assert first.endswith('reason="HTTP 503: down"  peer=10.0.0.7')
    assert "    what to do: start MLflow" == below


def test_a_reason_of_several_lines_stands_below() -> None:
    """Mistakes of a configuration are read as its commands show them, never as new events."""
    lines = text(reason="2 problems:\na.yaml:1: x\n    did you mean y\x1b?", actor="me")

    first, *below = lines.splitlines()
    assert first.endswith("  actor=me")
    assert ["    2 problems:", "    a.yaml:1: x", "        did you mean y�?"] == below


def test_lists_and_mappings_read_as_sentences() -> None:
    """No brackets, quotes or braces of a programming language."""
    line = text(trace_ids=["a", "b"], endpoints={"grpc": "x:1", "http": "x:2"})

    assert line.endswith('trace_ids="a, b"  endpoints="grpc x:1, http x:2"')


def test_the_way_to_a_fault_has_lines_of_its_own() -> None:
    """Frames stand below each other."""
    line = text(fault="KeyError at a.py:3", frames=["a.py:1 run", "a.py:3 call"])

    assert ["    at a.py:1 run", "    at a.py:3 call"] == line.splitlines()[1:]


@pytest.mark.parametrize("evil", ["a\nb", "a\r\nb", "a\x1b[2Jb", "a\x85b"])
def test_nobody_writes_lines_of_their_own(evil: str) -> None:
    """What comes from elsewhere can begin no line and move no cursor."""
    line = text(peer=evil, event=evil)

    assert 1 == len(line.splitlines())
    assert "\x1b" not in line


def test_colours_are_for_terminals() -> None:
    """Where they are shown the level has one; elsewhere there is none."""
    line = {"timestamp": WHEN, "level": "error", "component": "c", "event": "e"}

    assert "\x1b[31mERROR" in Lines(colours=True)(None, "", dict(line))
    assert "\x1b" not in Lines(colours=False)(None, "", dict(line))
