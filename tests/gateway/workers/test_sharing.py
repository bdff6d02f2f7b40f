"""What workers are told of lanes and logs, and when."""

from asyncio.subprocess import Process
from typing import cast

from gateway.workers.channel import Channel
from gateway.workers.child import Child
from gateway.workers.crew import Crew
from gateway.workers.messages import FromWorker, Own
from gateway.workers.sharing import Sharing


class Told:
    """Remembers what a worker was told."""

    def __init__(self) -> None:
        self.messages: list[Own] = []

    def send(self, message: Own) -> None:
        """Remember a message."""
        self.messages.append(message)


def join(crew: Crew, number: int) -> tuple[Child, Told]:
    """Return another worker, and what it is told."""
    told = Told()
    child = Child(number, cast("Process", None), cast("Channel[FromWorker]", told))
    crew.children[number] = child
    return child, told


async def test_nobody_begins_before_all_are_there() -> None:
    """While the gateway starts, the first worker that is built waits for the second."""
    crew = Crew()
    sharing = Sharing(crew, lambda: True)
    first, told_first = join(crew, 0)
    second, told_second = join(crew, 1)

    sharing.built(first, 4)
    assert [] == told_first.messages

    sharing.built(second, 4)
    assert [0, 1, 2, 3] == sorted(told_first.messages[-1].lanes + told_second.messages[-1].lanes)


async def test_a_log_goes_to_another_when_who_emptied_it_ends() -> None:
    """What a worker has left is emptied by one that lives, until nothing is left of it."""
    crew = Crew()
    sharing = Sharing(crew, lambda: False)
    workers = dict(join(crew, number) for number in (0, 1))
    for child in workers:
        child.started = True
        sharing.built(child, 2)
    sharing.logs[7] = None
    sharing.share()
    (emptying,) = [child for child, told in workers.items() if told.messages[-1].logs]
    (other,) = [child for child in workers if child is not emptying]

    crew.children.pop(emptying.number)
    sharing.gone(emptying)
    sharing.share()
    assert [7] == workers[other].messages[-1].logs

    sharing.emptied(7)
    assert [] == workers[other].messages[-1].logs
