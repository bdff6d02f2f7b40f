"""What comes out of one end of a connection between workers is what went in at the other."""

import asyncio
import socket

import pytest

from gateway import loop
from gateway.workers.link import Link
from gateway.workers.orders import Done

SIZES = (0, 1, 700_000, 0, 3)


async def _exchange() -> list[tuple[int, bytes]]:
    loop = asyncio.get_running_loop()
    arrived: list[tuple[int, bytes]] = []
    ours, theirs = socket.socketpair()

    def make() -> Link[Done]:
        return Link(
            Done, lambda message, behind: arrived.append((message.id, bytes(behind))), _pass
        )

    _, here = await loop.create_unix_connection(make, sock=ours)
    _, there = await loop.create_unix_connection(make, sock=theirs)
    for number, size in enumerate(SIZES):
        here.send(Done(number), b"x" * size, b"y")
    here.close()
    await there.ended.wait()
    here.send(Done(99))  # nobody reads it any more
    return arrived


def _pass() -> None:
    """Do nothing."""


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, loop.factory()])
def test_messages_arrive_whole_and_in_order(factory: asyncio.AbstractEventLoop) -> None:
    """With what stands behind each, whatever its size; the rest even after the sender has ended."""
    with asyncio.Runner(loop_factory=factory) as runner:  # type: ignore[arg-type]
        arrived = runner.run(_exchange())

    assert [(n, b"x" * size + b"y") for n, size in enumerate(SIZES)] == arrived


async def test_what_cannot_be_read_ends_the_connection() -> None:
    """As of another program."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    _, link = await loop.create_unix_connection(
        lambda: Link[Done](Done, lambda _message, _behind: None, _pass), sock=ours
    )
    with theirs:
        theirs.sendall(b"\x01\0\0\0\0\0\0\0\xff")
        await asyncio.wait_for(link.ended.wait(), 10)

    assert link.ended.is_set()
