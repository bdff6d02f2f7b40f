"""
Send small requests of many tenants at an even pace and say how long the answers took.

A process of its own, which goes before others where it may: what is measured is the gateway. It
reads lines: how many requests to send, of which each is answered with a JSON array, sorted.
"""

import asyncio
import contextlib
import json
import os
import sys
import time

from gateway.testing import batch

PER_SECOND = 50
_PRIORITY = 5

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Client:
    """
    Sends with as little work as possible.

    Args:
        address: host and port of the gateway.
        worker: its process, whose CPU time is the clock: other programs take no part in it.
        tenants: how many take turns.

    """

    def __init__(self, address: str, worker: int, tenants: int) -> None:
        self._host, _, self._port = address.rpartition(":")
        self._clock = (~worker << 3) | 2  # as clock_getcpuclockid(3) does
        self._tenants = tenants
        self._body = batch({"text": "x" * 2000}).encode()
        self._idle: list[Connection] = []

    async def send(self, requests: int) -> list[float]:
        """Send so many and return what each took, sorted."""
        begun = time.monotonic()
        sending: list[asyncio.Task[float]] = []
        async with asyncio.TaskGroup() as tasks:
            for number in range(requests):
                await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
                sending.append(tasks.create_task(self._one(1 + number % (self._tenants - 1))))
        return sorted(task.result() for task in sending)

    async def _one(self, tenant: int) -> float:
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(self._host, int(self._port))
        begun = time.clock_gettime(self._clock)
        writer.write(
            f"POST /v1/traces HTTP/1.1\r\nHost: gateway\r\nx-api-key: fake-token-{tenant}\r\n"
            "Content-Type: application/x-protobuf\r\n"
            f"Content-Length: {len(self._body)}\r\n\r\n".encode()
            + self._body
        )
        head = await reader.readuntil(b"\r\n\r\n")
        took = time.clock_gettime(self._clock) - begun
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"content-length: 0\r\n" in head.lower(), head
        self._idle.append((reader, writer))
        return took


async def main() -> None:
    """Go before others, and measure as often as asked."""
    with contextlib.suppress(OSError):  # it takes a right, without which it is less exact
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    address, worker, tenants = sys.argv[1:]
    client = Client(address, int(worker), int(tenants))
    while line := await asyncio.to_thread(sys.stdin.readline):
        sys.stdout.write(json.dumps(await client.send(int(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
