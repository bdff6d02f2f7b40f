"""What delivery promises: every span once, whatever the destination does."""

import asyncio
import random
import time

import pytest

from gateway.batch import Batch, BatchContext
from gateway.courtesy import Courtesy
from gateway.delivery import lane, request, sender
from gateway.errors import Flow, Moved, Reject, Retry
from gateway.queue import shelf
from gateway.queue.queue import MemoryShelf
from gateway.testing import batch
from tests.gateway.delivery.conftest import Start, keys


def poison(*names: str) -> object:
    """Return a destination that refuses every request with a span of these names."""

    def answer(request: Batch, _number: int) -> Flow | None:
        bad = [span.name for span in request if span.name in names]
        return Reject(f"cannot store {bad[0]}", isolate=True) if bad else None

    return answer


async def test_delivers_every_span_once(start: Start) -> None:
    """A hundred requests of a hundred traces arrive, none twice."""
    batches = [batch({}, {}, {}) for _ in range(100)]
    async with start() as bench:
        await bench.put(*batches)
        await bench.drained()
    assert sorted(keys(batches)) == sorted(bench.exporter.all_stored())


async def test_joins_requests_into_batches(start: Start) -> None:
    """What comes within the flush timeout goes out together, up to the limit of spans."""
    batching = {"max_spans": 50, "flush_timeout": "1m"}
    settings = {"sending_queue": {"num_lanes": 1}, "batch": batching}
    async with start(**settings) as bench:
        await bench.put(*(batch({}) for _ in range(100)))
        await bench.drained()
    assert [len(spans) for _, spans in bench.exporter.requests] == [50, 50]


async def test_a_large_request_is_cut(start: Start) -> None:
    """One request of 1,000 spans goes out in pieces of at most 100."""
    big = batch(*({} for _ in range(1000)))
    async with start(batch={"max_spans": 100, "flush_timeout": "10ms"}) as bench:
        await bench.put(big)
        await bench.drained()
    assert [len(spans) for _, spans in bench.exporter.requests] == [100] * 10
    assert sorted(keys([big])) == sorted(bench.exporter.all_stored())


async def test_bytes_bound_a_request(start: Start) -> None:
    """A span larger than a request goes alone."""
    wide = [batch({"text": "x" * 40_000}) for _ in range(4)]
    settings = {"sending_queue": {"num_lanes": 1}, "batch": {"max_size_mib": 0.05}}
    async with start(**settings) as bench:
        await bench.put(*wide)
        await bench.drained()
    assert [len(spans) for _, spans in bench.exporter.requests] == [1] * 4


async def test_traces_are_sorted_by_id(start: Start) -> None:
    """Inside a request traces come in order of their ids, each in one piece."""
    batches = [batch({}, {}) for _ in range(20)]
    random.shuffle(batches)
    async with start(sending_queue={"num_lanes": 1}) as bench:
        await bench.put(*batches)
        await bench.drained()
    for _, spans in bench.exporter.requests:
        traces = [trace for trace, _ in spans]
        assert sorted(traces) == traces


async def test_the_last_of_repeated_spans_is_sent(start: Start) -> None:
    """A span that came twice stands once in a request, as its sender said last."""
    first = batch({"state": "old"})
    second = Batch(first.encode())
    for span in second:
        span.attributes["state"] = "new"
    seen: list[object] = []
    batching = {"max_spans": 2, "flush_timeout": "1m"}
    async with start(sending_queue={"num_lanes": 1}, batch=batching) as bench:
        bench.exporter.answer = lambda request, _n: seen.extend(
            span.attributes["state"] for span in request
        )
        await bench.put(first, second)
        await bench.drained()
    assert seen == ["new"]


async def test_retries_until_the_destination_is_back(start: Start) -> None:
    """Five failures delay a request and lose nothing."""
    sent = batch({}, {})
    async with start() as bench:
        bench.exporter.answer = lambda _b, number: Retry("down") if number <= 5 else None
        await bench.put(sent)
        await bench.drained()
    assert sorted(keys([sent])) == sorted(bench.exporter.all_stored())
    assert bench.letters() == []


async def test_gives_up_after_max_elapsed_time(start: Start) -> None:
    """With a limit on retries a span becomes a dead letter that says why."""
    retry = {"initial_interval": "2ms", "max_interval": "5ms", "max_elapsed_time": "30ms"}
    async with start(retry_on_failure=retry) as bench:
        bench.exporter.answer = lambda _b, _n: Retry("still down")
        await bench.put(batch({}))
        await bench.drained()
    assert [letter.reason for letter in bench.letters()] == ["still down"]


async def test_postponed_spans_are_given_up_in_time(start: Start) -> None:
    """The limit on retries counts from the first try, though the spans went back to the queue."""
    retry = {"initial_interval": "20ms", "max_interval": "20ms", "max_elapsed_time": "500ms"}
    async with start(retry_on_failure=retry) as bench:
        bench.exporter.answer = lambda _b, _n: Retry("still down")
        await bench.put(batch({}), batch({}))
        await bench.drained()
    assert len(bench.letters()) == 2
    assert all(letter.attempts >= 3 for letter in bench.letters())


@pytest.mark.parametrize("spans", [1, 3, 40])
async def test_poison_harms_no_neighbour(start: Start, spans: int) -> None:
    """One bad span in a trace beside others: only that span is not stored."""
    good = [batch(*({} for _ in range(spans))) for _ in range(10)]
    bad = batch(*({} for _ in range(spans)), {})
    list(bad)[-1].name = "poison"
    async with start(sending_queue={"num_lanes": 1}) as bench:
        bench.exporter.answer = poison("poison")
        await bench.put(*good, bad)
        await bench.drained()
    expected = [*keys(good), *keys([bad])[:-1]]
    assert sorted(expected) == sorted(set(bench.exporter.all_stored()))
    assert [(x.name, x.reason) for x in bench.letters()] == [("poison", "cannot store poison")]


async def test_seven_poisons_in_a_thousand_spans(start: Start) -> None:
    """993 spans are stored and seven are dead letters."""
    batches = [batch(*({} for _ in range(10))) for _ in range(100)]
    names = [f"poison {n}" for n in range(7)]
    for name, victim in zip(names, random.sample(batches, 7), strict=True):
        list(victim)[random.randrange(10)].name = name
    async with start() as bench:
        bench.exporter.answer = poison(*names)
        await bench.put(*batches)
        await bench.drained()
    assert len(set(bench.exporter.all_stored())) == 993
    assert sorted(names) == sorted(letter.name for letter in bench.letters())


async def test_nothing_stored_is_an_outage(start: Start) -> None:
    """While a destination refuses everything, nothing becomes a dead letter; then all arrive."""
    batches = [batch({}, {}) for _ in range(5)]
    healthy = False
    async with start() as bench:
        bench.exporter.answer = lambda _b, _n: None if healthy else Reject("500", isolate=True)
        await bench.put(*batches)
        await bench.until(lambda: len(bench.exporter.requests) > 100)
        assert bench.letters() == []
        healthy = True
        await bench.drained()
    assert sorted(keys(batches)) == sorted(bench.exporter.all_stored())
    assert bench.letters() == []


async def test_a_lone_poison_waits_for_proof(start: Start) -> None:
    """A refused span that came alone becomes a dead letter once another trace was stored."""
    lone, other = batch({}, name="poison"), batch({})
    async with start() as bench:
        bench.exporter.answer = poison("poison")
        await bench.put(lone)
        await bench.until(lambda: len(bench.exporter.requests) >= 6)
        assert bench.letters() == []
        await bench.put(other)
        await bench.drained()
    assert keys([other]) == bench.exporter.all_stored()
    assert [letter.name for letter in bench.letters()] == ["poison"]


async def test_poison_before_others_in_its_lane(start: Start) -> None:
    """Good traces that come after lone poisons in the same lane are stored without delay."""
    good = [batch({}) for _ in range(3)]
    async with start(sending_queue={"num_lanes": 1}) as bench:
        bench.exporter.answer = poison("poison")
        for _ in range(2):
            requests = len(bench.exporter.requests)
            await bench.put(batch({}, name="poison"))
            await bench.until(lambda least=requests + 2: len(bench.exporter.requests) >= least)
        await bench.put(*good)
        await bench.drained()
    assert sorted(keys(good)) == sorted(set(bench.exporter.all_stored()))
    assert len(bench.letters()) == 2


async def test_a_named_span_is_taken_out(start: Start) -> None:
    """Spans that the exporter names become dead letters, the others are sent."""
    mixed = batch({}, {}, {})
    list(mixed)[1].name = "bad"

    def answer(request: Batch, _number: int) -> Flow | None:
        bad = [span for span in request if span.name == "bad"]
        return Reject("too wide", spans=bad) if bad else None

    async with start() as bench:
        bench.exporter.answer = answer
        await bench.put(mixed)
        await bench.drained()
    assert len(bench.exporter.all_stored()) == 2
    assert [letter.name for letter in bench.letters()] == ["bad"]


async def test_a_parked_destination_blocks_no_other(start: Start) -> None:
    """Spans for a destination that waits for a person stay; those for others go."""
    parked = [batch({}, resource={"to": "a"}) for _ in range(20)]
    others = [batch({}, resource={"to": "b"}) for _ in range(20)]
    mended = False

    def answer(request: Batch, _number: int) -> Flow | None:
        if request.context.destination == "a" and not mended:
            return Retry("403", advice="grant the permission")
        return None

    async with start() as bench:
        bench.exporter.answer = answer
        await bench.put(*(b for pair in zip(parked, others, strict=True) for b in pair))
        await bench.until(lambda: len(bench.exporter.stored.get("b", [])) == 20)
        troubles = bench.sender.status().troubles
        assert [(t.destination, t.advice) for t in troubles] == [("a", "grant the permission")]
        mended = True
        await bench.drained()
        assert bench.sender.status().troubles == []
    assert sorted(keys(parked)) == sorted(bench.exporter.stored["a"])


async def test_a_fault_of_the_server_holds_everything(start: Start) -> None:
    """A failure that concerns the exporter as a whole keeps other destinations from trying."""
    tried: list[tuple[float, str]] = []

    def answer(request: Batch, number: int) -> Flow | None:
        tried.append((time.monotonic(), request.context.destination))
        if number > 1:
            return None
        return Retry("401", advice="mend the token", scope="exporter", after=0.3)

    async with start() as bench:
        bench.exporter.answer = answer
        await bench.put(batch({}, resource={"to": "a"}))
        await bench.until(lambda: len(tried) == 1)
        await bench.put(batch({}, resource={"to": "b"}))
        await bench.drained()
    assert {"a", "b"} == {destination for _, destination in tried[1:]}
    assert all(at - tried[0][0] >= 0.29 for at, _ in tried[1:])


async def test_an_outage_holds_nothing_in_memory(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While twenty destinations are away, what waits for them is on disk alone; then all go."""
    monkeypatch.setattr(shelf, "CACHE_BYTES", 0)
    batches = [batch({}, resource={"to": str(n % 20)}) for n in range(200)]
    away = True
    retry = {"initial_interval": "300ms", "max_interval": "300ms"}
    async with start(retry_on_failure=retry) as bench:
        bench.exporter.answer = lambda _b, _n: Retry("away") if away else None
        await bench.put(*batches)
        await bench.until(lambda: len(bench.exporter.requests) >= 40)
        lines = bench.sender.queue.lines
        await bench.until(
            lambda: sum(len(run) for line in lines() for run in line.runs) == len(batches)
        )
        away = False
        await bench.drained()
    assert sorted(keys(batches)) == sorted(bench.exporter.all_stored())


async def test_a_backlog_goes_out_oldest_first(start: Start) -> None:
    """After an outage what came first is sent first, and what comes meanwhile after it."""
    backlog, live = ([batch({}) for _ in range(60)] for _ in range(2))
    away = True
    settings = {
        "sending_queue": {"num_lanes": 1},
        "batch": {"max_spans": 5, "flush_timeout": "10ms"},
    }
    async with start(**settings) as bench:
        bench.exporter.answer = lambda _b, _n: Retry("away") if away else None
        await bench.put(*backlog)
        await bench.until(lambda: len(bench.exporter.requests) >= 2)
        away = False
        await bench.put(*live)
        await bench.drained()
    came = {key: at for at, key in enumerate(keys([*backlog, *live]))}
    order = [came[key] for key in bench.exporter.all_stored()]
    fives = [sorted(order[at : at + 5]) for at in range(0, len(order), 5)]  # sorted by trace id
    assert list(range(120)) == [at for five in fives for at in five]


async def test_what_another_worker_never_brings_is_not_awaited_for_long(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spans go out although older ones are announced, once those do not come."""
    monkeypatch.setattr(lane, "OLDER_S", 0.05)
    async with start(sending_queue={"num_lanes": 1}) as bench:
        line = bench.sender.queue.lanes[0].line("")
        line.expect(MemoryShelf(), 1)
        await bench.put(batch({}, context=BatchContext(received_unix_ns=2)))
        await bench.drained()
    assert 1 == len(bench.exporter.all_stored())


async def test_who_is_gone_brings_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans go out at once where the worker that announced older ones has ended."""
    monkeypatch.setattr(lane, "OLDER_S", 3600)
    gone = MemoryShelf()
    async with start(sending_queue={"num_lanes": 1}) as bench:
        line = bench.sender.queue.lanes[0].line("")
        line.expect(gone, 1)
        await bench.put(batch({}, context=BatchContext(received_unix_ns=2)))
        bench.store.leave(gone)
        await bench.drained()
    assert 1 == len(bench.exporter.all_stored())


async def test_a_moved_trace_follows_its_home(start: Start) -> None:
    """A trace that lives elsewhere goes there with all that follows; the rest stays."""
    first = [batch({}, resource={"to": "a"}) for _ in range(4)]
    moved = list(first[2])[0].trace_id
    later = Batch(first[2].encode())
    for span in later:
        span.proto.span_id = b"laterone"

    def answer(request: Batch, _number: int) -> Flow | None:
        if request.context.destination == "a" and any(s.trace_id == moved for s in request):
            return Moved("lives in b", {moved: "b"})
        return None

    async with start() as bench:
        bench.exporter.answer = answer
        await bench.put(*first)
        await bench.drained()
        requests = len(bench.exporter.requests)
        await bench.put(later)
        await bench.drained()
    assert [(moved, keys([first[2]])[0][1]), (moved, b"laterone")] == bench.exporter.stored["b"]
    assert len(bench.exporter.stored["a"]) == 3
    assert [destination for destination, _ in bench.exporter.requests[requests:]] == ["b"]


async def test_a_trace_keeps_its_first_destination(start: Start) -> None:
    """Spans of a known trace that ask for another destination follow the first ones."""
    first = batch({}, resource={"to": "a"})
    later = batch({}, resource={"to": "b"})
    for span in later:
        span.proto.trace_id = list(first)[0].trace_id
    async with start() as bench:
        await bench.put(first)
        await bench.drained()
        await bench.put(later)
        await bench.drained()
    assert sorted(keys([first, later])) == sorted(bench.exporter.stored["a"])


@pytest.mark.parametrize("destinations", [1, 100])
async def test_a_flood_delays_no_other_tenant(start: Start, destinations: int) -> None:
    """Behind 200 requests of one tenant, in one destination or many, another's is soon sent."""
    flood = [batch(*({} for _ in range(10)), resource={"to": n % destinations}) for n in range(200)]
    away = True
    settings = {
        "sending_queue": {"num_lanes": 1},
        "batch": {"max_spans": 10, "flush_timeout": "1ms"},
    }
    async with start(**settings) as bench:
        bench.exporter.answer = lambda _b, _n: Retry("away") if away else None
        await bench.put(*flood, tenant="flood")
        await bench.until(lambda: len(bench.exporter.requests) >= 1)
        # One of the flood's own would have to wait until that is tried again.
        mine = batch({}, resource={"to": 0 if destinations == 1 else "mine"})
        await bench.put(mine, tenant="normal")
        tried = len(bench.exporter.requests)
        away = False
        (key,) = keys([mine])
        await bench.drained()
    late = bench.exporter.requests[tried:]
    (at,) = [n for n, (_, spans) in enumerate(late) if key in spans]
    assert at < 10 < len(late)
    assert sorted(keys([*flood, mine])) == sorted(bench.exporter.all_stored())


async def test_states_of_idle_destinations_are_forgotten(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many destinations leave few states behind; one in trouble keeps its own."""
    monkeypatch.setattr(sender, "STATES_KEPT", 10)
    async with start(sending_queue={"storage": "memory", "num_lanes": 1}) as bench:
        bench.exporter.answer = lambda request, _n: (
            Retry("away") if request.context.destination == "away" else None
        )
        await bench.put(batch({}, resource={"to": "away"}))
        for wave in range(20):
            await bench.put(*(batch({}, resource={"to": f"{wave} {n}"}) for n in range(10)))
            await bench.until(lambda: bench.sender.queue.spans == 1)
        (trouble,) = bench.sender.status().troubles
        assert "away" == trouble.destination
        assert len(bench.sender._states) <= 40


async def test_an_exporter_with_a_bug_loses_nothing(start: Start) -> None:
    """An unforeseen exception is treated as a refusal: the culprit is found."""
    bad, good = batch({}, name="bad"), batch({}, {})

    def answer(request: Batch, _number: int) -> Exception | None:
        return KeyError("x") if any(span.name == "bad" for span in request) else None

    async with start(sending_queue={"num_lanes": 1}) as bench:
        bench.exporter.answer = answer
        await bench.put(bad, good)
        await bench.drained()
    assert sorted(keys([good])) == sorted(set(bench.exporter.all_stored()))
    assert [letter.name for letter in bench.letters()] == ["bad"]
    assert "KeyError" in bench.letters()[0].reason


async def test_what_goes_out_waits_for_who_is_answered(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a tenant that uses little waits for its answer no request is sent."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    class Doorkeeper(Courtesy):
        async def after_others(self, tenant: str | None = None) -> None:
            assert tenant is None
            asked.set()
            await go_on.wait()

    monkeypatch.setattr(request, "COURTESY", Doorkeeper())
    async with start() as bench:
        await bench.put(batch({}))
        await asked.wait()
        assert not bench.exporter.requests
        go_on.set()
        await bench.drained()
    assert 1 == len(bench.exporter.requests)
