"""The tenants of a receiver, kept in step with the files that name them."""

import asyncio
from collections.abc import Sequence

from gateway import guard
from gateway.audit import Audit
from gateway.component_context import Cells
from gateway.plugin import Clock
from gateway.receivers.admission import Admission
from gateway.receivers.auth import Authenticator, Credentials
from gateway.receivers.config import OtlpConfig
from gateway.receivers.tenant_files import Change, TenantFiles
from gateway.tenants import Tenants

LOOK_EVERY_S = 1.0


class TenantDirectory:
    """
    Tell the authenticator and the exporters who the tenants are.

    Args:
        config: settings of the receiver.
        where: path of ``auth`` among the settings, for errors.
        admission: is told whether tenants share its room.
        tenants: what exporters know of tenants.
        receiver: id of the receiver.

    """

    def __init__(
        self,
        config: OtlpConfig,
        where: str,
        *,
        admission: Admission,
        tenants: Tenants,
        receiver: str,
        clock: Clock,
        audit: Audit,
        cells: Cells | None = None,
    ) -> None:
        self.auth = Authenticator(clock, cells)
        self._files = TenantFiles(config.auth.tenants, config.auth.tenants_from)
        self._required = config.auth.tenants_from is not None
        self._certificates = config.asks_for_certificates
        self._where = where
        self._admission = admission
        self._tenants = tenants
        self._receiver = receiver
        self._audit = audit
        self._watching: asyncio.Task[None] | None = None
        self._told: set[str] = set()

    async def start(self) -> None:
        """
        Read everything, and look for changes from then on.

        Raises:
            ValueError: a file is wrong, or two tenants clash; says where.

        """
        changes = await asyncio.to_thread(self._files.look)
        faults = [change.reason for change in changes if change.what == "failed"]
        if not faults:
            faults = self._use()
        if faults:
            raise ValueError(f"{self._where}: " + "; ".join(faults))
        if self._files.watched:
            self._watching = asyncio.create_task(self._watch())
            guard.depend_on(self._watching, "tenants_from")

    async def stop(self) -> None:
        """Look no more; safe without :meth:`start`, and safe twice."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def refresh(self) -> None:
        """Look for changes now; whatever goes wrong, what is in force stays."""
        try:
            changes = await asyncio.to_thread(guard.attempt, self._files.look)
        except guard.FaultError as fault:
            self._audit.failed("tenants cannot be looked at", reason=str(fault))
        else:
            self._apply(changes)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.refresh()

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.what == "failed":
                self._audit.failed(
                    "tenants not reloaded; what the file said before stays in force",
                    file=change.path,
                    reason=change.reason,
                )
            else:
                self._audit.changed(f"tenants {change.what}", file=change.path)
        if not changes:
            return
        faults = set(self._use())
        for fault in sorted(faults - self._told):
            self._audit.failed("tenant left out", reason=fault)
        self._told = faults

    def _use(self) -> list[str]:
        """Put what was read in force; return what is wrong with the rest."""
        usable: list[Credentials] = []
        faults: list[str] = []
        for each in self._files.credentials():
            fault = self._fault(each)
            faults += [fault] if fault else []
            usable += [] if fault else [each]
        faults += self.auth.use(usable)
        accounts = self.auth.accounts
        self.auth.required = self.auth.required or self._required
        self._admission.shared = len(accounts) > 1
        known = {name: account.tenant for name, account in accounts.items()}
        self._tenants.publish(self._receiver, known)
        return faults

    def _fault(self, each: Credentials) -> str:
        tenant = each.tenant
        if tenant.client_cert is not None and not self._certificates:
            return f'client_cert of "{tenant.name}" needs tls.client_ca_file on a protocol'
        return self._tenants.clash(self._receiver, tenant)
