"""Where the backends of ``loadbalancing`` are."""

import asyncio
import socket
from typing import Annotated

import msgspec

from gateway.plugin import Config, Duration

_PORT = 4317


class StaticConfig(Config):
    """Settings of ``resolver.static``."""

    hostnames: tuple[str, ...] = ()
    """``host`` or ``host:port``; port 4317 where none is named."""


class DnsConfig(Config):
    """Settings of ``resolver.dns``."""

    hostname: str = ""
    """A name with one address for each backend, such as that of a headless Service."""

    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = _PORT
    """The port of all of them."""

    interval: Duration = Duration(5)
    """How often the name is looked up."""

    timeout: Duration = Duration(1)
    """How long a look-up may take; where it fails, the addresses of before stay."""


class ResolverConfig(Config):
    """Settings of ``resolver``: one of the two."""

    static: StaticConfig | None = None
    """Backends that never change."""

    dns: DnsConfig | None = None
    """Backends behind one name."""

    def validate(self) -> None:
        """Require one way, and something to look up."""
        if (self.static is None) == (self.dns is None):
            raise ValueError(
                "resolver: set either static, such as {hostnames: [a:4317, b:4317]}, or dns, such "
                "as {hostname: spangate-headless}"
            )
        if self.static is not None and not self.static.hostnames:
            raise ValueError("resolver.static.hostnames: name at least one backend")
        if self.dns is not None and not self.dns.hostname:
            raise ValueError("resolver.dns.hostname: name what to look up")
        if self.dns is not None and (self.dns.interval <= 0 or self.dns.timeout <= 0):
            raise ValueError("resolver.dns: interval and timeout must be above 0s")


async def resolve(config: ResolverConfig) -> list[str]:
    """
    Return the addresses of the backends, ``host:port``, sorted.

    Raises:
        OSError: the name cannot be looked up now.

    """
    if config.static is not None:
        return sorted({_with_port(name) for name in config.static.hostnames})
    assert config.dns is not None, "validated"
    name, port = config.dns.hostname, config.dns.port
    try:
        async with asyncio.timeout(float(config.dns.timeout)):
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise OSError(f"looking up {name} takes longer than {config.dns.timeout}") from error
    return sorted({_join(str(address[0]), port) for *_, address in found})


def _with_port(name: str) -> str:
    host, separator, port = name.rpartition(":")
    if name.startswith("[") and name.endswith("]"):
        return f"{name}:{_PORT}"
    if not separator or (":" in host and not host.endswith("]")):
        return _join(name, _PORT)
    return f"{host}:{port}"


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
