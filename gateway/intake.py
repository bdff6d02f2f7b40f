"""
From a received batch to committed records.

A request is processed by all its pipelines, split by lane and destination for all their
exporters, and committed to all of their queues or to none.
"""

import contextlib
from collections.abc import Coroutine, Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple, Protocol

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from gateway import exporter_guard
from gateway.batch import Batch, BatchContext, Resource
from gateway.courtesy import COURTESY
from gateway.delivery.sender import Sender
from gateway.errors import Flow, Forbidden, Reject, Retry
from gateway.joining import Joiner, joined
from gateway.otlp import wire
from gateway.pipeline import Pipeline
from gateway.plugin import Deliver
from gateway.queue.base import Record
from gateway.queue.store import Store
from gateway.telemetry import llm_calls, logs, metrics
from gateway.telemetry.history import HISTORY, MAX_REASON, Detail
from gateway.telemetry.llm_figures import ExperimentOf, Figures
from gateway.telemetry.once import Once
from gateway.tenants import Tenants
from gateway.views import Encoding
from gateway.workers.relief import Relief
from gateway.workers.siblings import Sibling

ROUTES_KEPT = 4096
ORIGINS_KEPT = 1024
LEAST_S, MOST_S = 0.001, 1.0
"""What processors take for requests that are passed on to another worker: less is not worth it, and
more is no sign of work but of waiting, and might be too long for who waits."""
LARGEST_KEPT = 16 * 1024
"""Resources larger than this are looked at each time: kept, they could fill the memory."""


class Routes:
    """
    Destinations by context and resource, so that an exporter is asked once for each.

    What was decided for tenants holds until their settings change.
    """

    def __init__(self, sender: Sender, tenants: Tenants) -> None:
        self._exporter = sender.exporter
        self._logger = logs.get(sender.component_id)
        self._tenants = tenants
        self._version = tenants.version
        self._known: dict[tuple[str, tuple[tuple[str, str], ...], bytes], str] = {}

    def find(self, context: BatchContext, head: bytes) -> str:
        """
        Return the destination for an encoded ResourceSpans without its spans.

        Raises:
            Forbidden: the tenant may not write there.

        """
        if self._version != self._tenants.version:
            self._version = self._tenants.version
            self._known.clear()
        key = (context.tenant, context.headers, head)
        destination = self._known.get(key)
        if destination is None:
            message = ResourceSpans.FromString(head)
            resource = Resource(Encoding(), message.resource)
            destination = exporter_guard.route(self._exporter, context, resource, self._logger)
            if len(self._known) >= ROUTES_KEPT:
                self._known.clear()
            if len(head) <= LARGEST_KEPT:
                self._known[key] = destination
        return destination


class Splitter(Protocol):
    """Where a pipeline hands over what it has processed."""

    def records(self, context: BatchContext, batch: Batch) -> list[Record]:
        """
        Return the batch as records of queues.

        Raises:
            Forbidden: the tenant may not write where the batch points.

        """
        ...

    def experiment(self, context: BatchContext, resource: Resource) -> str:
        """Return where a resource's spans go as people know it; empty where there is one place."""
        ...


class Outlet:
    """Where a pipeline hands over to one exporter: routing and splitting into records."""

    def __init__(self, sender: Sender, tenants: Tenants | None = None) -> None:
        self.queue = sender.component_id
        """Name of the exporter's queue."""
        self.settings = sender.queue.settings
        self.describe = sender.exporter.describe
        self._num_lanes = sender.num_lanes
        self._routes = Routes(sender, tenants or Tenants()) if sender.routes else None

    def check(self, context: BatchContext, entries: Sequence[wire.Entry]) -> None:
        """
        Return where the batch could be routed now.

        Raises:
            Forbidden: the tenant may not write where the batch points.

        """
        if self._routes is not None:
            for resource in {id(entry.resource): entry.resource for entry in entries}.values():
                self._routes.find(context, resource)

    def records(self, context: BatchContext, batch: Batch) -> list[Record]:
        """
        Return the batch as records: one for each lane and destination.

        A trace goes where its first span in the batch goes.

        Raises:
            Forbidden: the tenant may not write where the batch points.

        """
        find = None if self._routes is None else partial(self._routes.find, context)
        groups = wire.by_lane(batch.entries(), self._num_lanes, find)
        return [
            Record(
                queue=self.queue,
                lane=lane,
                destination=home,
                payload=batch.encode() if len(groups) == 1 else wire.assemble(group),
                spans=len(group),
                trace_ids=frozenset(wire.trace_ids(group)),
                tenant=context.tenant,
                received_unix_ns=context.received_unix_ns,
            )
            for (lane, home), group in groups.items()
        ]

    def experiment(self, context: BatchContext, resource: Resource) -> str:
        """Return where a resource's spans go as people know it; empty where there is one place."""
        if self._routes is None:
            return ""
        head = ResourceSpans(resource=resource.peek).SerializeToString()
        with contextlib.suppress(Forbidden):
            return self.describe(self._routes.find(context, head))
        return ""


class Intake:
    """The engine's side of receivers: pipelines by receiver, and the queues behind them."""

    def __init__(
        self,
        fed: Mapping[str, Sequence[tuple[Pipeline, Sequence[Splitter]]]],
        store: Store,
        once: Once | None = None,
        relief: Relief | None = None,
    ) -> None:
        self._fed = fed
        self._store = store
        self._relief = relief
        self._figures = Figures(once or Once())

    def deliver(self, receiver_id: str) -> Deliver:
        """Return how a receiver hands over what it has read."""
        routes = self._fed.get(receiver_id, ())
        delivery = Delivery(receiver_id, routes, self._store, self._figures, self._relief)
        if self._relief is not None:
            self._relief.guests.serve(receiver_id, delivery.deliver)
        return delivery


class Seen(NamedTuple):
    """What a pipeline made of a batch, to be told once the request is committed."""

    tenant: str
    experiment: ExperimentOf
    calls: Sequence[llm_calls.Call]
    dropped: Sequence[tuple[Detail, frozenset[bytes]]]


class Origins:
    """Where requests of a receiver come from, for the history; of each origin one detail."""

    def __init__(self, receiver_id: str) -> None:
        self._receiver_id = receiver_id
        self._known: dict[tuple[str, str, str], Detail] = {}

    def find(self, context: BatchContext) -> Detail:
        """Return the detail of a request that was received."""
        key = (context.tenant, context.transport, context.peer)
        detail = self._known.get(key)
        if detail is None:
            if len(self._known) >= ORIGINS_KEPT:
                self._known.clear()
            detail = self._known[key] = Detail(
                kind="received",
                receiver=self._receiver_id,
                tenant=context.tenant,
                transport=context.transport,
                peer=context.peer,
            )
        return detail


def _refused(context: BatchContext, flow: Flow) -> Detail:
    return Detail(
        kind="refused",
        receiver=context.receiver,
        tenant=context.tenant,
        transport=context.transport,
        peer=context.peer,
        reason=flow.reason[:MAX_REASON],
    )


class Delivery:
    """The :class:`gateway.plugin.Deliver` of one receiver."""

    def __init__(
        self,
        receiver_id: str,
        routes: Sequence[tuple[Pipeline, Sequence[Splitter]]],
        store: Store,
        figures: Figures,
        relief: Relief | None = None,
    ) -> None:
        self._receiver_id = receiver_id
        self._routes = routes
        self._store = store
        self._figures = figures
        self._origins = Origins(receiver_id)
        self._accepted = cache(partial(metrics.receiver_accepted_spans.labels, receiver_id))
        self._siblings = relief.siblings if relief is not None else None
        self._load = relief.load if relief is not None else contextlib.nullcontext()
        self._joiner = Joiner(self._deliver_joined, self._pace_s)
        self._gates = [gate for pipeline, _ in routes for gate in pipeline.gates]

    def admit(self) -> None:
        """Return if every pipeline takes requests now."""
        for gate in self._gates:
            gate.admit()

    async def __call__(self, *batches: Batch) -> None:
        """Process batches in all pipelines and commit them to all queues, or to none."""
        for batch in batches:
            _check(batch)
        if self._suspects(batches):
            await self.deliver(batches)
        elif len(batches) == 1:
            await self._joiner.deliver(batches[0])
        else:
            await self._deliver_somewhere(batches)

    def _suspects(self, requests: Sequence[Batch]) -> bool:
        return any(p.suspects(request) for p, _ in self._routes for request in requests)

    def _deliver_joined(self, requests: Sequence[Batch]) -> Coroutine[None, None, None]:
        return self._deliver_somewhere(requests, join=len(requests) > 1)

    async def _deliver_somewhere(self, requests: Sequence[Batch], *, join: bool = False) -> None:
        """Deliver requests here, or in a worker that has more time."""
        sibling = self._sibling(requests)
        if sibling is None or not await sibling.deliver(self._receiver_id, requests, join=join):
            await self.deliver(requests, join=join)

    def _sibling(self, requests: Sequence[Batch]) -> Sibling | None:
        """Return a worker to pass requests on to, where there is one and they are worth it."""
        if self._siblings is None:
            return None
        sibling = self._siblings.free(sum([len(request.encode()) for request in requests]))
        if sibling is None or self._suspects(requests):
            return None
        pace_s = self._pace_s() or 0.0
        takes_s = pace_s * sum(len(request.entries()) for request in requests)
        return sibling if LEAST_S <= takes_s <= MOST_S else None

    async def deliver(self, requests: Sequence[Batch], join: bool = False) -> None:
        """
        Process requests in this worker and commit them, all or none.

        Args:
            requests: checked.
            join: whether they are processed as one batch.

        Raises:
            Flow: what their sender is to be told.

        """
        if join and self._suspects(requests):
            raise Retry("one of the requests may have ended a worker")  # each goes alone then
        batches = [joined(requests)] if join else requests
        records: list[Record] = []
        seen: list[Seen] = []
        # Processors may take spans out of a batch, so what came is kept apart.
        came = [(request.context, request.entries()) for request in requests]
        try:
            for batch in batches:
                records += await self._process(batch, seen)
            if records:
                await self._store.commit(records)
                await COURTESY.after_others(requests[0].context.tenant)
        except Flow as flow:
            if len(batches) == len(requests):  # what is joined is done again
                for context, entries in came:
                    HISTORY.note(_refused(context, flow), wire.trace_ids(entries))
            raise
        for context, entries in came:
            # As of its receipt: what became of it, here or in another process, comes after it.
            HISTORY.note(
                self._origins.find(context), wire.trace_ids(entries), context.received_unix_ns
            )
        for tenant, experiment, calls, dropped in seen:
            self._figures.count(calls, tenant, experiment)
            for detail, traces in dropped:
                HISTORY.note(detail, traces)
        if batches:
            spans = sum([len(entries) for _, entries in came])
            self._accepted(batches[0].context.transport).inc(spans)

    def _pace_s(self) -> float | None:
        """Return what all pipelines took for a span lately; None while one does not know."""
        whole_s = 0.0
        for pipeline, _ in self._routes:
            pace_s = pipeline.pace_s
            if pace_s is None:
                return None
            whole_s += pace_s
        return whole_s

    async def _process(self, batch: Batch, seen: list[Seen]) -> list[Record]:
        context = batch.context
        entries = batch.entries()
        data = batch.encode() if len(self._routes) > 1 else b""
        records: list[Record] = []
        for pipeline, outlets in self._routes:
            # The first pipeline may have the decoded request, each other makes its own.
            first = pipeline is self._routes[0][0]
            mine = batch if first else Batch(data, context, entries=entries)
            mine.parts = batch.parts
            with self._load:
                done = await pipeline.process(mine)
            await COURTESY.after_others(context.tenant)
            if done.calls or done.dropped:
                experiment = partial(_experiment, outlets, context)
                dropped = _dropped(pipeline.name, entries, done) if done.dropped else ()
                calls = llm_calls.read(done) if done.calls else ()
                seen.append(Seen(context.tenant, experiment, calls, dropped))
            for outlet in outlets:
                records += outlet.records(context, done)
        return records


def _check(batch: Batch) -> None:
    """
    Return if a batch, which may come from a plugin's receiver, can be read.

    Raises:
        Reject: it cannot.

    """
    try:
        batch.entries()
    except wire.MalformedError as error:
        raise Reject(f"this is no request of OTLP in protobuf: {error}") from error


def _dropped(
    pipeline: str, entries: Sequence[wire.Entry], done: Batch
) -> list[tuple[Detail, frozenset[bytes]]]:
    """Return by whom and why traces were dropped, whole or in part."""
    came, left = wire.trace_ids(entries), wire.trace_ids(done.entries())
    unexplained = frozenset(came - left)
    told: list[tuple[Detail, frozenset[bytes]]] = []
    for by, reason, traces in done.dropped:
        unexplained -= traces
        why = {"pipeline": pipeline, "by": by, "reason": reason[:MAX_REASON]}
        told.append((Detail(kind="dropped", **why), traces - left))
        told.append((Detail(kind="trimmed", **why), traces & left))
    for by, reason, traces in done.dropped:
        if not traces:  # it gave no spans, so what is left over may be its work
            why = {"pipeline": pipeline, "by": by, "reason": reason[:MAX_REASON]}
            told.append((Detail(kind="dropped", **why), unexplained))
    return [(detail, traces) for detail, traces in told if traces]


def _experiment(outlets: Sequence[Splitter], context: BatchContext, resource: Resource) -> str:
    """Return what the first exporter that has several places calls that of a resource."""
    return next(filter(None, (outlet.experiment(context, resource) for outlet in outlets)), "")
