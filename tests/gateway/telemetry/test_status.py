"""The state of a gateway out of that of its workers."""

from typing import Any

import pytest

from gateway.telemetry.notices import Notice
from gateway.telemetry.status import (
    DestinationStatus,
    SenderStatus,
    Status,
    Trouble,
    merge,
    remains,
)


def worker(**fields: Any) -> Status:
    """Return the status of a worker."""
    usual: dict[str, Any] = {
        "version": "1.0",
        "state": "running",
        "degraded": [],
        "pipelines": {"traces": ["otlp", "mlflow"]},
        "endpoints": {"grpc": "127.0.0.1:4317"},
        "exporters": [],
        "dead_letters": 0,
    }
    return Status(**(usual | fields))


def sender(spans: int, age: float, *troubles: Trouble, exporter: str = "mlflow") -> SenderStatus:
    """Return the status of an exporter."""
    return SenderStatus(
        exporter=exporter,
        waiting_spans=spans,
        waiting_bytes=spans * 10,
        max_bytes=1000,
        oldest_age_seconds=age,
        troubles=list(troubles),
    )


def trouble(destination: str, since: int, advice: str | None = None) -> Trouble:
    """Return a trouble."""
    return Trouble(
        destination=destination,
        reason=f"since {since}",
        advice=advice,
        since_unix_ns=since,
        failures=1,
    )


def test_one_worker_is_the_gateway() -> None:
    """With one worker nothing changes."""
    alone = worker(
        degraded=["the disk is full"],
        exporters=[sender(3, 1.5, trouble("a", 1))],
        dead_letters=2,
    )

    assert alone == merge([alone])


def test_what_waits_is_added_up() -> None:
    """Counts are summed over the workers, ages are not."""
    merged = merge(
        [
            worker(exporters=[sender(3, 1.5), sender(1, 9.0, exporter="file")], dead_letters=1),
            worker(exporters=[sender(4, 0.5)], dead_letters=2),
        ]
    )

    assert 3 == merged.dead_letters
    assert [("mlflow", 7, 70, 2000, 1.5), ("file", 1, 10, 1000, 9.0)] == [
        (s.exporter, s.waiting_spans, s.waiting_bytes, s.max_bytes, s.oldest_age_seconds)
        for s in merged.exporters
    ]


def test_trouble_is_told_once() -> None:
    """Several workers' trouble with a destination is one, the one that a person can mend."""
    first = worker(
        degraded=["x"], exporters=[sender(0, 0, trouble("a", 1), trouble("b", 5, "do it"))]
    )
    second = worker(degraded=["x", "y"], exporters=[sender(0, 0, trouble("a", 0), trouble("b", 2))])

    merged = merge([first, second])

    assert ["x", "y"] == merged.degraded
    assert [("b", 5, "do it"), ("a", 0, None)] == [
        (t.destination, t.since_unix_ns, t.advice) for t in merged.exporters[0].troubles
    ]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "starting"),
        (["starting", "starting"], "starting"),
        (["starting", "running"], "running"),
        (["stopping", "running"], "running"),
        (["stopping", "starting"], "stopping"),
        (["stopping"], "stopping"),
    ],
)
def test_runs_while_any_worker_does(states: list[str], expected: str) -> None:
    """A worker that is replaced does not make the gateway unready."""
    assert expected == merge([worker(state=state) for state in states]).state


def test_what_a_worker_leaves() -> None:
    """Its notices and counts stay; what waited with it and its troubles are others' by now."""
    place = DestinationStatus(destination="a", page="", waiting_spans=4, sent_spans=7)
    notice = Notice(
        time_unix_ns=1, level="error", component="mlflow", event="x", fields={}, count=3
    )
    before = sender(4, 2.5, trouble("a", 1))
    before.destinations = [place]
    ended = worker(degraded=["away"], exporters=[before], dead_letters=2, notices=[notice])

    left = merge([worker(exporters=[sender(1, 0.5)]), remains(ended)])

    assert ("running", [], 2, [notice]) == (
        left.state,
        left.degraded,
        left.dead_letters,
        left.notices,
    )
    [exporter] = left.exporters
    assert (1, 1000, 0.5, []) == (
        exporter.waiting_spans,
        exporter.max_bytes,
        exporter.oldest_age_seconds,
        exporter.troubles,
    )
    assert [(0, 7)] == [(one.waiting_spans, one.sent_spans) for one in exporter.destinations]
