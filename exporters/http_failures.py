"""Say in plain words why a server gave no answer; no part of an address but its origin shows."""

import errno
import os
import socket
from typing import Any

import aiohttp

from exporters.http_settings import without_secrets
from gateway.errors import Retry

_RESETS = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, None)


def is_reset(error: Exception) -> bool:
    """Return whether the server closed the connection, as it may do with an idle one."""
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return True
    return isinstance(error, aiohttp.ClientOSError) and error.errno in _RESETS


def explain(error: Exception, where: str, proxy: str | None, timeout: object) -> Retry:
    """
    Return the instruction for a request without an answer.

    Args:
        error: what aiohttp raised.
        where: origin of the server's address.
        proxy: address of the proxy in between.
        timeout: the configured one, printable.

    """
    through = f" through the proxy {without_secrets(proxy)}" if proxy else ""
    if isinstance(error, aiohttp.ClientConnectorError):
        return _explain_connecting(error, where, through)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return Retry(
            f"{where}: the proxy answered {error.status} {error.message}",
            advice="check the address and the credentials of the proxy",
            scope="exporter",
        )
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return Retry(f"{where}: cannot connect{through}: timed out", scope="exporter")
    if isinstance(error, TimeoutError):
        return Retry(f"{where}: no answer{through} within {timeout}")
    return Retry(f"{where}: {_exchange_reason(error)}{through}")


def _explain_connecting(error: aiohttp.ClientConnectorError, where: str, through: str) -> Retry:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Retry(
            f"{where}: its TLS certificate is not trusted: {_tls_reason(error)}",
            advice=f"set tls.ca_file to the authority that signed the certificate of {where}, "
            "or correct the host name in the address",
            scope="exporter",
        )
    if isinstance(error, aiohttp.ClientSSLError):
        return Retry(
            f"{where}: the TLS handshake failed: {_tls_reason(error)}",
            advice="where the server speaks plain HTTP write http:// in the address; where it "
            "asks for a client certificate set tls.cert_file and tls.key_file",
            scope="exporter",
        )
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return Retry(f"{where}: cannot connect{through}: {_os_reason(error)}", scope="exporter")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return Retry(
            f"{where}: the host name {error.host} cannot be resolved: {_os_reason(error)}",
            scope="exporter",
        )
    return Retry(f"{where}: cannot connect{through}: {_os_reason(error)}", scope="exporter")


def _os_reason(error: OSError) -> str:
    """Return the system's words for a failure, without aiohttp's."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, socket.gaierror):
        return str(cause.strerror).lower()
    if isinstance(cause, ConnectionRefusedError):
        return "connection refused (is the server running?)"
    if cause.errno and cause.errno > 0:
        return os.strerror(cause.errno).lower()
    return str(cause.strerror or cause)


def _tls_reason(error: aiohttp.ClientConnectorError) -> str:
    cause: Any = getattr(error, "certificate_error", None) or getattr(error, "os_error", error)
    return getattr(cause, "verify_message", "") or getattr(cause, "reason", "") or str(cause)


def _exchange_reason(error: Exception) -> str:
    if is_reset(error):
        return "the server closed the connection before it answered"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer breaks off or is too long"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP/1.1 (does the address name an HTTP port?)"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return type(error).__name__
