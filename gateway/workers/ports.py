"""
Keep the gateway's ports, so that its workers can share them and nobody else gets in between.

A port is bound here without listening, and its workers listen on it with SO_REUSEPORT. It is
checked first without that option, so that a port that another program holds is an error.
"""

import socket
from collections.abc import Collection

from gateway import endpoint
from gateway.config.settings import TelemetryConfig
from gateway.receivers.addresses import ListenError, check_free, listen_error


class Ports:
    """The ports of a gateway; from the first that asks for one until all of them close."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str, int], tuple[int, list[socket.socket]]] = {}

    def reserve(self, where: str, host: str, port: int) -> int:
        """
        Return the port to listen on: the same to everybody who asks for the same.

        Args:
            where: path of the settings that hold the endpoint.
            host: to listen on.
            port: to listen on; 0 is any.

        Raises:
            ListenError: another program has it, or it cannot be used.

        """
        key = (where, host, port)
        if key not in self._held:
            check_free(where, host, port)
            self._held[key] = _bind(where, host, port)
        return self._held[key][0]

    def keep(self, wishes: Collection[tuple[str, str, int]]) -> None:
        """Give back all but those that were reserved by these arguments."""
        for wish in self._held.keys() - set(wishes):
            for each in self._held.pop(wish)[1]:
                each.close()

    def close(self) -> None:
        """Give all of them back."""
        self.keep(())


def taken(before: TelemetryConfig, now: TelemetryConfig) -> list[str]:
    """Return why telemetry endpoints that changed cannot be opened; nothing where they can."""
    ours = {before.metrics.endpoint, before.status.endpoint}
    wishes = {"metrics": now.metrics.endpoint, "status": now.status.endpoint}
    found: list[str] = []
    for name, wish in wishes.items():
        if wish not in ours:
            try:
                check_free(f"service.telemetry.{name}", *endpoint.split(wish))
            except ListenError as error:
                found.append(str(error))
    return found


def _bind(where: str, host: str, port: int) -> tuple[int, list[socket.socket]]:
    """Bind every address of the host to the port."""
    sockets: list[socket.socket] = []
    chosen = port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            held = socket.socket(family, kind, protocol)
            sockets.append(held)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held.bind((address[0], chosen, *address[2:]))
            chosen = held.getsockname()[1]
    except OSError as error:
        for each in sockets:
            each.close()
        raise listen_error(where, host, port, error) from error
    return chosen, sockets
