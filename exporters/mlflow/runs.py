"""Let no sender link its traces to a run of another experiment."""

from exporters.mlflow import answers
from exporters.mlflow.destinations import Destination
from exporters.mlflow.server import Server, expect
from gateway.plugin import Clock, Logger

LIFETIME_S = 60.0
MAX_KNOWN = 1_000


class Runs:
    """Know to which experiments runs belong."""

    def __init__(self, server: Server, clock: Clock, logger: Logger) -> None:
        self._server = server
        self._clock = clock
        self._logger = logger
        self._known: dict[tuple[str, str], tuple[str, float]] = {}

    async def may_link(self, place: Destination, experiment_id: str) -> bool:
        """
        Return whether the run that a destination names belongs to its experiment.

        Raises:
            Retry: MLflow cannot be asked.

        """
        key = place.workspace, place.run
        home, expires_at = self._known.get(key, ("", 0.0))
        if expires_at <= self._clock.monotonic():
            home = await self._ask(place)
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            self._known[key] = home, self._clock.monotonic() + LIFETIME_S
            if home != experiment_id:
                self._logger.warning(
                    "traces are not linked to a run of another experiment",
                    tenant=place.tenant,
                    experiment=experiment_id,
                    audit=True,
                )
        return home == experiment_id

    async def _ask(self, place: Destination) -> str:
        """Return the id of the run's experiment, ``""`` where there is no such run."""
        answer = await self._server.call(
            "GET",
            "/api/2.0/mlflow/runs/get",
            workspace=place.workspace,
            params={"run_id": place.run},
        )
        if answers.is_missing(answer) or answer.status in (400, 403):
            return ""
        run = expect(answer, self._server).get("run")
        info = run.get("info") if isinstance(run, dict) else None
        return str(info.get("experiment_id") or "") if isinstance(info, dict) else ""
