"""What is remembered of traces: the latest, in bounded memory."""

import random

from gateway.telemetry.history import MOST_DETAILS, Detail, History, trace_ids
from gateway.testing import batch

RECEIVED, SENT = Detail(kind="received"), Detail(kind="sent", exporter="mlflow")


def ids(count: int, seed: int = 1) -> list[bytes]:
    """Return trace ids."""
    return [random.Random(seed * 1000 + at).randbytes(16) for at in range(count)]


def test_tells_what_happened_in_order() -> None:
    """Every event of a trace is found, and no other's."""
    times = iter(range(1, 10))
    history = History(1000, time_ns=lambda: next(times))
    first, second = ids(2)

    history.note(RECEIVED, [first, second])
    history.note(SENT, {second})

    assert [(1, RECEIVED)] == [(f.time_unix_ns, f.detail) for f in history.find(first)]
    assert [(1, RECEIVED), (2, SENT)] == [(f.time_unix_ns, f.detail) for f in history.find(second)]
    assert [] == history.find(ids(1, seed=2)[0])


def test_forgets_the_oldest() -> None:
    """The latest traces are remembered, however many came in however large batches."""
    for sizes in ([1] * 350, [7] * 50, [64, 100, 3, 99, 150]):
        history = History(100)
        everything = ids(sum(sizes))
        left = list(everything)
        for size in sizes:
            history.note(RECEIVED, left[:size])
            left = left[size:]

        assert all(history.find(trace) for trace in everything[-100:])
        assert not any(history.find(trace) for trace in everything[:-100])


def test_ids_are_not_found_across_others() -> None:
    """The end of one id and the beginning of the next are no id."""
    history = History(10)
    one, other = ids(2)
    history.note(RECEIVED, [one, other])

    assert [] == history.find(one[8:] + other[:8])


def test_made_up_details_do_not_fill_the_memory() -> None:
    """Beyond some thousand different details only kind and component of an event are kept."""
    history = History(MOST_DETAILS * 4)
    traces = ids(MOST_DETAILS * 2)
    for number, trace in enumerate(traces):
        history.note(Detail(kind="dropped", by="mine", reason=f"{number}"), [trace])

    assert [Detail(kind="dropped", by="mine")] == [fact.detail for fact in history.find(traces[-1])]
    assert len(history._details) <= MOST_DETAILS + 10


def test_details_make_room_once_their_events_are_forgotten() -> None:
    """Senders that have gone do not keep those that come later from being named."""
    history = History(100)
    traces = ids(MOST_DETAILS * 2)
    for number, trace in enumerate(traces):
        history.note(Detail(kind="received", peer=f"{number}"), [trace])

    last = [fact.detail.peer for trace in traces[-100:] for fact in history.find(trace)]
    assert [f"{len(traces) - 100 + at}" for at in range(100)] == last
    assert len(history._details) <= 102


def test_tells_when_it_was() -> None:
    """What is noted late stands where it belongs."""
    history = History(10, time_ns=lambda: 5)
    (trace,) = ids(1)
    history.note(SENT, [trace])
    history.note(RECEIVED, [trace], 3)

    assert [(3, RECEIVED), (5, SENT)] == [(f.time_unix_ns, f.detail) for f in history.find(trace)]


def test_traces_of_spans_are_told_once() -> None:
    """Spans of one trace are one trace."""
    spans = batch({}, {}, {}).entries()

    assert {spans[0].trace_id} == trace_ids(spans)
