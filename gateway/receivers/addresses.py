"""What goes wrong when listening, in words that help."""

import errno
import ipaddress
import os
import socket

from gateway import endpoint


class ListenError(OSError):
    """An address cannot be used; says which setting, why, and what to do."""

    def __str__(self) -> str:
        return str(self.strerror)


def listen_error(where: str, host: str, port: int, error: OSError | None = None) -> ListenError:
    """
    Return an error that names setting, address, reason and what to do.

    Args:
        where: path of the settings that hold the endpoint.
        host: to listen on.
        port: to listen on.
        error: what the system said, where it is known.

    """
    number = error.errno if error is not None and not isinstance(error, socket.gaierror) else 0
    reason = os.strerror(number) if number else "it cannot be used"
    other = endpoint.join(host, _other(port))
    if number == errno.EADDRINUSE:
        advice = "stop the program that holds it, or choose a free port"
    elif number == errno.EACCES:
        advice = "choose a port above 1023"
    else:
        advice = "name an address of this machine, such as 127.0.0.1 or 0.0.0.0"
        other = endpoint.join("127.0.0.1", port)
    address = endpoint.join(host, port)
    return ListenError(
        number,
        f"{where}.endpoint: cannot listen on {address}: {reason}; {advice}, for example "
        f"--set {where}.endpoint={other}",
    )


def check_free(where: str, host: str, port: int) -> None:
    """
    Find out whether an address can be listened on.

    Raises:
        ListenError: it cannot.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise listen_error(where, host, port, error) from error


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _other(port: int) -> int:
    """Return a port to suggest: 14317 for 4317."""
    return port + 10_000 if port < 50_000 else port - 10_000
