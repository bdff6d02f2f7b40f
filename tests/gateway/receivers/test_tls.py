"""Encryption and client certificates, and their renewal while running."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
import trustme
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.receivers.expiry import not_after
from gateway.telemetry import metrics

Make = Callable[..., ExportTraceServiceRequest]
Serve = Any  # the fixture's types live in conftest, which cannot be imported
TRACES = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


class Files:
    """The certificate files of a server, as someone who renews them sees them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ca = trustme.CA()
        self.client_ca = trustme.CA()
        self.renew()
        self.client_ca.cert_pem.write_to_path(str(folder / "client-ca.pem"))

    def renew(self, days: int = 30) -> None:
        """Write a new certificate, by a new authority."""
        self.ca = trustme.CA()
        end = datetime.now(UTC) + timedelta(days=days)
        server = self.ca.issue_cert("127.0.0.1", "localhost", not_after=end)
        server.cert_chain_pems[0].write_to_path(str(self._folder / "cert.pem"))
        server.private_key_pem.write_to_path(str(self._folder / "key.pem"))

    @property
    def end(self) -> float:
        """When the certificate ends, in seconds since 1970."""
        return not_after((self._folder / "cert.pem").read_bytes()).timestamp()

    def damage(self) -> None:
        """Overwrite the key with something else."""
        (self._folder / "key.pem").write_text("broken")

    def settings(self, *, mutual: bool = False) -> dict[str, str]:
        """Return the settings under ``tls``."""
        files = {
            "cert_file": str(self._folder / "cert.pem"),
            "key_file": str(self._folder / "key.pem"),
            "reload_interval": "1ms",
        }
        return files | ({"client_ca_file": str(self._folder / "client-ca.pem")} if mutual else {})


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Return certificate files of a server."""
    return Files(tmp_path)


async def send(
    served: Any, ca: trustme.CA, body: bytes, client: trustme.LeafCert | None = None
) -> int:
    """Send over HTTPS on a connection of its own."""
    context = ssl.create_default_context()
    ca.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.post(
            f"https://{served.http_address}/v1/traces",
            data=body,
            headers={"Content-Type": "application/x-protobuf"},
        ) as answer,
    ):
        return answer.status


async def call(
    served: Any, ca: trustme.CA, body: bytes, client: trustme.LeafCert | None = None
) -> grpc.StatusCode:
    """Send over gRPC with TLS on a connection of its own."""
    credentials = grpc.ssl_channel_credentials(
        ca.cert_pem.bytes(),
        client.private_key_pem.bytes() if client else None,
        client.cert_chain_pems[0].bytes() if client else None,
    )
    channel: Any
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(served.grpc_address, credentials, options) as channel:
        try:
            await channel.unary_unary(TRACES)(body, timeout=5)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_tls(serve: Serve, files: Files, make_request: Make) -> None:
    """Both protocols speak TLS, and nothing else."""
    served = await serve(grpc={"tls": files.settings()}, http={"tls": files.settings()})
    body = make_request("a").SerializeToString()

    assert 200 == await send(served, files.ca, body)
    assert grpc.StatusCode.OK == await call(served, files.ca, body)
    with pytest.raises(aiohttp.ClientError):
        await served.send(body)


async def test_mutual_tls(serve: Serve, files: Files, make_request: Make) -> None:
    """With ``client_ca_file`` a client needs a certificate of that authority."""
    tls = files.settings(mutual=True)
    served = await serve(grpc={"tls": tls}, http={"tls": tls})
    body = make_request("a").SerializeToString()
    ours = files.client_ca.issue_cert("node-1", common_name="node-1")
    strangers = trustme.CA().issue_cert("node-1", common_name="node-1")

    assert 200 == await send(served, files.ca, body, ours)
    assert grpc.StatusCode.OK == await call(served, files.ca, body, ours)
    for client in (None, strangers):
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await send(served, files.ca, body, client)
        assert grpc.StatusCode.UNAVAILABLE == await call(served, files.ca, body, client)
    assert ["a", "a"] == served.engine.names


async def test_certificate_names_the_tenant(serve: Serve, files: Files, make_request: Make) -> None:
    """A tenant is known by the common name of its certificate, over both protocols."""
    tls = files.settings(mutual=True)
    served = await serve(
        grpc={"tls": tls},
        http={"tls": tls},
        auth={"tenants": [{"name": "nodes", "client_cert": "node-*"}]},
    )
    body = make_request("a").SerializeToString()
    node = files.client_ca.issue_cert("n", common_name="node-1")
    other = files.client_ca.issue_cert("n", common_name="other")

    assert 200 == await send(served, files.ca, body, node)
    assert grpc.StatusCode.OK == await call(served, files.ca, body, node)
    assert 401 == await send(served, files.ca, body, other)
    assert grpc.StatusCode.UNAUTHENTICATED == await call(served, files.ca, body, other)
    assert ["nodes"] * 2 == [batch.context.tenant for batch in served.engine.batches]


def shown_ends() -> set[float]:
    """Return the ends of certificates among the metrics."""
    return {
        sample.value
        for family in metrics.tls_certificate_expiry.collect()
        for sample in family.samples
    }


async def test_renewal(serve: Serve, files: Files, make_request: Make) -> None:
    """New connections see a renewed certificate, metrics its end; broken files leave the old."""
    served = await serve(grpc={"tls": files.settings()}, http={"tls": files.settings()})
    body = make_request("a").SerializeToString()
    assert 200 == await send(served, files.ca, body)
    assert grpc.StatusCode.OK == await call(served, files.ca, body)
    assert files.end in shown_ends()

    files.renew(days=60)
    assert 200 == await send(served, files.ca, body)
    assert grpc.StatusCode.OK == await call(served, files.ca, body)
    assert files.end in shown_ends()

    files.damage()
    assert 200 == await send(served, files.ca, body)
    assert grpc.StatusCode.OK == await call(served, files.ca, body)
    assert {"certificates reloaded", "certificates not reloaded; the old ones stay in force"} == {
        event for _, event, _ in served.log.events
    }


async def test_renewal_of_the_clients_authority(
    serve: Serve, files: Files, tmp_path: Path, make_request: Make
) -> None:
    """A new authority of client certificates replaces the old one."""
    tls = files.settings(mutual=True)
    served = await serve(grpc={"tls": tls}, http={"tls": tls})
    body = make_request("a").SerializeToString()
    old = files.client_ca.issue_cert("n", common_name="n")
    other_ca = trustme.CA()
    new = other_ca.issue_cert("n", common_name="n")
    assert 200 == await send(served, files.ca, body, old)

    other_ca.cert_pem.write_to_path(str(tmp_path / "client-ca.pem"))

    assert 200 == await send(served, files.ca, body, new)
    assert grpc.StatusCode.OK == await call(served, files.ca, body, new)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await send(served, files.ca, body, old)
    assert grpc.StatusCode.UNAVAILABLE == await call(served, files.ca, body, old)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_unreadable_files(serve: Serve, files: Files, tmp_path: Path, protocol: str) -> None:
    """Files that cannot be used stop the start, with setting and reason."""
    missing = files.settings() | {"key_file": str(tmp_path / "missing.pem")}
    with pytest.raises(
        ValueError,
        match=rf"receivers\.otlp\.protocols\.{protocol}\.tls\.key_file: cannot read .*missing\.pem",
    ):
        await serve(**{protocol: {"tls": missing}})

    (tmp_path / "junk.pem").write_text("junk")
    junk = files.settings() | {"key_file": str(tmp_path / "junk.pem")}
    with pytest.raises(ValueError, match=rf"{protocol}\.tls: cert_file, key_file"):
        await serve(**{protocol: {"tls": junk}})


async def test_min_version(serve: Serve, files: Files, make_request: Make) -> None:
    """``min_version`` refuses older clients."""
    served = await serve(http={"tls": files.settings() | {"min_version": "1.3"}})
    context = ssl.create_default_context()
    files.ca.configure_trust(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        with pytest.raises(aiohttp.ClientError):
            await session.post(f"https://{served.http_address}/v1/traces")
