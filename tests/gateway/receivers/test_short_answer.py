"""What clients see of an answer that is written in one piece."""

import asyncio
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

Serve = Any  # the fixture's types live in conftest, which cannot be imported
KEEP = b""
CLOSE = b"Connection: close\r\n"
WAIT_S = 20.0


def post(version: bytes, connection: bytes) -> bytes:
    """Return a request without a span."""
    return (
        b"POST /v1/traces HTTP/" + version + b"\r\nHost: test\r\nContent-Length: 2\r\n"
        b"Content-Type: application/json\r\n" + connection + b"\r\n{}"
    )


async def talk(address: str, said: bytes) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
    """Send bytes; return first line, headers and body of each answer until the server closes."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    answers: list[tuple[bytes, dict[bytes, bytes], bytes]] = []
    async with asyncio.timeout(WAIT_S):
        rest = await reader.read()
    writer.close()
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = {name: value for name, _, value in (line.partition(b": ") for line in lines)}
        size = int(headers[b"Content-Length"])
        answers.append((first, headers, rest[:size]))
        rest = rest[size:]
    return answers


async def test_one_after_the_other(serve: Serve) -> None:
    """Requests on one connection are answered one by one, until the client has enough."""
    served = await serve()

    said = post(b"1.1", KEEP) + post(b"1.1", KEEP) + post(b"1.1", CLOSE)
    first, second, last = await talk(served.http_address, said)

    assert [b"HTTP/1.1 200 OK"] * 3 == [first[0], second[0], last[0]]
    assert [b"{}"] * 3 == [first[2], second[2], last[2]]
    assert {b"Server", b"Content-Type", b"Content-Length", b"Date"} == first[1].keys()
    assert first[1].keys() | {b"Connection"} == last[1].keys()
    assert {b"Content-Type": b"application/json", b"Server": b"spangate"}.items() <= first[
        1
    ].items()
    assert parsedate_to_datetime(first[1][b"Date"].decode()).tzinfo is not None


@pytest.mark.parametrize("answer", ["Connection: close\r\n", ""])
async def test_an_old_client(serve: Serve, answer: str) -> None:
    """A client of HTTP/1.0 is answered in its version, and its connection closed."""
    served = await serve()

    [(first, _, body)] = await talk(served.http_address, post(b"1.0", answer.encode()))

    assert (b"HTTP/1.0 200 OK", b"{}") == (first, body)
