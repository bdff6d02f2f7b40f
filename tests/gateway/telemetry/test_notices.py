"""What the status page keeps of the log."""

from gateway.telemetry.notices import KEPT, MAX_CHARS, Notices


def test_keeps_warnings_and_errors_with_their_fields() -> None:
    """What an operator should look at is kept, the rest is not; every line goes on."""
    notices = Notices(lambda: 7)
    line = {"level": "error", "component": "mlflow", "event": "parked", "spans": 3}

    assert line is notices(None, "error", line)
    notices(None, "info", {"level": "info", "component": "mlflow", "event": "created"})

    assert [("error", "mlflow", "parked", {"spans": "3"}, 1, 7)] == [
        (n.level, n.component, n.event, n.fields, n.count, n.time_unix_ns) for n in notices.list()
    ]


def test_repeated_events_are_one_notice() -> None:
    """A flood of one event pushes no other out; it is the youngest, with its last fields."""
    notices = Notices()
    notices(None, "", {"level": "warning", "component": "a", "event": "flood", "n": 0})
    notices(None, "", {"level": "warning", "component": "a", "event": "once"})
    for number in range(1000):
        notices(None, "", {"level": "warning", "component": "a", "event": "flood", "n": number})

    assert [("once", 1, {}), ("flood", 1001, {"n": "999"})] == [
        (n.event, n.count, n.fields) for n in notices.list()
    ]


def test_is_bounded() -> None:
    """Neither many events nor long ones take much memory."""
    notices = Notices()
    for number in range(KEPT * 2):
        long = {"event": f"{number} " + "x" * 10_000, "reason": "y" * 10_000}
        notices(None, "", {"level": "error", "component": "a", **long})

    kept = notices.list()

    assert KEPT == len(kept)
    assert {MAX_CHARS} == {len(text) for n in kept for text in (n.event, n.fields["reason"])}


def test_fields_read_as_people_write() -> None:
    """What says nothing is left out, and lists have no brackets."""
    notices = Notices()
    line = {"level": "error", "component": "c", "event": "e", "tenant": "", "at": None}
    notices(None, "", {**line, "spans": 0, "trace_ids": ["a", "b"], "left": []})

    assert [{"spans": "0", "trace_ids": "a, b"}] == [one.fields for one in notices.list()]
