"""Read the certificate files of an outgoing connection, and again once they have changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from gateway.plugin import ClientTlsConfig

T = TypeVar("T")


class CertificateFiles(Generic[T]):
    """
    Hold on to what certificate files said when they were last read.

    Certificates are renewed while the gateway runs, as by cert-manager. That shows as a connection
    that fails, so it is then that :meth:`renewed` is worth asking. Both methods block on the disk.

    Args:
        tls: names the files.
        load: makes of them what connections use; a ``ValueError`` says that it cannot.

    """

    def __init__(self, tls: ClientTlsConfig, load: Callable[[ClientTlsConfig], T]) -> None:
        self._tls = tls
        self._load = load
        self._versions: list[tuple[int, int, int] | None] = []

    def load(self) -> T:
        """
        Read the files.

        Raises:
            ValueError: they cannot be used.

        """
        versions = self._look()
        loaded = self._load(self._tls)
        self._versions = versions
        return loaded

    def renewed(self) -> T | None:
        """
        Read the files if they are others than those in use, else return ``None``.

        Raises:
            ValueError: they cannot be used.

        """
        return None if self._look() == self._versions else self.load()

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [
            _version(path) for path in (self._tls.ca_file, self._tls.cert_file, self._tls.key_file)
        ]


def _version(path: str | None) -> tuple[int, int, int] | None:
    if path is None:
        return None
    try:
        stat = Path(path).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
