"""Know MLflow's experiments: ids by name, names by id, creating and restoring within limits."""

import asyncio
from collections import deque
from typing import Any, NamedTuple

from exporters.http_client import Answer
from exporters.mlflow import answers
from exporters.mlflow.destinations import Destination
from exporters.mlflow.server import Server, expect
from exporters.mlflow.settings import ExperimentConfig
from gateway.plugin import Clock, Logger, Retry

LIFETIME_S = 10.0
"""How long an answer counts; so soon a deleted or renamed experiment is noticed."""

MAX_CREATED_AN_HOUR = 100
MAX_KNOWN = 10_000
_HOUR_S = 3600.0
_API = "/api/2.0/mlflow/experiments"
_UNCHECKABLE = frozenset({401, 403, 404, 405, 501})


class Experiment(NamedTuple):
    """An experiment as MLflow described it."""

    id: str
    name: str
    deleted: bool
    expires_at: float


class Experiments:
    """
    Look experiments up over REST; concurrent askers of the same one share the request.

    Args:
        config: whether to create what is missing, and what to do about deleted ones.

    """

    def __init__(
        self, server: Server, config: ExperimentConfig, *, clock: Clock, logger: Logger
    ) -> None:
        self._server = server
        self._config = config
        self._clock = clock
        self._logger = logger
        self._known: dict[tuple[str, str, str], Experiment] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._locks: dict[tuple[str, str, str], asyncio.Lock] = {}
        self._created: dict[str, deque[float]] = {}

    async def resolve(self, destination: Destination) -> str:
        """
        Return the id of an experiment that is there and takes traces.

        Raises:
            Retry: it is not, or MLflow cannot be asked.

        """
        experiment = await self._find(destination)
        if experiment is None:
            # An id that cannot be looked up (only /v1/traces is let through) may still do.
            return destination.id
        if experiment.deleted:
            await self._restore(destination, experiment)
        return experiment.id

    async def name_of(self, destination: Destination) -> str:
        """
        Return what the experiment of an id is called, ``""`` where that cannot be known.

        Raises:
            Retry: it does not exist, or MLflow cannot be asked.

        """
        experiment = await self._find(destination)
        return experiment.name if experiment is not None else ""

    def known_name(self, workspace: str, experiment_id: str) -> str | None:
        """Return what the experiment of an id was called when last seen."""
        return self._names.get((workspace, experiment_id))

    def known_id(self, destination: Destination) -> str | None:
        """Return a destination's experiment id if it was looked up before."""
        known = self._known.get(_key(destination))
        return known.id if known is not None else destination.id or None

    def forget(self, destination: Destination) -> None:
        """Look the experiment up again next time: MLflow says that it is not there."""
        self._known.pop(_key(destination), None)

    async def learn(self, workspace: str) -> None:
        """
        Learn the names of all experiments, so that ids can be checked against allow lists.

        Raises:
            Retry: MLflow cannot be asked.

        """
        token = ""
        while len(self._names) < MAX_KNOWN:
            query: dict[str, Any] = {"max_results": 1000, "view_type": "ACTIVE_ONLY"}
            if token:
                query["page_token"] = token
            answer = await self._server.call(
                "POST", f"{_API}/search", workspace=workspace, json=query
            )
            document = expect(answer, self._server)
            for found in _list_of(document.get("experiments")):
                self._remember_name(workspace, found)
            token = str(document.get("next_page_token") or "")
            if not token:
                return

    async def _find(self, destination: Destination) -> Experiment | None:
        """Return the experiment, looked up where it was not lately; ``None`` if uncheckable."""
        key = _key(destination)
        known = self._fresh(key)
        if known is not None:
            return known
        if len(self._locks) > MAX_KNOWN:
            self._locks = {k: lock for k, lock in self._locks.items() if lock.locked()}
        async with self._locks.setdefault(key, asyncio.Lock()):
            known = self._fresh(key)
            if known is not None:
                return known
            self._known.pop(key, None)
            if destination.id:
                return await self._ask_id(destination)
            return await self._ask_name(destination)

    def _fresh(self, key: tuple[str, str, str]) -> Experiment | None:
        known = self._known.get(key)
        return known if known is not None and known.expires_at > self._clock.monotonic() else None

    async def _ask_id(self, destination: Destination) -> Experiment | None:
        answer = await look_up(self._server, destination)
        if answer.status in _UNCHECKABLE and not answers.is_missing(answer):
            return None
        return self._remember(destination, expect(answer, self._server))

    async def _ask_name(self, destination: Destination) -> Experiment:
        for _ in range(2):
            answer = await look_up(self._server, destination)
            if not (answers.is_missing(answer) and self._config.create_missing):
                return self._remember(destination, expect(answer, self._server))
            await self._create(destination)
        raise Retry(f"{destination} was created but is not there")

    async def _create(self, destination: Destination) -> None:
        """Create an experiment, unless somebody else just did."""
        created = self._check_cap(destination)
        asked_at = self._clock.monotonic()
        created.append(asked_at)
        experiment_id = None
        try:
            answer = await self._server.call(
                "POST",
                f"{_API}/create",
                workspace=destination.workspace,
                json={"name": destination.name},
            )
            if answers.code_of(answer) != "RESOURCE_ALREADY_EXISTS":
                experiment_id = expect(answer, self._server).get("experiment_id")
        finally:
            if experiment_id is None:
                created.remove(asked_at)
        if experiment_id is not None:
            self._logger.info(
                "experiment created",
                experiment=destination.name,
                id=str(experiment_id),
                tenant=destination.tenant,
            )

    def _check_cap(self, destination: Destination) -> deque[float]:
        """Return when experiments were created for the tenant, if there may be one more."""
        created = self._created.setdefault(destination.tenant, deque())
        now = self._clock.monotonic()
        while created and created[0] <= now - _HOUR_S:
            created.popleft()
        if len(created) >= MAX_CREATED_AN_HOUR:
            raise Retry(
                f"{destination} does not exist, and {MAX_CREATED_AN_HOUR} experiments were "
                "created in the last hour",
                after=created[0] + _HOUR_S - now,
                advice="create the experiment in MLflow, or check the rules and the resource "
                "attributes that its name was made from; the next one is created within the hour",
            )
        return created

    async def _restore(self, destination: Destination, experiment: Experiment) -> None:
        if self._config.deleted == "refuse":
            self.forget(destination)
            raise Retry(
                f"{destination} (id {experiment.id}) is deleted in MLflow",
                advice="restore the experiment in MLflow (mlflow experiments restore "
                f"--experiment-id {experiment.id}), route its traces elsewhere, or set "
                "exporters.mlflow.experiment.deleted: restore",
            )
        answer = await self._server.call(
            "POST",
            f"{_API}/restore",
            workspace=destination.workspace,
            json={"experiment_id": experiment.id},
        )
        expect(answer, self._server)
        self._known[_key(destination)] = experiment._replace(deleted=False)
        self._logger.warning("deleted experiment restored", experiment=str(destination))

    def _remember(self, destination: Destination, document: dict[str, object]) -> Experiment:
        found = document.get("experiment")
        fields = found if isinstance(found, dict) else {}
        experiment = Experiment(
            id=str(fields.get("experiment_id") or destination.id),
            name=str(fields.get("name") or destination.name),
            deleted=fields.get("lifecycle_stage") == "deleted",
            expires_at=self._clock.monotonic() + LIFETIME_S,
        )
        if not experiment.id:
            raise Retry(
                f"{destination}: MLflow's answer does not give its id",
                advice="check exporters.mlflow.endpoint: this is no answer of an MLflow server",
            )
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[_key(destination)] = experiment
        self._remember_name(destination.workspace, fields)
        return experiment

    def _remember_name(self, workspace: str, fields: dict[str, Any]) -> None:
        experiment_id, name = fields.get("experiment_id"), fields.get("name")
        if experiment_id and name:
            if len(self._names) >= MAX_KNOWN:
                self._names.clear()
            self._names[workspace, str(experiment_id)] = str(name)


async def look_up(server: Server, destination: Destination) -> Answer:
    """
    Ask for an experiment by its id or its name.

    Raises:
        Retry: MLflow cannot be asked.

    """
    if destination.id:
        path, params = "get", {"experiment_id": destination.id}
    else:
        path, params = "get-by-name", {"experiment_name": destination.name}
    return await server.call(
        "GET", f"{_API}/{path}", workspace=destination.workspace, params=params
    )


def _key(destination: Destination) -> tuple[str, str, str]:
    return destination.workspace, destination.name, destination.id


def _list_of(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
