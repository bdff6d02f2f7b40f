"""Send traces to MLflow, each whole and under the right experiment."""

import asyncio
from functools import partial
from urllib.parse import quote

import msgspec

from exporters.mlflow import answers, destinations
from exporters.mlflow.apart import Apart
from exporters.mlflow.destinations import Destination
from exporters.mlflow.diagnosis import Examination
from exporters.mlflow.experiments import Experiments
from exporters.mlflow.homes import find_homes
from exporters.mlflow.own_tags import without_own_tags
from exporters.mlflow.routing import EXPERIMENT_HEADER, RUN_HEADER, Router
from exporters.mlflow.runs import Runs
from exporters.mlflow.server import Server
from exporters.mlflow.settings import (
    DATABRICKS_TABLE_HEADER,
    MlflowConfig,
    is_databricks,
)
from exporters.otlp_answers import partial_success
from gateway.diagnosis import Finding
from gateway.errors import Flow
from gateway.plugin import (
    Batch,
    BatchContext,
    Context,
    Duration,
    Exporter,
    Moved,
    Reject,
    Resource,
    Retry,
)
from gateway.tenants import Tenants
from gateway.upkeep import keep_going

START_WAIT_S = 3.0
"""How long starting waits for the server, so that the banner can show pages."""

DIAGNOSIS_S = 10.0
"""How long a person waits for a server that does not answer."""

MAX_CLEARED = 10_000
"""Destinations that are known to be their tenants'."""

_PROBE_FIRST_S = 1.0
_PROBE_LAST_S = 60.0
_LEARN_EVERY_S = 60.0


class Mlflow(Exporter[MlflowConfig]):
    """
    Post each batch to MLflow's ``/v1/traces``.

    The server need not be there at start. A trace goes to one experiment, chosen by header,
    attribute, rules or default; what MLflow already holds elsewhere follows it there.
    """

    stability = "beta"
    unique_spans = True

    def __init__(self, config: MlflowConfig) -> None:
        super().__init__(config)
        self._server = Server(config)
        self._databricks = is_databricks(config)
        self._context: Context | None = None
        self._experiments: Experiments | None = None
        self._runs: Runs | None = None
        self._apart: Apart | None = None
        self._probing: asyncio.Task[None] | None = None
        self._nobody = Tenants()
        self._router = Router(config, tenants=self._tenants, name_of=self._name_of)
        self._cleared: tuple[int, set[Destination]] = (-1, set())

    async def start(self, context: Context) -> None:
        """Load certificates, and ask the server about itself without insisting on an answer."""
        self._context = context
        self._experiments = Experiments(
            self._server, self.config.experiment, clock=context.clock, logger=context.logger
        )
        self._apart = Apart(self._server)
        self._runs = Runs(self._server, context.clock, context.logger)
        await self._server.start(context.clock)
        if not self._databricks:
            tried = asyncio.Event()
            probing = partial(self._probe, context, self._experiments, tried)
            self._probing = asyncio.create_task(
                keep_going(probing, "MLflow", logger=context.logger, clock=context.clock)
            )
            try:
                await asyncio.wait_for(tried.wait(), START_WAIT_S)
            except TimeoutError:
                context.logger.debug("MLflow takes long to answer; going on without")

    async def stop(self) -> None:
        """Close the connections."""
        probing, self._probing = self._probing, None
        if probing is not None:
            probing.cancel()
            await asyncio.gather(probing, return_exceptions=True)
        await self._server.stop()

    def route(self, context: BatchContext, resource: Resource) -> str:
        """
        Return the key of the destination that header, attribute, rules or default choose.

        Raises:
            Reject: a routing header is not what MLflow takes.
            Forbidden: the tenant may not write there.

        """
        return self._router.route(context, resource)

    def describe(self, destination: str) -> str:
        """Return the experiment by its name and id, as far as known."""
        place = destinations.parse(destination)
        known = self._experiments.known_id(place) if self._experiments else None
        return f"{place} (id {known})" if known and place.name else str(place)

    def page(self, destination: str) -> str:
        """Return the address of a destination's traces in MLflow's UI."""
        place = destinations.parse(destination)
        known = self._experiments.known_id(place) if self._experiments else place.id
        query = f"?workspace={quote(place.workspace)}" if place.workspace else ""
        path = f"experiments/{known}/traces" if known else "experiments"
        return f"{self._server.base}/#/{path}{query}"

    def pages(self) -> dict[str, str]:
        """Return the pages of the experiments that the settings name, by what they are called."""
        if self._databricks:
            return {}
        return {str(place): self.page(place.key) for place in self._router.fixed()}

    async def export(self, batch: Batch) -> None:
        """
        Return once MLflow has stored every span of the batch.

        Raises:
            Retry: MLflow is away, busy, or needs a person to mend something.
            Reject: MLflow calls something in the batch wrong.
            Moved: MLflow already has some of the traces in another experiment.

        """
        place = destinations.parse(batch.context.destination)
        await self._check_rights(place)
        experiment_id = "" if place.table else await self._ready.resolve(place)
        traces = self._of_tenant(batch, place)
        if not traces or self._apart is None:
            await self._send(batch, place, experiment_id)
            return
        async with self._apart.alone(traces, place):
            strays = await self._apart.strays(traces, place, experiment_id)
            if strays:
                raise await self._send_home(batch, place, strays)
            await self._send(batch, place, experiment_id)
            self._apart.stored(traces, place, experiment_id)

    async def _send(self, batch: Batch, place: Destination, experiment_id: str) -> None:
        """
        Return once MLflow has stored the batch in this experiment.

        Raises:
            Retry, Reject, Moved: as :meth:`export` does.

        """
        headers = await self._headers(place, experiment_id)
        answer = await self._server.post_traces(without_own_tags(batch).encode(), headers)
        if 200 <= answer.status < 300:
            content_type = answer.headers.get("Content-Type", "")
            partial_success(answer.body, content_type).report(self._context)
            return
        trace = answers.foreign_trace(answer)
        if trace is not None:
            raise await self._follow(batch, place, experiment_id, trace)
        if answer.status in (403, 404):
            self._ready.forget(place)
        raise self._server.failure(answer)

    async def answers(self) -> bool:
        """Return whether MLflow, or what stands before it, gives answers of its own."""
        return await self._server.answers()

    async def diagnose(self, context: Context) -> list[Finding]:
        """Look at the server the way that exporting will use it; nothing is changed there."""
        if self._databricks:
            return [
                Finding(
                    check=f"{context.component_id}: databricks",
                    status="ok",
                    detail="not looked at: Databricks can only be tried with a span",
                )
            ]
        patience = min(self.config.timeout or DIAGNOSIS_S, DIAGNOSIS_S)
        server = Server(msgspec.structs.replace(self.config, timeout=Duration(patience)))
        await server.start(context.clock)
        examination = Examination(
            context.component_id,
            server,
            self.config.experiment,
            self.config.workspace or "",
            self._router.fixed(),
        )
        try:
            return await examination.run()
        finally:
            await server.stop()

    @property
    def _ready(self) -> Experiments:
        if self._experiments is None:
            raise Retry("the mlflow exporter has not started")
        return self._experiments

    async def _check_rights(self, place: Destination) -> None:
        """
        Make sure that a tenant may still write where its spans were sent when they came.

        Raises:
            Reject: it may not.

        """
        if not place.tenant or place.table:
            return
        version, cleared = self._cleared
        if version != self._router.version or len(cleared) >= MAX_CLEARED:
            version, cleared = self._cleared = self._router.version, set()
        if place in cleared:
            return
        allowed = self._router.still_allows(place, place.name)
        if allowed == bool(place.name):  # MLflow on MySQL finds "pay" by the name "páy"
            known = await self._ready.name_of(place)
            allowed = bool(known) and self._router.still_allows(place, known)
        if not allowed:
            raise Reject(
                f'tenant "{place.tenant}" may no longer write to {place}: its settings, or '
                "another tenant's, have changed since the spans were accepted, or MLflow takes "
                "the name for another's"
            )
        cleared.add(place)

    async def _headers(self, place: Destination, experiment_id: str) -> dict[str, str]:
        headers = {"Content-Type": "application/x-protobuf"}
        if place.table:
            headers[DATABRICKS_TABLE_HEADER] = place.table
            return headers
        headers[EXPERIMENT_HEADER] = experiment_id
        if place.run and await self._may_link(place, experiment_id):
            headers[RUN_HEADER] = place.run
        return headers | await self._server.workspace_headers(place.workspace)

    async def _may_link(self, place: Destination, experiment_id: str) -> bool:
        """Return whether a run may be named: what a tenant chose must be in its experiment."""
        if not place.tenant or place.run == self.config.run_id or self._runs is None:
            return True
        return await self._runs.may_link(place, experiment_id)

    async def _follow(
        self, batch: Batch, place: Destination, experiment_id: str, named: bytes
    ) -> Flow:
        """Return where those traces belong that MLflow has in other experiments."""
        traces = {span.trace_id for span in batch.spans}
        found = await find_homes(
            self._server, traces, named=named or min(traces), workspace=place.workspace
        )
        homes = {trace: home for trace, home in found.items() if home != experiment_id}
        if found.get(named) == experiment_id or not (homes or named):
            return Reject("MLflow has a trace of these in another experiment", isolate=True)
        if named and named not in homes:
            return self._refuse(batch, named, "an experiment that the gateway cannot see")
        return await self._send_home(batch, place, homes)

    def _of_tenant(self, batch: Batch, place: Destination) -> set[bytes]:
        """Return the traces of a tenant's batch; none where there is nobody to keep it from."""
        if not place.tenant or place.table:
            return set()
        return {entry.trace_id for entry in batch.entries()}

    async def _send_home(self, batch: Batch, place: Destination, homes: dict[bytes, str]) -> Flow:
        """Return that traces belong elsewhere, or that their tenant may not write there."""
        moved: dict[bytes, str] = {}
        for trace, home in homes.items():
            target = Destination(
                id=home, workspace=place.workspace, run=place.run, tenant=place.tenant
            )
            if not await self._may_follow(target):
                return self._refuse(batch, trace, "an experiment that its tenant may not use")
            moved[trace] = target.key
        return Moved("MLflow has the trace in another experiment", moved)

    async def _may_follow(self, target: Destination) -> bool:
        if self._router.allows(target, ""):
            return True
        return self._router.allows(target, await self._ready.name_of(target))

    def _refuse(self, batch: Batch, trace: bytes, where: str) -> Reject:
        spans = [span for span in batch.spans if span.trace_id == trace]
        return Reject(f"MLflow has trace {trace.hex()} in {where}", spans)

    async def _probe(
        self, context: Context, experiments: Experiments, tried: asyncio.Event
    ) -> None:
        """Ask until the server answers; then keep the names that allow lists need."""
        wait = _PROBE_FIRST_S
        while not await self._greet(context, experiments):
            tried.set()
            await context.clock.sleep(wait)
            wait = min(wait * 2, _PROBE_LAST_S)
        tried.set()
        while True:
            await asyncio.sleep(_LEARN_EVERY_S)
            if self._needs_names():
                await self._learn(context, experiments)

    async def _greet(self, context: Context, experiments: Experiments) -> bool:
        """Log what will not work with this server; return whether it answered at all."""
        try:
            info = await self._server.info()
        except Retry as failure:
            context.logger.debug("MLflow does not answer yet", reason=failure.reason)
            return False
        for what, advice in info.warnings(self.config.workspace or ""):
            context.logger.warning(what, advice=advice)
        if self._needs_names():
            await self._learn(context, experiments)
        for place in self._router.fixed():
            try:
                await experiments.resolve(place)
            except Retry as failure:
                context.logger.warning(failure.reason, advice=failure.advice)
        return True

    async def _learn(self, context: Context, experiments: Experiments) -> None:
        try:
            await experiments.learn(self.config.workspace or "")
        except Retry as failure:
            context.logger.debug("cannot list experiments", reason=failure.reason)

    def _needs_names(self) -> bool:
        return any(t.experiments or t.experiment or t.rules for t in self._tenants())

    def _tenants(self) -> Tenants:
        tenants: Tenants = getattr(self._context, "tenants", self._nobody)
        return tenants

    def _name_of(self, workspace: str, experiment_id: str) -> str | None:
        return self._experiments.known_name(workspace, experiment_id) if self._experiments else None
