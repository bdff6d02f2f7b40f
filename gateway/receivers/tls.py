"""Certificates of the receivers, reloaded while running."""

import contextlib
import ssl
import threading
from pathlib import Path
from typing import NamedTuple

import grpc

from gateway.audit import Audit
from gateway.plugin import Clock
from gateway.receivers import expiry
from gateway.receivers.config import ServerTlsConfig
from gateway.telemetry import metrics

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class TlsError(ValueError):
    """Certificate files cannot be used; says which and why."""


class Material(NamedTuple):
    """What the files hold."""

    cert: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext


class Certificates:
    """
    The certificate files of one endpoint.

    They are looked at when a client connects, at most once in ``reload_interval``. Changed
    files that cannot be used leave the old ones in force. Safe to use from any thread, since
    gRPC asks from its own.
    """

    def __init__(self, config: ServerTlsConfig, where: str, clock: Clock, audit: Audit) -> None:
        self._config = config
        self._where = where
        self._clock = clock
        self._audit = audit
        self._lock = threading.Lock()
        self._checked = clock.monotonic()
        self._stamps = self._stamp()
        self._material = self._load()

    def current(self) -> Material:
        """Return what is in force."""
        interval = float(self._config.reload_interval)
        with self._lock:
            if interval and self._clock.monotonic() - self._checked >= interval:
                self._checked = self._clock.monotonic()
                self._reload()
            return self._material

    def http(self) -> ssl.SSLContext:
        """Return a context for a server that always shows the current certificate."""
        context = _build(self._config)

        def choose(connection: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
            connection.context = self.current().context

        context.sni_callback = choose
        return context

    def grpc(self) -> grpc.ServerCredentials:
        """Return credentials for a server that always shows the current certificate."""
        shown = self._material

        def fetch() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            current = self.current()
            if current is shown:
                return None
            shown = current
            return _configuration(current)

        return grpc.dynamic_ssl_server_credentials(
            _configuration(shown),
            fetch,  # type: ignore[arg-type] # the stubs lack that None keeps what is in force
            require_client_authentication=self._config.client_ca_file is not None,
        )

    def _reload(self) -> None:
        stamps = self._stamp()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._material = self._load()
        except TlsError as error:
            self._audit.failed(
                "certificates not reloaded; the old ones stay in force", reason=str(error)
            )
        else:
            self._audit.changed("certificates reloaded", endpoint=self._where)

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        stamps: list[tuple[int, int, int] | None] = []
        for file in self._files().values():
            try:
                stat = Path(file).stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return stamps

    def _files(self) -> dict[str, str]:
        config = self._config
        files = {"cert_file": config.cert_file, "key_file": config.key_file}
        if config.client_ca_file is not None:
            files["client_ca_file"] = config.client_ca_file
        return {key: str(path) for key, path in files.items()}

    def _load(self) -> Material:
        """
        Read the files and check that they fit together.

        Raises:
            TlsError: they cannot be used.

        """
        held: dict[str, bytes] = {}
        for key, path in self._files().items():
            try:
                held[key] = Path(path).read_bytes()
            except OSError as error:
                raise TlsError(
                    f"{self._where}.tls.{key}: cannot read {path}: {error.strerror}"
                ) from error
        try:
            context = _build(self._config)
        except (ssl.SSLError, OSError) as error:
            raise TlsError(
                f"{self._where}.tls: cert_file, key_file and client_ca_file must be PEM, the key "
                f"without a pass phrase and belonging to the certificate: {error}"
            ) from error
        self._note_expiry(held["cert_file"])
        return Material(held["cert_file"], held["key_file"], held.get("client_ca_file"), context)

    def _note_expiry(self, cert: bytes) -> None:
        with contextlib.suppress(ValueError, IndexError):  # OpenSSL takes it, so it may serve
            ends = expiry.not_after(cert).timestamp()
            metrics.tls_certificate_expiry.labels(self._where).set(ends)


def _build(config: ServerTlsConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[config.min_version]
    # An empty pass phrase makes an encrypted key fail instead of asking on the terminal.
    context.load_cert_chain(config.cert_file, config.key_file, password=lambda: "")
    if config.client_ca_file is not None:
        context.load_verify_locations(config.client_ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["http/1.1"])
    return context


def _configuration(material: Material) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(material.key, material.cert)], root_certificates=material.client_ca
    )
