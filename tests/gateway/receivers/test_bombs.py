"""Requests made to cost far more than their size are refused, and the next one is served."""

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway import memory

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported

MIB = 1024 * 1024
UNTIL_CLOSED_S = 20.0
JSON = {"Content-Type": "application/json"}


def field(tag: int, value: bytes) -> bytes:
    """Return a field of bytes as protobuf writes it."""
    size, length = len(value), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([tag]) + bytes([*length, size]) + value


def nested(depth: int) -> bytes:
    """Return a request whose span has an attribute of lists within lists."""
    value = b""
    for _ in range(depth):
        value = field(0x2A, field(0x0A, value))  # AnyValue.array_value, ArrayValue.values
    span = field(0x0A, bytes(range(16))) + field(0x12, bytes(range(1, 9)))
    span += field(0x4A, field(0x0A, b"a") + field(0x12, value))
    return field(0x0A, field(0x12, field(0x12, span)))


def nested_json(depth: int) -> bytes:
    """Return the same in JSON."""
    span = {"traceId": bytes(range(16)).hex(), "spanId": bytes(range(1, 9)).hex()}
    span["attributes"] = "HERE"
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    inner = '{"arrayValue":{"values":[' * depth + "{}" + "]}}" * depth
    return text.replace('"HERE"', '[{"key":"a","value":' + inner + "}]").encode()


@pytest.mark.parametrize("depth", [200, 20_000])
async def test_nested_values(serve: Serve, make_request: Make, depth: int) -> None:
    """A value nested deeper than any decoder goes is malformed, in each encoding."""
    served = await serve()

    statuses = [
        (await served.send(nested(depth))).status,
        (await served.send(nested_json(depth), JSON)).status,
    ]
    code = (await served.call(nested(depth))).code

    assert [400, 400] == statuses
    assert grpc.StatusCode.INVALID_ARGUMENT == code
    assert 200 == (await served.send(make_request("a").SerializeToString())).status


@pytest.mark.filterwarnings("ignore:Sending a large body directly")
async def test_tiny_parts(serve: Serve, make_request: Make) -> None:
    """Two bytes that decode to tens, millions of times, are too large, and nothing is held."""
    served = await serve()
    body = b"\x0a\x00" * 2_000_000
    before = memory.used_bytes()

    status = (await served.send(body)).status
    code = (await served.call(body)).code

    assert 413 == status
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == code
    gc.collect()
    memory.give_back()  # what the C library keeps for later is not what the gateway holds
    assert memory.used_bytes() - before < 100 * MIB
    assert 200 == (await served.send(make_request("a").SerializeToString())).status


@pytest.mark.parametrize("piece", [b"x" * 65536, b"X-Flood: y\r\n" * 5000], ids=["one", "many"])
async def test_endless_headers(serve: Serve, piece: bytes) -> None:
    """Headers without an end are cut off, and nothing of them is held."""
    served = await serve()
    host, _, port = served.http_address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    before = memory.used_bytes()
    sent = 0
    try:
        async with asyncio.timeout(UNTIL_CLOSED_S):
            writer.write(b"POST /v1/traces HTTP/1.1\r\nHost: test\r\nX-Flood: ")
            while sent < 200 * MIB:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
            await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()

    assert sent < 200 * MIB
    assert memory.used_bytes() - before < 50 * MIB
