"""What joining small requests promises to those whose requests are joined."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.batch import Batch, BatchContext
from gateway.config.exporting import QueueConfig
from gateway.errors import Flow, Reject
from gateway.guard import Guard
from gateway.intake import Intake
from gateway.joining import MOST_SPANS, SMALL_SPANS, Joiner, joined
from gateway.pipeline import Pipeline
from gateway.plugin import Config, OnError, Processor, Resource
from gateway.poison import Poison, key_of, label, read
from gateway.queue.base import Record
from gateway.queue.store import Store
from gateway.telemetry import logs
from gateway.testing import batch
from gateway.threads import Threads

QUICK_S = 1e-5


class Log:
    """Deliver and keep what was delivered together; held back while ``gate`` is closed."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def deliver(self, batches: Sequence[Batch]) -> None:
        names = [span.name for one in batches for span in one]
        self.groups.append(names)
        await self.gate.wait()
        if "bad" in names:
            raise Reject("bad")


def named(name: str, spans: int = 1, tenant: str = "", experiment: str = "") -> Batch:
    headers = (("x-mlflow-experiment-id", experiment),) if experiment else ()
    return batch(
        *[{} for _ in range(spans)],
        name=name,
        context=BatchContext(tenant=tenant, headers=headers),
    )


async def send(joiner: Joiner, *batches: Batch) -> list[BaseException | None]:
    """Send requests at the same time; return how each was answered."""
    return await asyncio.gather(*map(joiner.deliver, batches), return_exceptions=True)


async def test_requests_at_the_same_time_are_joined() -> None:
    """What comes in one turn of the event loop is delivered as one, in order."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)

    answers = await send(joiner, named("a"), named("b"), named("c"))

    assert [["a", "b", "c"]] == log.groups
    assert [None, None, None] == answers


async def test_requests_that_come_meanwhile_go_together() -> None:
    """Who comes while others are under way waits for them, and then goes with all who waited."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)
    log.gate.clear()
    first = asyncio.create_task(joiner.deliver(named("a")))
    while not log.groups:
        await asyncio.sleep(0)

    others = [asyncio.create_task(joiner.deliver(named(name))) for name in "bc"]
    await asyncio.sleep(0)
    log.gate.set()
    await asyncio.gather(first, *others)

    assert [["a"], ["b", "c"]] == log.groups


async def test_nobody_waits_for_what_hangs() -> None:
    """Where what is under way takes long, requests that came meanwhile go on without it."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)
    log.gate.clear()
    first = asyncio.create_task(joiner.deliver(named("hangs")))
    while not log.groups:
        await asyncio.sleep(0)

    other = asyncio.create_task(joiner.deliver(named("a")))
    async with asyncio.timeout(30):
        while len(log.groups) < 2:
            await asyncio.sleep(0.01)
    log.gate.set()
    await asyncio.gather(first, other)

    assert [["hangs"], ["a"]] == log.groups


async def test_only_what_is_alike_is_joined() -> None:
    """Requests of several tenants, or routed differently by their senders, stay apart."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)

    await send(
        joiner,
        named("a", tenant="x"),
        named("b", tenant="y"),
        named("c", tenant="x", experiment="1"),
        named("d", tenant="x"),
    )

    assert [["a", "d"], ["b"], ["c"]] == sorted(log.groups)


async def test_each_is_answered_for_itself() -> None:
    """A request that is refused has no part in what the others are told; nothing is lost."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)

    answers = await send(joiner, named("a"), named("bad"), named("c"))

    assert [None, "bad", None] == [answer and str(answer) for answer in answers]
    assert [["a", "bad", "c"], ["a"], ["bad"], ["c"]] == log.groups


async def test_large_requests_go_alone() -> None:
    """What is no small request neither waits nor is waited for."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)
    log.gate.clear()

    sending = asyncio.create_task(send(joiner, named("a"), named("large", SMALL_SPANS + 1)))
    while len(log.groups) < 2:
        await asyncio.sleep(0)
    log.gate.set()
    await sending

    assert [1, SMALL_SPANS + 1] == sorted(map(len, log.groups))


@pytest.mark.parametrize("pace_s", [1.0, 0.0, None])
async def test_nothing_waits_for_slow_processors(pace_s: float | None) -> None:
    """Where processors are slow, absent or not known, each request goes at once by itself."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: pace_s)
    log.gate.clear()

    sending = asyncio.create_task(send(joiner, named("a"), named("b")))
    while len(log.groups) < 2:
        await asyncio.sleep(0)
    log.gate.set()
    await sending

    assert [["a"], ["b"]] == log.groups


async def test_what_is_full_does_not_wait() -> None:
    """No more than so many spans are joined; those who find it full go on beside the others."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)
    log.gate.clear()
    many = [named("a", SMALL_SPANS) for _ in range(2 * MOST_SPANS // SMALL_SPANS + 1)]

    sending = asyncio.create_task(send(joiner, *many))
    while len(log.groups) < 2:
        await asyncio.sleep(0)
    log.gate.set()
    await sending

    assert [MOST_SPANS, MOST_SPANS, SMALL_SPANS] == list(map(len, log.groups))


async def test_a_sender_that_goes_takes_nobody_along() -> None:
    """The others are delivered and answered, also where the first of them has gone."""
    log = Log()
    joiner = Joiner(log.deliver, lambda: QUICK_S)
    log.gate.clear()
    gone = asyncio.create_task(joiner.deliver(named("a")))
    stays = asyncio.create_task(joiner.deliver(named("b")))
    while not log.groups:
        await asyncio.sleep(0)

    gone.cancel()
    log.gate.set()
    await stays

    assert gone.cancelled()
    assert [["a", "b"]] == log.groups


def test_joined_requests_are_one() -> None:
    """The batch holds the spans of all, in order, as messages and as bytes."""
    whole = joined([named("a"), named("b", 2)])

    assert ["a", "b", "b"] == [span.name for span in whole]
    assert 3 == len(whole.entries())
    assert [span.span_id for span in whole] == [entry.span_id for entry in whole.entries()]


class Picky(Processor[Config]):
    """Break on spans called ``bad``."""

    async def start(self, context: object) -> None:
        del context

    def process(self, batch: Batch) -> Batch:
        if any(span.name == "bad" for span in batch):
            raise KeyError("bug")
        for span in batch:
            span.attributes["seen"] = len(batch)
        return batch


class Whole:
    """Hand over a batch as one record."""

    def records(self, context: BatchContext, batch: Batch) -> list[Record]:
        record = Record(
            queue="sink",
            lane=0,
            destination="",
            payload=batch.encode(),
            spans=len(batch),
            trace_ids=frozenset(entry.trace_id for entry in batch.entries()),
            tenant=context.tenant,
            received_unix_ns=1,
        )
        return [record] if record.spans else []

    def experiment(self, context: BatchContext, resource: Resource) -> str:
        del context, resource
        return ""


async def processed(
    requests: Sequence[Batch], policy: OnError = "reject", poison: Poison | None = None
) -> tuple[Sequence[tuple[str, object]], list[bool]]:
    """
    Send requests at the same time through a pipeline.

    Returns names of the spans that are queued, with how many were processed together, and whether
    each request was refused.
    """
    threads = Threads()
    guards = [Guard("t", Picky(Config()), pipeline="p", logger=logs.get("t"), on_error=policy)]
    guards[0].pace_s = QUICK_S
    store = Store()
    queue = store.open("sink", QueueConfig(storage="memory", num_lanes=1))
    await store.start()
    pipeline = Pipeline("p", guards, threads, poison=poison)
    deliver = Intake({"r": [(pipeline, [Whole()])]}, store).deliver("r")

    answers = await asyncio.gather(*map(deliver, requests), return_exceptions=True)
    records = await queue.take(queue.lanes[0].line(""), 100, 1 << 20)
    spans = sorted(
        (span.name, span.attributes.get("seen"))
        for record in records
        for span in Batch(record.payload)
    )
    threads.close()
    return spans, [isinstance(answer, Flow) for answer in answers]


@pytest.mark.parametrize("policy", ["reject", "drop", "pass"])
async def test_a_policy_concerns_one_request(policy: OnError) -> None:
    """Where a processor breaks on one of the joined requests, the others are processed."""
    spans, refused = await processed([named("a"), named("bad"), named("c")], policy)

    passed = [("bad", None)] if policy == "pass" else []
    assert [("a", 1), *passed, ("c", 1)] == spans
    assert [False, policy == "reject", False] == refused


async def test_a_suspect_goes_alone() -> None:
    """A request that was being processed in a crash is not joined with others."""
    suspect = named("b")
    poison = Poison(scores={f"{key_of(suspect).hex()} p: t": 1})

    spans, _ = await processed([named("a"), suspect, named("c")], poison=poison)

    assert [("a", 2), ("b", 1), ("c", 2)] == spans


def test_each_joined_request_is_a_suspect(tmp_path: Path) -> None:
    """A crash says of every request that was joined that it was there."""
    poison = Poison(tmp_path / "now")

    with poison.processing(b"a" * 16, b"b" * 16) as work:
        work.may(label("p: t"))
        notes = read(tmp_path / "now")

    assert [("a", "p: t"), ("b", "p: t")] == sorted(
        (note.request.decode()[0], note.processor) for note in notes
    )
    assert [] == read(tmp_path / "now")
