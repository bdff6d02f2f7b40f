"""What the scanner promises: what waits, read without touching it, beside a running store too."""

from pathlib import Path

from gateway.config.exporting import QueueConfig
from gateway.queue.scanner import Scanner
from tests.gateway.queue.support import opened, record, take_all


async def test_beside_a_running_store(tmp_path: Path) -> None:
    """Records show up once committed, by lane and destination, and nothing is changed."""
    async with opened(tmp_path, a=QueueConfig(num_lanes=2)) as (store, queues):
        await store.commit([record(b"1", destination="x"), record(b"2", lane=1)])
        await store.commit([record(b"3", destination="x")])
        found = Scanner(tmp_path).overview()
        assert [("a", 0, "x", 2, 2), ("a", 1, "", 1, 1)] == [
            (one.exporter, one.lane, one.destination, one.records, one.spans)
            for one in found.waiting
        ]
        assert found.waiting[0].oldest_unix_ns < found.waiting[1].oldest_unix_ns
        assert sum(one.bytes for one in found.waiting) == queues["a"].stats().size_bytes
        assert 3 == len(await take_all(queues["a"])) + len(await take_all(queues["a"], 1))


async def test_while_the_gateway_is_down(tmp_path: Path) -> None:
    """What was acknowledged is not there, what waits comes with its payload, in order."""
    async with opened(tmp_path) as (store, queues):
        for at in range(10):
            await store.commit([record(b"%d" % at, destination="x" if at % 2 else "y")])
        for taken in (await take_all(queues["a"]))[:4]:
            queues["a"].ack(taken)
    scanner = Scanner(tmp_path)
    left = [payload for _, payload in scanner.records(None, None)]
    assert 6 == len(left)
    assert [b"1", b"3", b"5", b"7", b"9"] == [some for _, some in scanner.records("a", "x")]
    assert [] == list(scanner.records("b", None))


def test_nothing_was_ever_queued(tmp_path: Path) -> None:
    """A folder that does not exist holds nothing and is not made."""
    assert [] == Scanner(tmp_path / "queue").overview().waiting
    assert not (tmp_path / "queue").exists()
