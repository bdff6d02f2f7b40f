"""Choose the demo's ports: the usual ones, or free ones where those are taken."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack

HOST = "127.0.0.1"
USUAL = {"gRPC": 4317, "HTTP": 4318, "MLflow": 5000, "metrics": 8888, "status": 13133}


def wanted(base: int | None) -> dict[str, int]:
    """Return the usual ports, or five in a row from ``base``."""
    if base is None:
        return dict(USUAL)
    return {name: base + offset for offset, name in enumerate(USUAL)}


def choose(ports: Mapping[str, int]) -> dict[str, int]:
    """Return each port if it is free, else one that the system chooses."""
    with ExitStack() as held:
        # All are held until the last one is chosen, so that none is chosen twice.
        return {name: _hold(held, port) for name, port in ports.items()}


def _hold(held: ExitStack, port: int) -> int:
    for attempt in (port, 0):
        listener = held.enter_context(socket.socket())
        # As servers do: a port whose last connection has just ended is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, attempt))
            listener.listen()
        except OSError:
            continue
        return int(listener.getsockname()[1])
    raise OSError(f"no free port on {HOST}")
