"""Tell tenants by their credentials, at the same cost whatever their number."""

import base64
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from gateway.component_context import Cells
from gateway.otlp.status import UNAUTHENTICATED, Refusal
from gateway.plugin import Clock
from gateway.receivers.admission import Account
from gateway.tenants import TenantConfig

CERTIFICATES_KEPT = 4096

_ADVICE = "send Authorization: Bearer TOKEN or x-api-key: TOKEN"


class Credentials:
    """A tenant with all the secrets that prove it, as texts that say their kind."""

    __slots__ = ("secrets", "tenant")

    def __init__(self, tenant: TenantConfig, tokens: Sequence[str] = ()) -> None:
        self.tenant = tenant
        self.secrets = [f"token:{token.reveal()}" for token in tenant.tokens]
        self.secrets += [f"token:{token}" for token in tokens]
        if tenant.basic is not None:
            self.secrets.append(f"basic:{tenant.basic.username}:{tenant.basic.password.reveal()}")


class Authenticator:
    """
    The tenants of a receiver and what they prove themselves with.

    Credentials are looked up by a keyed digest, so that neither the time of a look-up nor its
    cost tells anything about the valid ones.
    """

    def __init__(self, clock: Clock, cells: Cells | None = None) -> None:
        self._clock = clock
        self._cells = cells
        self._key = os.urandom(32)
        self._accounts: dict[str, Account] = {}
        self._by_digest: dict[bytes, Account] = {}
        self._globs: list[tuple[str, Account]] = []
        self._by_common_name: dict[str, Account | None] = {}
        self.required = False
        """Whether senders must prove who they are; stays so even if all tenants go."""
        self.challenge = 'Bearer realm="spangate"'
        """The ``WWW-Authenticate`` header."""

    @property
    def accounts(self) -> Mapping[str, Account]:
        """The tenants by name."""
        return self._accounts

    def use(self, tenants: Iterable[Credentials]) -> list[str]:
        """
        Let these tenants send from now on, and nobody else.

        Returns what is wrong: of two with a name or a credential in common the first counts. A
        tenant that stays keeps its used-up quota.
        """
        accounts: dict[str, Account] = {}
        by_digest: dict[bytes, Account] = {}
        faults: list[str] = []
        for each in tenants:
            digests = [self._digest(secret) for secret in each.secrets]
            fault = _clash(each.tenant, digests, accounts, by_digest)
            if fault:
                faults.append(fault)
                continue
            account = self._account(each.tenant)
            accounts[each.tenant.name] = account
            by_digest.update(dict.fromkeys(digests, account))
        self._accounts, self._by_digest = accounts, by_digest
        self._globs = [
            (account.tenant.client_cert, account)
            for account in accounts.values()
            if account.tenant.client_cert is not None
        ]
        self._by_common_name = {}
        self.required = self.required or bool(accounts)
        if any(account.tenant.basic is not None for account in accounts.values()):
            self.challenge = 'Bearer realm="spangate", Basic realm="spangate"'
        return faults

    def authenticate(
        self, authorization: str | None, api_key: str | None, common_name: str | None
    ) -> Account:
        """
        Return whose credentials these are; a client certificate counts where nothing else is sent.

        Raises:
            Refusal: nobody's.

        """
        if api_key:
            return self._find(f"token:{api_key}")
        if authorization:
            return self._find(_parse_authorization(authorization))
        account = self._by_certificate(common_name) if common_name and self._globs else None
        if account is None:
            raise Refusal(UNAUTHENTICATED, f"credentials are missing: {_ADVICE}")
        return account

    def _account(self, tenant: TenantConfig) -> Account:
        known = self._accounts.get(tenant.name)
        if known is None or known.tenant.quota != tenant.quota:
            return Account(tenant, self._clock, self._cells)
        known.tenant = tenant
        return known

    def _find(self, secret: str) -> Account:
        account = self._by_digest.get(self._digest(secret))
        if account is None:
            raise Refusal(UNAUTHENTICATED, f"the credentials are not valid: {_ADVICE}")
        return account

    def _by_certificate(self, common_name: str) -> Account | None:
        """Return whose certificate it is; asked once for each name, since globs cost."""
        known = self._by_common_name
        if common_name not in known:
            if len(known) >= CERTIFICATES_KEPT:
                known.clear()
            fitting = (a for glob, a in self._globs if fnmatchcase(common_name, glob))
            known[common_name] = next(fitting, None)
        return known[common_name]

    def _digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode("utf-8", "surrogateescape"), key=self._key).digest()


def _clash(
    tenant: TenantConfig,
    digests: Iterable[bytes],
    accounts: Mapping[str, Account],
    by_digest: Mapping[bytes, Account],
) -> str:
    """Return what a tenant has in common with one before it, ``""`` for nothing."""
    if tenant.name in accounts:
        return f'there is another tenant "{tenant.name}"; give each a name of its own'
    for digest in digests:
        other = by_digest.get(digest)
        if other is not None:
            return (
                f'tenants "{other.tenant.name}" and "{tenant.name}" have a credential in '
                "common; give each its own"
            )
    return ""


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
