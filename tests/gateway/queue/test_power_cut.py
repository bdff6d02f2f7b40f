"""What a power cut may take: nothing that was acknowledged, and no half of a request."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest

from gateway.config.exporting import QueueConfig
from gateway.errors import Retry
from gateway.queue import notes
from gateway.queue.queue import Queue
from gateway.queue.store import Store
from tests.gateway.queue.faults import ForgetfulDisk
from tests.gateway.queue.support import opened, record, take_all

LANES = 3


class Life:
    """What was done with a store before its power went."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.answered: set[int] = set()
        self.sizes: dict[int, int] = {}
        self.delivered: set[bytes] = set()

    async def send(self, store: Store, number: int) -> None:
        """Commit a request of some records and note whether it was acknowledged."""
        size = self.sizes[number] = self.dice.randint(1, LANES)
        records = [
            record(b"%d-%d " % (number, lane) + bytes(self.dice.randint(0, 1500)), lane=lane)
            for lane in range(size)
        ]
        try:
            await store.commit(records)
        except Retry:
            return
        self.answered.add(number)

    async def deliver(self, queue: Queue) -> None:
        """Take and acknowledge something, if there is anything."""
        line = queue.lanes[self.dice.randrange(LANES)].line("")
        for taken in await queue.take(line, max_spans=self.dice.randint(1, 4), max_bytes=1 << 30):
            self.delivered.add(name_of(taken.payload))
            queue.ack(taken)

    async def live(self, store: Store, queue: Queue) -> None:
        """Do this and that until long after the power went."""
        number = 0
        for _ in range(self.dice.randint(1, 12)):
            several = self.dice.randint(1, 5)
            await asyncio.gather(*(self.send(store, number + at) for at in range(several)))
            number += several
            if self.dice.random() < 0.6:
                await self.deliver(queue)
                if self.dice.random() < 0.3:
                    await asyncio.sleep(notes.DELAY_S * 2)  # acknowledgements are written


def name_of(payload: bytes) -> bytes:
    return payload.split(b" ")[0]


async def survivors(folder: Path) -> Counter[bytes]:
    """Return the names of the records that a new store finds."""
    async with opened(folder, a=QueueConfig(num_lanes=LANES)) as (_, queues):
        found = [taken for lane in range(LANES) for taken in await take_all(queues["a"], lane)]
        return Counter(name_of(taken.payload) for taken in found)


async def one_life(seed: int, folder: Path) -> None:
    dice = random.Random(seed)
    disk = ForgetfulDisk(dice, dies_at=dice.randint(10, 150))
    life = Life(dice)
    before, after = folder / "before", folder / "after"
    store = Store(before, disk=disk, segment_bytes=4096)
    queue = store.open("a", QueueConfig(num_lanes=LANES))
    try:
        await store.start()
        await life.live(store, queue)
    except OSError:
        pass  # the power went while it started
    disk.image(before, after)
    await store.close()
    left = await survivors(after)
    for number, size in life.sizes.items():
        names = [b"%d-%d" % (number, lane) for lane in range(size)]
        here = [name for name in names if left[name]]
        if number in life.answered:
            missing = set(names) - set(here) - life.delivered
            assert not missing, f"seed {seed}: acknowledged and lost: {missing}"
        else:
            assert here in ([], names), f"seed {seed}: half a request: {here} of {names}"
    assert await survivors(after) == left, f"seed {seed}: a second start finds something else"


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
async def test_a_thousand_power_cuts(
    tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged is there after each, whatever became of unsynced sectors."""
    monkeypatch.setattr(notes, "DELAY_S", 0.001)
    for seed in range(block * 100, block * 100 + 100):
        await one_life(seed, tmp_path / str(seed))
