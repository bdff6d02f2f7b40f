"""Fill a queue with a gigabyte, or open one, and say what that cost: a process of its own."""

import asyncio
import json
import resource
import sys
import time
from pathlib import Path

from gateway.config.exporting import QueueConfig
from gateway.queue.base import Record
from gateway.queue.store import Store
from gateway.testing import batch

RECORDS = 500_000
_PAYLOAD = batch({"text": "a question and its answer " * 72}).encode()  # 2 KB, as a sender's
_TOGETHER = 1000


def _record(number: int) -> Record:
    return Record(
        queue="mlflow",
        lane=number % 4,
        destination="experiment",
        payload=_PAYLOAD,
        spans=1,
        trace_ids=frozenset([number.to_bytes(16)]),
        tenant="",
        received_unix_ns=number + 1,
    )


def _resident_mib() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(folder: Path, step: str) -> None:
    """Do one step and print its figures as JSON."""
    store = Store(folder)
    queue = store.open("mlflow", QueueConfig(max_size_mib=4096, fsync="none"), follow=True)
    before, begun = _resident_mib(), time.monotonic()
    await store.start()
    seconds = time.monotonic() - begun
    if step == "fill":
        for start in range(0, RECORDS, _TOGETHER):
            numbers = range(start, start + _TOGETHER)
            await asyncio.gather(*(store.commit([_record(number)]) for number in numbers))
    figures = {
        "records": queue.stats().spans,
        "bytes": queue.stats().size_bytes,
        "seconds": round(seconds, 2),
        "grown_mib": round(_resident_mib() - before),
    }
    sys.stdout.write(json.dumps(figures))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
