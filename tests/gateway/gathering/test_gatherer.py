"""What stage 2 promises: whole traces, decided once, none lost, and late spans that follow."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.batch import Batch
from gateway.errors import Busy
from gateway.otlp.values import key_value
from gateway.queue.dead_letters import LetterFile
from gateway.telemetry import metrics
from gateway.testing import FakeClock, batch, component
from tests.gateway.gathering.bench import bench, until
from tests.gateway.gathering.judges import Judge, MarkingJudge

STORAGES = pytest.mark.parametrize("storage", ["disk", "memory"])


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Forget what earlier tests left."""
    Judge.asked.clear()
    yield
    Judge.asked.clear()


def span_of(trace: int, number: int, attributes: dict[str, Any]) -> Batch:
    """Return a request with one span; number 0 is the root of its trace."""
    one = batch(attributes)
    proto = one.spans[0].proto
    proto.trace_id = trace.to_bytes(16)
    proto.span_id = (trace << 8 | number + 1).to_bytes(8)
    proto.parent_span_id = b"" if number == 0 else (trace << 8 | 1).to_bytes(8)
    return Batch(one.encode())


def together(parts: list[Batch]) -> Batch:
    """Return one request with the spans of several."""
    whole = parts[0].request
    for part in parts[1:]:
        whole.MergeFrom(part.peek)
    return Batch(whole.SerializeToString())


def ids(batches: list[Batch]) -> Counter[int]:
    """Return how many spans there are of each trace."""
    return Counter(int.from_bytes(span.trace_id) for one in batches for span in one)


@STORAGES
async def test_a_trace_is_judged_once_and_as_a_whole(tmp_path: Path, storage: str) -> None:
    """The spans of several requests, when the first has waited long enough."""
    async with bench(tmp_path, storage=storage) as gathering:
        await gathering.send(span_of(1, 0, {}))
        await gathering.pass_time(6)
        await gathering.send(span_of(1, 1, {"keep": True}), span_of(2, 0, {"keep": True}))
        await gathering.pass_time(4.1)
        assert {1: 2} == ids(await gathering.kept(2))
        assert [((1).to_bytes(16), 2, None)] == Judge.asked
        assert {2: 1} == ids(await gathering.over())


@STORAGES
async def test_twenty_thousand_interleaved_traces(tmp_path: Path, storage: str) -> None:
    """Of three spans each, spread over requests in any order: exactly the wanted ones, whole."""
    dice = random.Random(3)
    wanted = {trace for trace in range(1, 20_001) if dice.random() < 0.3}
    spans = [(trace, number) for trace in range(1, 20_001) for number in range(3)]
    dice.shuffle(spans)
    keys = {trace: dice.randrange(3) for trace in wanted}
    request = batch({}).request
    template = request.resource_spans[0].scope_spans[0].spans[0]
    kept = key_value("keep", True)
    async with bench(tmp_path, storage=storage) as gathering:
        for at in range(0, len(spans), 500):
            some = batch({}).request
            scope = some.resource_spans[0].scope_spans[0]
            del scope.spans[:]
            for trace, number in spans[at : at + 500]:
                span = scope.spans.add()
                span.CopyFrom(template)
                span.trace_id = dice_id(trace)
                span.span_id = (trace << 8 | number).to_bytes(8)
                if keys.get(trace) == number:
                    span.attributes.append(kept)
            await gathering.send(Batch(some.SerializeToString()))
        assert all(lane.lines for lane in gathering.gatherer.queue.lanes)
        arrived: Counter[bytes] = Counter(
            span.trace_id for one in await gathering.over() for span in one
        )
        assert 20_000 == len(Judge.asked)
        assert {dice_id(trace): 3 for trace in wanted} == arrived


def dice_id(trace: int) -> bytes:
    """Return an id that falls into any lane."""
    return random.Random(trace).randbytes(16)


@STORAGES
async def test_late_spans_follow(tmp_path: Path, storage: str) -> None:
    """Those of kept traces go on, those of dropped ones do not; neither is asked about again."""
    async with bench(tmp_path, storage=storage) as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}), span_of(2, 0, {}))
        assert {1: 1} == ids(await gathering.over())
        asked = len(Judge.asked)
        await gathering.send(together([span_of(1, 1, {}), span_of(2, 1, {"keep": True})]))
        await until(lambda: not gathering.gatherer.queue.spans)
        assert {1: 1} == ids(await gathering.kept())
        assert asked == len(Judge.asked)


async def test_undecided_traces_survive_and_their_wait_goes_on(tmp_path: Path) -> None:
    """What ends as in a crash is judged by the next, as if nothing had happened."""
    clock = FakeClock()
    async with bench(tmp_path, clock=clock) as gathering:
        await gathering.send(span_of(1, 0, {}), span_of(2, 0, {}))
        await gathering.pass_time(6)
    async with bench(tmp_path, clock=clock) as gathering:
        await gathering.send(span_of(1, 1, {"keep": True}))
        await gathering.pass_time(4.1)
        assert {1: 2} == ids(await gathering.kept(2))
        assert 2 == len(Judge.asked)


async def test_late_spans_follow_after_a_restart(tmp_path: Path) -> None:
    """Decisions are kept beside the queue."""
    clock = FakeClock()
    async with bench(tmp_path, clock=clock) as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}), span_of(2, 0, {}))
        assert {1: 1} == ids(await gathering.over())
    async with bench(tmp_path, clock=clock) as gathering:
        await gathering.send(span_of(1, 1, {}), span_of(2, 1, {"keep": True}))
        await until(lambda: not gathering.gatherer.queue.spans)
        assert {1: 1} == ids(await gathering.kept())
        assert 2 == len(Judge.asked)


async def test_a_drain_repeats_nothing(tmp_path: Path) -> None:
    """Of a request whose traces are partly decided only the others wait for the next start."""
    clock = FakeClock()
    async with bench(tmp_path, clock=clock, num_lanes=1, drain=True) as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}))
        await gathering.pass_time(6)
        await gathering.send(together([span_of(1, 1, {}), span_of(2, 0, {"keep": True})]))
        await gathering.pass_time(4.1)
        assert {1: 2} == ids(await gathering.kept(2))
        await until(lambda: gathering.gatherer.open_traces == 1)
    async with bench(tmp_path, clock=clock, num_lanes=1) as gathering:
        assert 1 == gathering.gatherer.queue.spans
        assert {2: 1} == ids(await gathering.over())


async def test_memory_is_decided_on_stopping(tmp_path: Path) -> None:
    """What has come is judged, since nothing would keep it."""
    async with bench(tmp_path, storage="memory") as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}), span_of(2, 0, {}))
        await gathering.gathered()
        await gathering.gatherer.drain()
        assert {1: 1} == ids(await gathering.kept())
        assert {"stopping"} == {ending for _, _, ending in Judge.asked}


@STORAGES
async def test_too_many_traces_are_decided_early(tmp_path: Path, storage: str) -> None:
    """The oldest first, counted, and never beyond the bound."""
    early = metrics.sampling_early_traces.labels("traces")
    before = early._value.get()
    judge = component(Judge, wait="10s", most=10)
    async with bench(tmp_path, judge, storage=storage, num_lanes=1) as gathering:
        for trace in range(1, 26):
            await gathering.send(span_of(trace, 0, {"keep": True}))
            await gathering.gathered()
        await until(lambda: gathering.gatherer.queue.spans == 10)
        assert set(range(1, 16)) == set(ids(await gathering.kept()))
        assert {"evicted"} == {ending for _, _, ending in Judge.asked}
        assert 15 == early._value.get() - before


async def test_a_full_exporter_holds_traces_back(tmp_path: Path) -> None:
    """Kept traces wait for room, and at last senders are told to come back; nothing is lost."""
    big = {"keep": True, "text": "x" * 100_000}
    async with bench(tmp_path, max_size_mib=1, num_lanes=1) as gathering:
        sent = 0
        with contextlib.suppress(Busy):
            while sent < 100:
                await gathering.send(span_of(sent + 1, 0, big))
                sent += 1
                gathering.clock.advance(11)
                gathering.gatherer.nudge()
                await asyncio.sleep(0)
        assert 9 < sent < 25
        arrived: Counter[int] = Counter()
        while sum(arrived.values()) < sent:
            arrived += ids(await gathering.kept())
            await asyncio.sleep(0.01)
        assert dict.fromkeys(range(1, sent + 1), 1) == arrived


async def test_payloads_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a bound what is undecided waits on the disk alone."""
    monkeypatch.setattr("gateway.gathering.gatherer.HELD_BYTES", 0)
    async with bench(tmp_path) as gathering:
        for trace in range(1, 50):
            await gathering.send(
                together([span_of(trace + i, i, {"keep": trace % 2}) for i in range(3)])
            )
        await gathering.gathered()
        assert dict.fromkeys(range(3, 50), 3) | {1: 1, 2: 2, 50: 2, 51: 1} == ids(
            await gathering.over()
        )


async def test_a_tenants_trace_is_its_own(tmp_path: Path) -> None:
    """Nobody's spans are kept because somebody else sent the same trace id."""
    async with bench(tmp_path) as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}), tenant="a")
        await gathering.send(span_of(1, 0, {}), tenant="b")
        [kept] = await gathering.over()
        assert 1 == len(kept)
        assert 2 == len(Judge.asked)


@STORAGES
async def test_kept_spans_can_be_marked(tmp_path: Path, storage: str) -> None:
    """``release`` sees all of them, late ones too, with the reason."""
    judge = component(MarkingJudge, wait="10s")
    async with bench(tmp_path, judge, storage=storage) as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}))
        kept = await gathering.over()
        await gathering.send(span_of(1, 1, {}))
        await until(lambda: not gathering.gatherer.queue.spans)
        kept += await gathering.kept()
        assert ["wanted", "wanted"] == [s.attributes["policy"] for one in kept for s in one]


@pytest.mark.parametrize("fault", ["crash", "nonsense"])
@pytest.mark.parametrize(
    ("policy", "kept", "letters"), [(None, 1, 0), ("drop", 0, 0), ("reject", 0, 1)]
)
async def test_a_judge_that_fails(
    tmp_path: Path, fault: str, policy: Any, kept: int, letters: int
) -> None:
    """Its traces are kept, dropped, or dead letters, as on_error says; the log says where."""
    judge = component(Judge, wait="1s", fault=fault)
    async with bench(tmp_path, judge, on_error=policy) as gathering:
        await gathering.send(span_of(1, 0, {}))
        assert kept == sum(ids(await gathering.over()).values())
        assert letters == len(list(LetterFile(tmp_path / "dead-letters").read()))
        [told] = [one[2] for one in gathering.logger.events if one[1] == "processor failed"]
        assert "judges.py" in str(told["reason"])


async def test_a_judge_that_waits_for_ever(tmp_path: Path) -> None:
    """Is heard until there is no more room, and then takes what has come."""
    judge = component(Judge, wait="1s", fault="never", most=3)
    async with bench(tmp_path, judge, num_lanes=1) as gathering:
        for trace in range(1, 6):
            await gathering.send(span_of(trace, 0, {"keep": True}))
            await gathering.pass_time(100)
        assert {1: 1, 2: 1} == ids(await gathering.kept(2))


async def test_a_judge_that_wants_to_be_asked_later(tmp_path: Path) -> None:
    """``Retry`` is a wait."""
    judge = component(Judge, wait="1s", fault="later")
    async with bench(tmp_path, judge) as gathering:
        await gathering.send(span_of(1, 0, {"keep": True}))
        await gathering.pass_time(1.1)
        await until(lambda: not judge.later)
        assert [] == Judge.asked
        assert {1: 1} == ids(await gathering.over())
