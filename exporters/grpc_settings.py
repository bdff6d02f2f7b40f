"""Turn a gRPC exporter's settings into what a channel needs, with errors that name the key."""

import contextlib
import ipaddress
import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import grpc

from gateway.plugin import ClientTlsConfig, Secret

_HEADER_NAME = re.compile(r"[0-9a-z_.\-]+")


class Target(NamedTuple):
    """Where to connect, and how."""

    address: str
    tls: bool


def parse_target(endpoint: str, tls: ClientTlsConfig) -> Target:
    """
    Return where ``endpoint`` points.

    Raises:
        ValueError: it is no address, or contradicts ``tls``.

    """
    scheme, separator, rest = endpoint.removeprefix("dns:///").rpartition("://")
    if separator and scheme not in ("http", "https"):
        raise ValueError(f'endpoint: the scheme must be http or https, found "{scheme}"')
    parts = urlsplit("")
    try:
        parts = urlsplit("//" + rest)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or "@" in parts.netloc or parts.path.strip("/"):
        shown = rest.rpartition("@")[2]
        raise ValueError(f'endpoint: expected host:port, such as "backend:4317", found "{shown}"')
    if scheme == "https" and tls.insecure:
        raise ValueError("tls.insecure contradicts the https in endpoint: remove one of them")
    custom = bool(tls.ca_file or tls.cert_file or tls.server_name_override)
    plain = scheme == "http" or tls.insecure or (not separator and is_loopback(host) and not custom)
    return Target(parts.netloc, not plain)


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine by its name."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def reveal_metadata(headers: dict[str, Secret]) -> tuple[tuple[str, str], ...]:
    """
    Reveal the configured headers as metadata; the only place that reveals them.

    Raises:
        ValueError: gRPC could not carry one of them.

    """
    metadata = []
    for name, secret in headers.items():
        key, value = name.lower(), secret.reveal().strip()
        if not _HEADER_NAME.fullmatch(key) or key.startswith("grpc-") or key.endswith("-bin"):
            raise ValueError(f"headers.{name}: gRPC metadata cannot have this name")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"headers.{name}: gRPC metadata holds printable ASCII only")
        metadata.append((key, value))
    return tuple(metadata)


def channel_credentials(tls: ClientTlsConfig) -> grpc.ChannelCredentials:
    """
    Return how the certificates of servers are checked, and ours shown.

    Raises:
        ValueError: a certificate file cannot be read.

    """
    return grpc.ssl_channel_credentials(
        root_certificates=_pem("ca_file", tls.ca_file),
        private_key=_pem("key_file", tls.key_file),
        certificate_chain=_pem("cert_file", tls.cert_file),
    )


def _pem(key: str, path: str | None) -> bytes | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"tls.{key}: cannot read {path}: {error.strerror}") from error
