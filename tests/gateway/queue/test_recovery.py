"""Where records go that are found at start."""

import random
import shutil
from pathlib import Path

import pytest

from gateway.config.exporting import QueueConfig
from gateway.queue import homes
from gateway.queue.homes import Homes
from tests.gateway.queue.support import opened, record, take_all

ONE = QueueConfig(num_lanes=1)


@pytest.mark.parametrize("traces", [3, 12], ids=["all remembered", "some forgotten"])
@pytest.mark.parametrize("tenants", [1, 2])
@pytest.mark.parametrize("destinations", [1, 3])
async def test_traces_are_settled_as_if_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, traces: int, tenants: int, destinations: int
) -> None:
    """The first record of a trace decides for those behind it, however many are read at once."""
    monkeypatch.setattr(homes, "MAX_TRACES", 5)
    dice = random.Random(traces * 100 + tenants * 10 + destinations)
    made = [
        record(
            b"%d" % number,
            destination=f"to {dice.randrange(destinations)}",
            tenant=f"tenant {dice.randrange(tenants)}" if tenants > 1 else "",
            trace_ids=frozenset([dice.randrange(traces).to_bytes(16)]),
        )
        for number in range(60)
    ]
    settled = Homes()
    expected = {
        one.payload: settled.settle(next(iter(one.trace_ids)), one.destination, one.tenant)
        for one in made
    }
    async with opened(tmp_path, segment_bytes=2048, a=ONE) as (store, _):
        for one in made:
            await store.commit([one])
    shutil.rmtree(tmp_path / "homes")
    async with opened(tmp_path, segment_bytes=2048, follow=True, a=ONE) as (_, queues):
        assert 60 == queues["a"].stats().spans
        found = {one.payload: one.destination for one in await take_all(queues["a"])}
    assert expected == found
