"""Whatever happens, a trace is kept or dropped as a whole."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.batch import Batch
from gateway.testing import FakeClock, batch, component
from tests.gateway.gathering.bench import bench, until
from tests.gateway.gathering.judges import Judge

STEPS = ["send", "send", "send", "wait", "late", "crash", "stop"]


@pytest.fixture(autouse=True)
def no_leftovers() -> Iterator[None]:
    """Forget what earlier tests left."""
    Judge.asked.clear()
    yield
    Judge.asked.clear()


@settings(deadline=None, max_examples=25)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=14), seed=st.integers(0, 1 << 32))
def test_a_trace_has_one_fate(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], seed: int
) -> None:
    """Crashes, stops, evictions and late spans: all spans of a trace arrive, or none does."""
    asyncio.run(_live(tmp_path_factory.mktemp("life"), steps, random.Random(seed)))


async def _live(folder: Path, steps: list[str], dice: random.Random) -> None:
    clock, numbers = FakeClock(), iter(range(1, 10_000))
    sent: dict[int, set[bytes]] = {}
    arrived: set[bytes] = set()
    lives: list[tuple[list[str], bool]] = [([], False)]
    for step in steps:
        if step in ("crash", "stop"):
            lives[-1] = lives[-1][0], step == "stop"
            lives.append(([], False))
        else:
            lives[-1][0].append(step)
    for life, gently in lives:
        judge = component(Judge, wait="10s", most=8)
        async with bench(folder, judge, clock=clock, num_lanes=2, drain=gently) as gathering:
            for step in life:
                if step == "wait":
                    await gathering.pass_time(dice.choice([3, 6, 11]))
                    continue
                for _ in range(dice.randint(1, 3)):
                    traces = [dice.randrange(12) for _ in range(dice.randint(1, 6))]
                    await gathering.send(_request(traces, sent, numbers, dice))
                if step == "late":
                    await gathering.gathered()
            arrived |= _ids(await gathering.kept())
    async with bench(folder, component(Judge, wait="10s"), clock=clock, num_lanes=2) as gathering:
        arrived |= _ids(await gathering.over())
        await until(lambda: not gathering.gatherer.queue.spans)
        arrived |= _ids(await gathering.kept())
    for trace, spans in sent.items():
        assert arrived & spans in (set(), spans), trace


def _request(
    traces: list[int], sent: dict[int, set[bytes]], numbers: Iterator[int], dice: random.Random
) -> Batch:
    made = batch(*({"keep": dice.random() < 0.2} for _ in traces))
    for span, trace in zip(made, traces, strict=True):
        span.proto.trace_id = (trace + 1).to_bytes(16)
        span.proto.span_id = next(numbers).to_bytes(8)
        sent.setdefault(trace, set()).add(span.span_id)
    return Batch(made.encode())


def _ids(batches: list[Batch]) -> set[bytes]:
    return {span.span_id for one in batches for span in one}
