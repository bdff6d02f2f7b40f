"""What a request costs is claimed before it is read; what ends the process is not read again."""

import asyncio
from pathlib import Path

import pytest
from isal import igzip

from gateway.batch import BatchContext
from gateway.otlp.status import Refusal
from gateway.plugin import Batch
from gateway.poison import LIMIT, READING, Note, Poison, key_of_body, read
from gateway.receivers import requests
from gateway.receivers.admission import Admission
from gateway.receivers.handover import HandOver
from gateway.receivers.requests import Body, Requests
from gateway.testing import batch
from tests.gateway.otlp.test_weigh import repeated

MIB = 1024 * 1024
SENT = batch({"a": "x" * 5000}).encode()


class Engine:
    """Takes everything."""

    def __init__(self) -> None:
        self.spans = 0

    def admit(self) -> None:
        """Let all in."""

    async def __call__(self, *batches: Batch) -> None:
        """Count the spans."""
        self.spans += sum(len(one) for one in batches)


def body(data: bytes, encoding: str = "", *, is_json: bool = False) -> Body:
    """Return a body as a sender wrote it."""
    return Body(data, encoding, is_json, 64 * MIB)


async def accept(poison: Poison, sent: Body) -> int:
    """Accept a request and return how many spans were delivered."""
    engine = Engine()
    reader = Requests("otlp", "http", HandOver(engine, None, lambda *_: None), poison=poison)
    with Admission(1, 1000 * MIB).enter() as lease:
        await reader.accept(sent, BatchContext(), lease)
    reader.close()
    return engine.spans


def claimed(sent: Body) -> int:
    """Return the bytes that reading claims."""
    claims: list[int] = []
    requests.read(sent, claims.append)
    return sum(claims)


@pytest.mark.parametrize("kind", ["scopes", "attributes"])
def test_tiny_messages_claim_what_they_decode_to(kind: str) -> None:
    """Two bytes each, and dozens of times that in memory."""
    data = repeated(kind, 100_000)

    assert claimed(body(data)) >= 20 * len(data)


def test_tiny_values_claim_in_json_too() -> None:
    """An empty object is three bytes, and two objects in memory."""
    data = b'{"resourceSpans":[' + b"{}," * 100_000 + b"{}]}"

    assert claimed(body(data, is_json=True)) >= 20 * len(data)


def test_what_is_mostly_text_claims_no_more_than_its_size() -> None:
    """Requests of models' calls hold long texts: nothing but their own bytes."""
    assert 0 == claimed(body(SENT))


def test_a_request_without_room_for_its_parts_is_not_decoded() -> None:
    """It is told to come back, or never to, before it takes the memory."""
    data = repeated("attributes", 100_000)
    for room, status in ((4 * MIB, 413), (10 * MIB, 429)):
        admission = Admission(2, room)
        with admission.enter() as other, admission.enter() as lease:
            other.take(room // 2)
            with pytest.raises(Refusal) as caught:
                requests.read(body(data), lease.take)
        assert status == caught.value.kind.http


async def test_what_is_being_read_can_be_seen_from_outside(tmp_path: Path) -> None:
    """From the first byte that is decompressed, and no longer afterwards."""
    path = tmp_path / "processing-0"
    seen: list[list[Note]] = []
    sent = body(igzip.compress(SENT), "gzip")
    reader = Requests(
        "otlp", "http", HandOver(Engine(), None, lambda *_: None), poison=Poison(path)
    )
    with Admission(1, MIB).enter() as lease:
        take = lease.take

        class Watched:
            account = None

            def take(self, size: int) -> None:
                seen.append(read(path))
                take(size)

        await reader.accept(sent, BatchContext(), Watched())  # type: ignore[arg-type]  # all it uses
    assert [[Note(key_of_body(sent.data, ""), "reading")]] == seen
    assert [] == read(path)


async def test_a_request_that_ended_processes_is_not_read() -> None:
    """Its sender is told not to come again; all others are read."""
    sent = body(SENT)
    name = Note(key_of_body(sent.data, ""), READING.rstrip(b"\0").decode()).name
    poison = Poison(None, {name: LIMIT})

    with pytest.raises(Refusal, match="process ended each time") as caught:
        await accept(poison, sent)

    assert 400 == caught.value.kind.http
    assert 1 == await accept(poison, body(batch({"b": "y" * 5000}).encode()))


async def test_a_suspect_that_does_no_harm_is_none_any_more() -> None:
    """It was beside another one: read alone, it is like all others."""
    sent = body(SENT)
    key = key_of_body(sent.data, "")
    poison = Poison(None, {Note(key, "reading").name: 1})
    async with poison.alone(b"x" * 16):
        waiting = asyncio.create_task(accept(poison, sent))
        await asyncio.sleep(0)
        assert not waiting.done()

    assert 1 == await waiting
    assert not poison.suspects(key)
