"""What the HTTP client promises to the exporters that use it."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from yarl import URL

from exporters.http_client import ANSWER_BYTES, HttpClient, retry_after
from exporters.http_settings import environment_proxy
from gateway.config.types import FilePath
from gateway.plugin import ClientTlsConfig, Duration, HttpExporterConfig, Retry, Secret
from tests.exporters.backends import http_sink, raw_server, read_request

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
FAKE_PASSWORD = "not-a-" + "password"


async def started(url: str, **settings: object) -> HttpClient:
    """Return a client that is ready."""
    client = HttpClient(HttpExporterConfig(**settings), url)  # type: ignore[arg-type]  # settings
    await client.start()
    return client


def free_port() -> int:
    """Return a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with RST, as a server does that has just died."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def failure(client: HttpClient) -> Retry:
    """Return what a request fails with."""
    try:
        with pytest.raises(Retry) as caught:
            await client.post("/v1/traces", b"body", headers={})
    finally:
        await client.stop()
    return caught.value


@pytest.mark.parametrize("size", [10, 3_000_000])
async def test_compresses_bodies_as_configured(size: int) -> None:
    """A small body and one that goes through a thread arrive as gzip of what was posted."""
    async with http_sink() as sink:
        client = await started(sink.url + "/base/")
        answer = await client.post("/v1/traces", b"x" * size, headers={"Content-Type": "a/b"})
        await client.stop()

    assert (answer.status, answer.body) == (200, b"")
    assert sink.received[0].path == "/base/v1/traces"
    assert sink.received[0].headers["Content-Encoding"] == "gzip"
    assert sink.received[0].headers["Content-Type"] == "a/b"
    assert b"x" * size == gzip.decompress(sink.received[0].body)


@pytest.mark.parametrize(("compression", "encode"), [("none", True), ("gzip", False)])
async def test_leaves_bodies_alone_when_told(compression: str, encode: bool) -> None:
    """Neither ``compression: none`` nor ``encode=False`` changes a body, however large."""
    body = bytes(range(256)) * 8192
    async with http_sink() as sink:
        client = await started(sink.url, compression=compression)
        await client.post("/", body, headers={}, encode=encode)
        await client.stop()

    assert body == sink.received[0].body
    assert "Content-Encoding" not in sink.received[0].headers


async def test_sends_configured_headers_without_line_ends() -> None:
    """A token read from a file with a final line break works; the call's own headers win."""
    headers = {"X-Token": Secret(FAKE_PASSWORD + "\n"), "content-type": Secret("text/plain")}
    async with http_sink() as sink:
        client = await started(sink.url, headers=headers)
        await client.post("/", b"", headers={"Content-Type": "application/x-protobuf"})
        await client.stop()

    assert sink.received[0].headers["X-Token"] == FAKE_PASSWORD
    assert sink.received[0].headers["Content-Type"] == "application/x-protobuf"
    assert sink.received[0].headers["User-Agent"].startswith("Spangate/")


def test_refuses_headers_that_would_split_the_request() -> None:
    """A line break inside a value is an error that does not show the value."""
    config = HttpExporterConfig(headers={"x-token": Secret(FAKE_PASSWORD + "\r\nx: y")})

    with pytest.raises(ValueError, match=r"headers\.x-token.*line breaks") as caught:
        HttpClient(config, "http://127.0.0.1:1")

    assert FAKE_PASSWORD not in str(caught.value)


async def test_makes_rest_calls() -> None:
    """A request carries its method, parameters and JSON, and returns a long answer whole."""
    async with http_sink() as sink:
        sink.next_answer(404, b"n" * (ANSWER_BYTES * 2), X_Reason="none")
        client = await started(sink.url)
        answer = await client.request("GET", "/get", params={"name": "a b&c"}, json={"k": 1})
        await client.stop()

    assert sink.received[0].path == "/get?name=a+b%26c"
    assert sink.received[0].body == b'{"k":1}'
    assert (answer.status, len(answer.body)) == (404, ANSWER_BYTES * 2)
    assert answer.headers["x-reason"] == "none"


async def test_does_not_follow_redirects() -> None:
    """A redirect is an answer: following it would turn the POST into a GET."""
    async with http_sink() as sink:
        sink.next_answer(302, Location="/elsewhere")
        client = await started(sink.url)
        answer = await client.post("/", b"", headers={})
        await client.stop()

    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    assert len(sink.received) == 1


async def test_reads_only_the_beginning_of_a_long_answer() -> None:
    """A proxy's endless page costs 64 KiB, and the next request works."""
    async with http_sink() as sink:
        sink.next_answer(200, b"p" * 10_000_000)
        client = await started(sink.url)
        answers = [await client.post("/", b"", headers={}) for _ in range(2)]
        await client.stop()

    assert [len(answer.body) for answer in answers] == [ANSWER_BYTES, 0]


async def test_keeps_connections_open() -> None:
    """Requests one after the other share a connection."""
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await read_request(reader)
            writer.write(OK)

    async with raw_server(talk) as url:
        client = await started(url)
        for _ in range(3):
            await client.post("/", b"body", headers={})
        await client.stop()

    assert connections == 1


@pytest.mark.parametrize("abort", [True, False], ids=["reset", "closed"])
async def test_tries_again_where_an_idle_connection_was_closed(abort: bool) -> None:
    """A connection that dies when it is used again costs nothing but a new one."""
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        for _ in range(2):
            await read_request(reader)
            requests += 1
            if requests == 2:
                if abort:
                    reset(writer)
                return
            writer.write(OK)

    async with raw_server(talk) as url:
        client = await started(url)
        answers = [await client.post("/", b"body", headers={}) for _ in range(2)]
        await client.stop()

    assert [answer.status for answer in answers] == [200, 200]
    assert requests == 3


async def test_does_not_try_again_on_a_new_connection() -> None:
    """A server that closes a fresh connection may have stored the batch: the queue decides."""
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        reset(writer)

    async with raw_server(talk) as url:
        reason = (await failure(await started(url))).reason

    assert requests == 1
    assert f"{url}: the server closed the connection before it answered" == reason


async def test_names_a_refused_connection() -> None:
    """The reason says address and cause, and concerns the whole exporter."""
    port = free_port()

    retry = await failure(await started(f"http://user:{FAKE_PASSWORD}@127.0.0.1:{port}"))

    refused = "cannot connect: connection refused (is the server running?)"
    assert f"http://127.0.0.1:{port}: {refused}" == retry.reason
    assert (retry.advice, retry.scope) == (None, "exporter")


async def test_names_an_unknown_host() -> None:
    """A host name that cannot be resolved is in the reason."""
    retry = await failure(await started("http://backend.invalid:4318"))

    assert "the host name backend.invalid cannot be resolved" in retry.reason


async def test_ends_a_silent_request_by_time_out() -> None:
    """A server that never answers costs ``timeout``; others of the exporter may go on."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(talk) as url:
        retry = await failure(await started(url, timeout=Duration(0.05)))

    assert (f"{url}: no answer within 50ms", "destination") == (retry.reason, retry.scope)


async def test_counts_a_success_whose_body_breaks_off() -> None:
    """Status 200 has been said: what is missing of the body changes nothing."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning")

    async with raw_server(talk) as url:
        client = await started(url)
        answer = await client.post("/", b"", headers={})
        with pytest.raises(Retry, match="the answer breaks off"):
            await client.request("GET", "/")
        await client.stop()

    assert (answer.status, answer.body) == (200, b"beginning")


async def test_hears_a_refusal_before_the_body_is_sent() -> None:
    """A server that answers 413 to the head alone, and hangs up, is an answer, not a failure."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with raw_server(talk) as url:
        client = await started(url, compression="none")
        answer = await client.post("/", bytes(5_000_000), headers={})
        await client.stop()

    assert answer.status == 413


async def test_names_a_server_that_speaks_something_else() -> None:
    """Pointing at a gRPC port says so."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" * 4)

    async with raw_server(talk) as url:
        retry = await failure(await started(url))

    assert "the answer is not HTTP/1.1" in retry.reason


@asynccontextmanager
async def serving_tls(authority: trustme.CA, name: str) -> AsyncIterator[str]:
    """Answer over TLS with a certificate for a name."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            await read_request(reader)
            writer.write(OK)
            await writer.drain()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_advises_on_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """An unknown authority parks with the setting to change; knowing it makes it work."""
    authority, ca_file = trustme.CA(), FilePath(f"{tmp_path}/ca.pem")
    authority.cert_pem.write_to_path(ca_file)

    async with serving_tls(authority, "127.0.0.1") as url:
        retry = await failure(await started(url))
        client = await started(url, tls=ClientTlsConfig(ca_file=ca_file))
        answer = await client.post("/", b"", headers={})
        await client.stop()

    assert f"{url}: its TLS certificate is not trusted" in retry.reason
    assert retry.advice is not None
    assert "tls.ca_file" in retry.advice
    assert answer.status == 200


async def test_asks_for_another_name(tmp_path: Path) -> None:
    """The certificate may name something else than the address, where that is said."""
    authority, ca_file = trustme.CA(), FilePath(f"{tmp_path}/ca.pem")
    authority.cert_pem.write_to_path(ca_file)
    tls = ClientTlsConfig(ca_file=ca_file, server_name_override="backend.example")

    async with serving_tls(authority, "backend.example") as url:
        retry = await failure(await started(url, tls=ClientTlsConfig(ca_file=ca_file)))
        client = await started(url, tls=tls)
        answer = await client.post("/", b"", headers={})
        await client.stop()

    assert "is not valid for '127.0.0.1'" in retry.reason
    assert 200 == answer.status


async def test_uses_certificates_that_were_renewed(tmp_path: Path) -> None:
    """New files are read once the old ones fail; broken ones are named."""
    before, now, ca_file = trustme.CA(), trustme.CA(), FilePath(f"{tmp_path}/ca.pem")
    before.cert_pem.write_to_path(ca_file)

    async with serving_tls(now, "127.0.0.1") as url:
        client = await started(url, tls=ClientTlsConfig(ca_file=ca_file))
        said = []
        for content in (before.cert_pem.bytes(), b"broken", now.cert_pem.bytes()):
            await asyncio.to_thread(Path(ca_file).write_bytes, content)
            with pytest.raises(Retry) as caught:
                await client.post("/", b"", headers={})
            said.append(caught.value.reason)
        answer = await client.post("/", b"", headers={})
        await client.stop()

    assert "is not trusted" in said[0]
    assert f"tls.ca_file: cannot use {ca_file}" in said[1]
    assert 200 == answer.status


async def test_names_a_certificate_file_that_cannot_be_read() -> None:
    """Starting fails with the key of the setting."""
    client = HttpClient(
        HttpExporterConfig(tls=ClientTlsConfig(ca_file=FilePath("/nowhere/ca.pem"))), "https://b:1"
    )

    with pytest.raises(ValueError, match=r"tls\.ca_file: cannot use /nowhere/ca.pem"):
        await client.start()


async def test_goes_through_the_configured_proxy() -> None:
    """The proxy gets the full address; its password stays out of errors."""
    async with http_sink() as sink:
        client = await started("http://backend.invalid:4318", proxy=sink.url)
        answer = await client.post("/v1/traces", b"", headers={})
        await client.stop()
    proxy = f"http://user:{FAKE_PASSWORD}@127.0.0.1:{free_port()}"
    retry = await failure(await started("http://backend.invalid:4318", proxy=proxy))

    assert answer.status == 200
    assert sink.received[0].headers["Host"] == "backend.invalid:4318"
    assert "cannot connect through the proxy http://127.0.0.1:" in retry.reason
    assert FAKE_PASSWORD not in retry.reason


def test_honours_the_proxies_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``HTTPS_PROXY`` counts, but neither for the loopback nor for what ``NO_PROXY`` lists."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")

    assert environment_proxy(URL("https://outside.example")) == "http://proxy:3128"
    assert None is environment_proxy(URL("https://inside.example"))
    assert None is environment_proxy(URL("https://127.0.0.1:1"))
    assert None is environment_proxy(URL("http://outside.example"))


@pytest.mark.parametrize("url", ["backend:4318", "ftp://backend", "http://", "http://h:x", ""])
def test_refuses_what_is_no_address(url: str) -> None:
    """The error shows an example."""
    with pytest.raises(ValueError, match='such as "http://backend:4318"'):
        HttpClient(HttpExporterConfig(), url)


async def test_stops_without_start_and_twice() -> None:
    """Stopping is always safe, and a request afterwards says what is wrong."""
    client = HttpClient(HttpExporterConfig(), "http://127.0.0.1:1")
    await client.stop()
    await client.start()
    await client.stop()
    await client.stop()

    with pytest.raises(Retry, match="stopped"):
        await client.post("/", b"", headers={})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        (None, None),
    ],
)
def test_reads_retry_after(value: str | None, expected: float | None) -> None:
    """Seconds and dates are understood, a past date means at once, nonsense says nothing."""
    headers = {} if value is None else {"Retry-After": value}

    assert expected == retry_after(headers, 1445412480.0)
