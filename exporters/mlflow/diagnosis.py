"""Look at an MLflow server the way the exporter will use it, without changing anything."""

import email.utils
from typing import NamedTuple

from exporters.http_client import Answer
from exporters.mlflow import answers
from exporters.mlflow.destinations import Destination
from exporters.mlflow.experiments import look_up
from exporters.mlflow.routing import EXPERIMENT_HEADER
from exporters.mlflow.server import Server
from exporters.mlflow.settings import ExperimentConfig
from gateway.diagnosis import Finding, Status
from gateway.errors import Flow
from gateway.plugin import Retry

_SKEW_S = 30.0


class Examination(NamedTuple):
    """
    One look at a server that has been started.

    ``name`` is the exporter's id, ``places`` are the experiments that its settings name.
    """

    name: str
    server: Server
    config: ExperimentConfig
    workspace: str
    places: list[Destination]

    async def run(self) -> list[Finding]:
        """Return what was found; after the first thing that hides all others, no more."""
        try:
            hello = await self.server.call("GET", "/health")
        except Retry as failure:
            return [self._failed("server", failure)]
        return [
            self._found("server", "ok", f"{self.server.base} answers"),
            self._clock(hello),
            *await self._about(),
            await self._traces(),
            *[await self._experiment(place) for place in self.places],
        ]

    def _found(self, what: str, status: Status, detail: str, advice: str = "") -> Finding:
        return Finding(check=f"{self.name}: {what}", status=status, detail=detail, advice=advice)

    def _failed(self, what: str, flow: Flow) -> Finding:
        advice = getattr(flow, "advice", None) or (
            "start MLflow, or correct the exporter's endpoint and proxy"
        )
        return self._found(what, "fail", flow.reason, advice)

    def _clock(self, answer: Answer) -> Finding:
        try:
            theirs = email.utils.parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
        except ValueError:
            return self._found("clock", "ok", "the server does not tell its time")
        ours = self.server.clock.time_ns() / 1e9 if self.server.clock else theirs
        apart = abs(ours - theirs)
        if apart <= _SKEW_S:
            return self._found("clock", "ok", "same time as the server")
        return self._found(
            "clock",
            "warn",
            f"{apart:.0f} s apart from the server",
            "synchronise both clocks (NTP): the times of spans are those of their senders, and "
            "MLflow searches by time",
        )

    async def _about(self) -> list[Finding]:
        try:
            info = await self.server.info()
        except Retry as failure:
            return [self._failed("server-info", failure)]
        findings = [
            self._found(
                "server", "fail" if advice == answers.STORE_ADVICE else "warn", what, advice
            )
            for what, advice in info.warnings(self.workspace)
        ]
        if not findings:
            store = info.store_type or "unknown"
            version = info.version or "of unknown version"
            findings.append(self._found("version", "ok", f"MLflow {version}, store {store}"))
        return findings

    async def _traces(self) -> Finding:
        """Ask for the traces' endpoint without a span: 400 is MLflow's answer to that."""
        headers = {"Content-Type": "application/x-protobuf", EXPERIMENT_HEADER: "0"}
        try:
            answer = await self.server.post_traces(b"", headers)
        except Retry as failure:
            return self._failed("traces", failure)
        flow = self.server.failure(answer)
        if answer.status < 300 or not (isinstance(flow, Retry) and flow.scope == "exporter"):
            return self._found(
                "traces", "ok", "/v1/traces is there, host and credentials are right"
            )
        return self._failed("traces", flow)

    async def _experiment(self, place: Destination) -> Finding:
        what = str(place)
        try:
            answer = await look_up(self.server, place)
        except Retry as failure:
            return self._failed(what, failure)
        if answers.is_missing(answer):
            return self._missing(place)
        if not 200 <= answer.status < 300:
            return self._failed(what, self.server.failure(answer))
        found = answers.document_of(answer).get("experiment")
        fields = found if isinstance(found, dict) else {}
        number = fields.get("experiment_id")
        if fields.get("lifecycle_stage") != "deleted":
            return self._found(what, "ok", f"exists, id {number}")
        if self.config.deleted == "restore":
            return self._found(what, "warn", f"deleted, id {number}; it will be restored")
        advice = f"restore it: mlflow experiments restore --experiment-id {number}"
        return self._found(what, "fail", f"deleted, id {number}", advice)

    def _missing(self, place: Destination) -> Finding:
        if place.name and self.config.create_missing:
            return self._found(str(place), "ok", "does not exist yet; it will be created")
        return self._found(str(place), "fail", "does not exist", answers.MISSING_ADVICE)
