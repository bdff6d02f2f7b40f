"""What both protocols share: who may come in, with which quota, and what is counted."""

from gateway.batch import BatchContext
from gateway.otlp.status import Refusal
from gateway.plugin import Clock, Deliver, Logger
from gateway.receivers.admission import Admission, Quota
from gateway.receivers.auth import Authenticator
from gateway.receivers.requests import Requests
from gateway.telemetry import metrics


class Front:
    """
    One protocol's side of a receiver.

    Args:
        receiver: id of the receiver.
        transport: ``grpc`` or ``http``.
        admission: room for requests, shared by both protocols.
        auth: tenants, shared as well.
        quotas: by tenant, shared as well.
        discard: whether metrics and logs are taken and thrown away.

    """

    def __init__(
        self,
        receiver: str,
        transport: str,
        *,
        deliver: Deliver,
        admission: Admission,
        auth: Authenticator,
        quotas: dict[str, Quota],
        discard: bool,
        clock: Clock,
        logger: Logger,
    ) -> None:
        self.admission = admission
        self.auth = auth
        self.discard = discard
        self.logger = logger
        self.requests = Requests(receiver, transport, deliver)
        self._receiver = receiver
        self._transport = transport
        self._quotas = quotas
        self._clock = clock

    def admit(
        self,
        authorization: str | None,
        api_key: str | None,
        common_name: str | None,
        peer: str,
    ) -> tuple[str, Quota | None]:
        """
        Return the tenant's name and quota; ``""`` and none where everybody may send.

        Raises:
            Refusal: the credentials are wrong, or the quota is used up.

        """
        if not self.auth.required:
            return "", None
        try:
            tenant = self.auth.authenticate(authorization, api_key, common_name)
        except Refusal as refusal:
            self.logger.warning(
                "credentials refused",
                transport=self._transport,
                peer=peer,
                reason=refusal.reason,
                audit=True,
            )
            raise
        quota = self._quotas.get(tenant.name)
        if quota is not None:
            quota.check()
        return tenant.name, quota

    def context(self, tenant: str, headers: tuple[tuple[str, str], ...], peer: str) -> BatchContext:
        """Return where a request that comes in now comes from."""
        return BatchContext(
            tenant=tenant,
            headers=headers,
            received_unix_ns=self._clock.time_ns(),
            receiver=self._receiver,
            transport=self._transport,
            peer=peer,
        )

    def count(self, refusal: Refusal) -> None:
        """Count the spans of a refused request."""
        metrics.receiver_refused_spans.labels(
            self._receiver, self._transport, refusal.kind.label
        ).inc(refusal.spans)

    def count_discarded(self, signal: str) -> None:
        """Count a request with metrics or logs that was taken and thrown away."""
        metrics.receiver_discarded_requests.labels(self._receiver, self._transport, signal).inc()
