"""What both protocols share: who may come in, with which quota, and what is counted."""

from gateway.audit import Audit
from gateway.batch import BatchContext
from gateway.errors import Flow
from gateway.otlp.status import FORBIDDEN, UNAUTHENTICATED, Refusal
from gateway.plugin import Clock, Deliver, Logger
from gateway.poison import Poison
from gateway.receivers.admission import Account, Admission
from gateway.receivers.auth import Authenticator
from gateway.receivers.handover import HandOver
from gateway.receivers.on_behalf import OnBehalf
from gateway.receivers.requests import Requests
from gateway.telemetry import metrics

_AUDITED = (UNAUTHENTICATED, FORBIDDEN)
"""Refusals that the audit log tells."""


class Front:
    """
    One protocol's side of a receiver.

    Args:
        receiver: id of the receiver.
        transport: ``grpc`` or ``http``.
        admission: room for requests, shared by both protocols.
        auth: tenants, shared as well.
        on_behalf: finds for whom trusted tenants send; ``None`` where they cannot.
        discard: whether metrics and logs are taken and thrown away.
        poison: keeps requests from being read that end the process; None keeps no account.

    """

    def __init__(
        self,
        receiver: str,
        transport: str,
        *,
        deliver: Deliver,
        admission: Admission,
        auth: Authenticator,
        on_behalf: OnBehalf | None,
        audit: Audit,
        discard: bool,
        clock: Clock,
        logger: Logger,
        poison: Poison | None = None,
    ) -> None:
        self.admission = admission
        self.auth = auth
        self.discard = discard
        self.logger = logger
        hand_over = HandOver(deliver, on_behalf, self._forbidden)
        self.requests = Requests(receiver, transport, hand_over, lambda: admission.shared, poison)
        self._deliver = deliver
        self._receiver = receiver
        self._transport = transport
        self._audit = audit
        self._clock = clock

    def admit(
        self,
        authorization: str | None,
        api_key: str | None,
        common_name: str | None,
        peer: str,
    ) -> Account | None:
        """
        Return the tenant's account, ``None`` where everybody may send.

        Raises:
            Refusal: the credentials are wrong, the quota is used up, or a pipeline takes nothing.

        """
        account = None
        if self.auth.required:
            try:
                account = self.auth.authenticate(authorization, api_key, common_name)
            except Refusal as refusal:
                self._tell("credentials refused", "", peer, refusal)
                raise
            account.quota.check()
        self.check_room()
        return account

    def check_room(self) -> None:
        """
        Return if the pipelines take requests now.

        Raises:
            Refusal: they do not.

        """
        try:
            self._deliver.admit()
        except Flow as flow:
            raise Refusal.from_flow(flow) from flow

    def context(
        self, account: Account | None, headers: tuple[tuple[str, str], ...], peer: str
    ) -> BatchContext:
        """Return where a request that comes in now comes from."""
        return BatchContext(
            tenant=account.tenant.name if account is not None else "",
            headers=headers,
            received_unix_ns=self._clock.time_ns(),
            receiver=self._receiver,
            transport=self._transport,
            peer=peer,
        )

    def count(self, refusal: Refusal, peer: str) -> None:
        """Count the spans of a refused request; the log gets no reason that may quote them."""
        if refusal.kind not in _AUDITED:
            self.logger.warning(
                "request refused",
                reason=refusal.kind.label,
                **({"processor": refusal.by} if refusal.by else {}),
                **({"because": refusal.told} if refusal.told else {}),
                transport=self._transport,
                peer=peer,
                spans=refusal.spans,
            )
        metrics.receiver_refused_spans.labels(
            self._receiver, self._transport, refusal.kind.label
        ).inc(refusal.spans)

    def count_discarded(self, signal: str) -> None:
        """Count a request with metrics or logs that was taken and thrown away."""
        metrics.receiver_discarded_requests.labels(self._receiver, self._transport, signal).inc()

    def _forbidden(self, refusal: Refusal, context: BatchContext) -> None:
        self._tell("not allowed", context.tenant, context.peer, refusal)

    def _tell(self, event: str, tenant: str, peer: str, refusal: Refusal) -> None:
        self._audit.refused(
            event,
            actor=tenant or "unknown",
            address=peer,
            receiver=self._receiver,
            transport=self._transport,
            reason=refusal.reason,
        )
