"""Decide who may see an endpoint of ours: with credentials, or from this machine."""

import base64
import hashlib
import hmac
import ipaddress
import os
from typing import Literal, NamedTuple

from aiohttp import web

from gateway.config.settings import EndpointAuthConfig

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "[::1]"})


class Verdict(NamedTuple):
    """Whether somebody may see a page, and if not what to answer."""

    status: Literal[200, 401, 403]
    reason: str = ""


OPEN = Verdict(200)


class Door:
    """
    The door of one endpoint.

    Args:
        auth: credentials that open it; without them it opens to this machine alone.
        path: of the settings, to say what to set.
        local: whether it is closed to other machines while there are no credentials.

    """

    def __init__(self, auth: EndpointAuthConfig | None, path: str, *, local: bool) -> None:
        self._path = path
        self._local = local
        self._key = os.urandom(32)
        self._digests = [self._digest(secret) for secret in _secrets(auth)]
        self.challenge = (
            'Basic realm="spangate"'
            if auth is not None and auth.basic is not None
            else 'Bearer realm="spangate"'
        )
        """The ``WWW-Authenticate`` header."""

    def judge(self, request: web.BaseRequest) -> Verdict:
        """Return whether the request may be answered."""
        if self._digests:
            return self._by_credentials(request.headers.get("Authorization", ""))
        if not self._local:
            return OPEN
        if not _is_loopback(request.remote or ""):
            return Verdict(
                403, f"this page is shown to this machine alone until {self._path}.auth is set"
            )
        if _host(request) not in LOCAL_NAMES:  # else any web page could read it (DNS rebinding)
            return Verdict(
                403, f"ask for localhost or 127.0.0.1, or set {self._path}.auth for other names"
            )
        return OPEN

    def _by_credentials(self, header: str) -> Verdict:
        scheme, _, rest = header.partition(" ")
        shown = self._digest(f"{scheme.lower()}:{rest.strip()}")
        fitting = sum(hmac.compare_digest(shown, known) for known in self._digests)
        if not fitting:
            return Verdict(401, "send the credentials that the settings name in Authorization")
        return OPEN

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), key=self._key).digest()


def _secrets(auth: EndpointAuthConfig | None) -> list[str]:
    """Return what must stand in ``Authorization``, scheme in lower case."""
    found: list[str] = []
    if auth is not None and auth.token is not None:
        found.append(f"bearer:{auth.token.reveal()}")
    if auth is not None and auth.basic is not None:
        pair = f"{auth.basic.username}:{auth.basic.password.reveal()}"
        found.append("basic:" + base64.b64encode(pair.encode()).decode())
    return found


def _host(request: web.BaseRequest) -> str:
    host = request.headers.get("Host", "").lower()
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdecimal() else host


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return parsed.is_loopback or (mapped is not None and mapped.is_loopback)
