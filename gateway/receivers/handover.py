"""Hand a checked request over to the engine, each tenant's spans by themselves."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.batch import Batch, BatchContext
from gateway.courtesy import COURTESY
from gateway.errors import Flow, Reject, ShareFull
from gateway.otlp import validate, wire
from gateway.otlp.status import FORBIDDEN, Refusal
from gateway.plugin import Deliver
from gateway.receivers.admission import Account
from gateway.receivers.on_behalf import OnBehalf
from gateway.receivers.quota import Quota


class _Part(NamedTuple):
    """The spans of one tenant in a request."""

    context: BatchContext
    quota: Quota | None
    size: int
    data: bytes
    entries: Sequence[wire.Entry]
    request: ExportTraceServiceRequest | None

    def batch(self) -> Batch:
        """Return a batch; only the first one may have the decoded request."""
        return Batch(self.data, self.context, self.request, self.entries)

    def give_back(self) -> None:
        """Return what was taken of the quota."""
        if self.quota is not None:
            self.quota.give_back(len(self.entries), self.size)


class Refused:
    """Spans that are refused while the rest of their request is not."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self._reasons: list[str] = []

    def add(self, refusal: Refusal, tenant: str) -> None:
        """Note a refusal of a tenant's spans."""
        self.refusals.append(refusal)
        self._reasons.append(f'tenant "{tenant}": {refusal.reason}' if tenant else refusal.reason)

    @property
    def spans(self) -> int:
        """How many they are."""
        return sum(refusal.spans for refusal in self.refusals)

    @property
    def reason(self) -> str:
        """Why, in one text."""
        return "; ".join(self._reasons)

    def whole(self) -> Refusal:
        """Return the answer where nothing was accepted; coming back is worth it if for any."""
        chosen = min(self.refusals, key=lambda refusal: refusal.after is None)
        whole = Refusal(chosen.kind, self.reason, chosen.after, self.spans)
        whole.by, whole.is_private = chosen.by, any(one.is_private for one in self.refusals)
        return whole


class HandOver:
    """
    Take quotas, deliver, and tell what was refused.

    Args:
        on_behalf: finds for whom trusted tenants send; ``None`` where they cannot.
        forbidden: told of what a tenant may not do.

    """

    def __init__(
        self,
        deliver: Deliver,
        on_behalf: OnBehalf | None,
        forbidden: Callable[[Refusal, BatchContext], None],
    ) -> None:
        self._deliver = deliver
        self._on_behalf = on_behalf
        self._forbidden = forbidden

    async def run(
        self,
        checked: validate.Checked,
        size: int,
        context: BatchContext,
        account: Account | None,
    ) -> Refused:
        """
        Return once the spans are queued for every exporter, except those told.

        Raises:
            Refusal: nothing was accepted, or something has to be sent again.

        """
        refused = Refused()
        if account is not None and account.tenant.trusted and self._on_behalf is not None:
            parts = self._split(self._on_behalf, checked, context, account, refused)
        else:
            quota = account.quota if account is not None else None
            if quota is not None:
                quota.take(len(checked.entries), size)
            parts = [_Part(context, quota, size, checked.data, checked.entries, checked.request)]
        await self._deliver_all(parts, refused)
        return refused

    async def _deliver_all(self, parts: Sequence[_Part], refused: Refused) -> None:
        """Deliver the parts together; if one of them is to blame for a refusal, each by itself."""
        try:
            await self._deliver(*(part.batch() for part in parts))
        except Reject as flow:
            if len(parts) == 1 and not refused.refusals:
                parts[0].give_back()
                raise self._refusal(flow, parts[0]) from flow
            await self._one_by_one([part._replace(request=None) for part in parts], refused)
        except ShareFull as flow:
            if len(parts) == 1:
                raise _later(flow, parts) from flow
            await self._one_by_one([part._replace(request=None) for part in parts], refused)
        except Flow as flow:
            raise _later(flow, parts) from flow

    async def _one_by_one(self, parts: Sequence[_Part], refused: Refused) -> None:
        accepted = False
        for at, part in enumerate(parts):
            try:
                await self._deliver(part.batch())
            except (Reject, ShareFull) as flow:
                part.give_back()
                refused.add(self._refusal(flow, part), part.context.tenant)
            except Flow as flow:
                raise _later(flow, parts[at:]) from flow
            else:
                accepted = True
        if not accepted:
            raise refused.whole()

    def _split(
        self,
        on_behalf: OnBehalf,
        checked: validate.Checked,
        context: BatchContext,
        sender: Account,
        refused: Refused,
    ) -> list[_Part]:
        """Return the parts by tenant; what nobody may send now is refused."""
        shares, unknown = on_behalf.sort(checked.entries, sender)
        if unknown is not None:
            reason = unknown.explain(on_behalf.attribute)
            refusal = Refusal(FORBIDDEN, reason, spans=unknown.spans)
            self._forbidden(refusal, context)
            refused.add(refusal, "")
        whole = len(shares) == 1 and unknown is None
        parts: list[_Part] = []
        for account, entries in shares:
            data = checked.data if whole else wire.assemble(entries)
            name, quota = account.tenant.name, account.quota
            try:
                quota.take(len(entries), len(data))
            except Refusal as refusal:
                refusal.spans = len(entries)
                refused.add(refusal, name)
                continue
            COURTESY.use(name, len(data))
            mine = msgspec.structs.replace(context, tenant=name)
            request = checked.request if whole else None
            parts.append(_Part(mine, quota, len(data), data, entries, request))
        if not parts:
            raise refused.whole()
        return parts

    def _refusal(self, flow: Flow, part: _Part) -> Refusal:
        refusal = Refusal.from_flow(flow, len(part.entries))
        if refusal.kind is FORBIDDEN:
            self._forbidden(refusal, part.context)
        return refusal


def _later(flow: Flow, parts: Iterable[_Part]) -> Refusal:
    """Return the refusal of parts that may be sent again, and give their quota back."""
    spans = 0
    for part in parts:
        part.give_back()
        spans += len(part.entries)
    return Refusal.from_flow(flow, spans)
