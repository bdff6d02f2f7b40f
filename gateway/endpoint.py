"""Addresses of the form ``host:port``."""


def split(endpoint: str) -> tuple[str, int]:
    """
    Return host and port; IPv6 hosts stand in brackets, an empty host means all interfaces.

    Raises:
        ValueError: the text is no such address.

    """
    host, colon, port = endpoint.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and host[0] != "["):
        raise ValueError(f'expected "host:port" such as "127.0.0.1:4317", found "{endpoint}"')
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - as the Collector reads ":4317"


def join(host: str, port: int) -> str:
    """Return the address of host and port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
