"""Tell tenants by their credentials, at the same cost whatever their number."""

import base64
import hashlib
import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from gateway.otlp.status import UNAUTHENTICATED, Refusal
from gateway.plugin import Clock, Logger
from gateway.tenants import TenantConfig

RECHECK_S = 1.0
"""How often token files are looked at for changes, at the most."""

_ADVICE = "send Authorization: Bearer TOKEN or x-api-key: TOKEN"


class Authenticator:
    """
    The tenants of a receiver and what they prove themselves with.

    Credentials are looked up by a keyed digest, so that neither the time of a look-up nor its
    cost tells anything about the valid ones.
    """

    def __init__(self, tenants: Sequence[TenantConfig], clock: Clock, logger: Logger) -> None:
        self._tenants = tenants
        self._clock = clock
        self._logger = logger
        self._key = os.urandom(32)
        self._globs = [(t.client_cert, t) for t in tenants if t.client_cert is not None]
        self._files = [t.tokens_file for t in tenants if t.tokens_file is not None]
        self._seen: list[tuple[int, int, int] | None] = []
        self._checked = 0.0
        self._by_digest: dict[bytes, TenantConfig] = {}

    @property
    def required(self) -> bool:
        """Whether senders must prove who they are."""
        return bool(self._tenants)

    @property
    def challenge(self) -> str:
        """The ``WWW-Authenticate`` header."""
        basic = any(tenant.basic is not None for tenant in self._tenants)
        return 'Bearer realm="spangate"' + (', Basic realm="spangate"' if basic else "")

    def load(self) -> None:
        """
        Read all credentials.

        Raises:
            ValueError: a file cannot be read or has no token, or two tenants share a credential.

        """
        seen = [_stamp(file) for file in self._files]
        found: dict[bytes, TenantConfig] = {}
        for tenant in self._tenants:
            for secret in _secrets(tenant):
                other = found.setdefault(self._digest(secret), tenant)
                if other is not tenant:
                    raise ValueError(
                        f'tenants "{other.name}" and "{tenant.name}" have a credential in '
                        "common; give each its own"
                    )
        self._by_digest, self._seen = found, seen
        self._checked = self._clock.monotonic()

    def authenticate(
        self, authorization: str | None, api_key: str | None, common_name: str | None
    ) -> TenantConfig:
        """
        Return whose credentials these are; a client certificate counts where nothing else is sent.

        Raises:
            Refusal: nobody's.

        """
        if self._files and self._clock.monotonic() - self._checked >= RECHECK_S:
            self._reload()
        if api_key:
            return self._find(f"token:{api_key}")
        if authorization:
            return self._find(_parse_authorization(authorization))
        if common_name:
            for glob, tenant in self._globs:
                if fnmatchcase(common_name, glob):
                    return tenant
        raise Refusal(UNAUTHENTICATED, f"credentials are missing: {_ADVICE}")

    def _find(self, secret: str) -> TenantConfig:
        tenant = self._by_digest.get(self._digest(secret))
        if tenant is None:
            raise Refusal(UNAUTHENTICATED, f"the credentials are not valid: {_ADVICE}")
        return tenant

    def _digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode("utf-8", "surrogateescape"), key=self._key).digest()

    def _reload(self) -> None:
        """Read the credentials again where a file has changed; what fails leaves the old ones."""
        self._checked = self._clock.monotonic()
        seen = [_stamp(file) for file in self._files]
        if seen == self._seen:
            return
        try:
            self.load()
        except ValueError as error:
            self._seen = seen
            self._logger.error(
                "tokens not reloaded; the old ones stay in force", reason=str(error), audit=True
            )
        else:
            self._logger.info("tokens reloaded", audit=True)


def _secrets(tenant: TenantConfig) -> Iterable[str]:
    """Yield a tenant's credentials as texts that say their kind."""
    for token in tenant.tokens:
        yield f"token:{token.reveal()}"
    if tenant.tokens_file is not None:
        for text in _read_tokens(tenant):
            yield f"token:{text}"
    if tenant.basic is not None:
        yield f"basic:{tenant.basic.username}:{tenant.basic.password.reveal()}"


def _read_tokens(tenant: TenantConfig) -> list[str]:
    try:
        text = Path(str(tenant.tokens_file)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ValueError(
            f'tokens_file of tenant "{tenant.name}": cannot read {tenant.tokens_file}: {reason}'
        ) from error
    tokens = [line.strip() for line in text.splitlines()]
    return [token for token in tokens if token and not token.startswith("#")]


def _stamp(file: str) -> tuple[int, int, int] | None:
    """Return what changes when a file does; ``None`` while it is not there."""
    try:
        stat = Path(file).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _parse_authorization(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer":
        return f"token:{rest}"
    if scheme.lower() == "basic":
        try:
            return "basic:" + base64.b64decode(rest, validate=True).decode("utf-8")
        except ValueError:  # not base64, or not UTF-8
            raise Refusal(
                UNAUTHENTICATED, "Authorization: Basic is not base64 of user:password"
            ) from None
    raise Refusal(UNAUTHENTICATED, f"the Authorization scheme is not supported: {_ADVICE}")
