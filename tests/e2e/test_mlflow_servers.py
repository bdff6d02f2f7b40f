"""The mlflow exporter against servers that are set up in other ways, right or wrong."""

import importlib.util
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.local_mlflow import LocalMlflow
from gateway.plugin import BatchContext, Retry
from gateway.testing import batch
from tests.e2e.conftest import free_port, running
from tests.e2e.mlflow_server import MlflowApi
from tests.e2e.sending import ExporterContext, exporting, send

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ADMIN = ("admin", "not-a-real-" + "password")


@asynccontextmanager
async def server(
    folder: Path,
    *arguments: str,
    prefix: str = "",
    store: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[LocalMlflow]:
    """Run a server that is set up in its own way."""
    local = LocalMlflow(
        folder,
        free_port(),
        prefix=prefix,
        store=store,
        arguments=arguments,
        environment=environment,
    )
    async with running(local):
        yield local


async def parked(endpoint: str, **settings: object) -> Retry:
    """Return why a server takes nothing."""
    async with exporting(endpoint, None, **settings) as exporter:
        with pytest.raises(Retry) as caught:
            await send(exporter, batch({}))
    return caught.value


async def test_static_prefix(tmp_path: Path) -> None:
    """A path in the endpoint is the server's static prefix; without it the advice names it."""
    async with server(tmp_path, prefix="/mlf") as local:
        async with exporting(local.url, experiment={"default": "mine"}) as exporter:
            await send(exporter, batch({}))
        async with MlflowApi(local.url) as api:
            experiment = await api.experiment("mine")
            found = await api.trace_ids(experiment["experiment_id"])
        failure = await parked(local.url.removesuffix("/mlf"), experiment={"default": 0})

    assert 1 == len(found)
    assert ("exporter", True) == (failure.scope, "--static-prefix" in (failure.advice or ""))


async def test_allowed_hosts(tmp_path: Path) -> None:
    """A server that does not know its own name says so in the advice, until it is told."""
    async with server(tmp_path, "--allowed-hosts", "mlflow.example.com") as local:
        failure = await parked(local.url, experiment={"default": 0})

    assert "exporter" == failure.scope
    assert "--allowed-hosts" in (failure.advice or "")
    assert local.url.removeprefix("http://") in (failure.advice or "")


async def test_gunicorn_has_no_otlp(tmp_path: Path) -> None:
    """Under gunicorn MLflow has no /v1/traces, which the advice says."""
    async with server(tmp_path, "--gunicorn-opts", "--timeout 60") as local:
        failure = await parked(local.url, experiment={"default": 0})

    assert "exporter" == failure.scope
    assert "--gunicorn-opts" in (failure.advice or "")


async def test_file_store_takes_no_spans(tmp_path: Path) -> None:
    """A file store is reported at start and holds everything, with what to do."""
    context = ExporterContext()
    store, allowed = str(tmp_path / "mlruns"), {"MLFLOW_ALLOW_FILE_STORE": "true"}
    async with (
        server(tmp_path, store=store, environment=allowed) as local,
        exporting(local.url, context, experiment={"default": 0}) as exporter,
    ):
        with pytest.raises(Retry) as caught:
            await send(exporter, batch({}))

    assert "exporter" == caught.value.scope
    assert "sqlite" in (caught.value.advice or "")
    assert any("files" in event for _, event, _ in context.logger.lines)


async def test_workspaces(tmp_path: Path) -> None:
    """A workspace has its own experiments; the sender's header wins over the settings."""
    async with server(tmp_path, "--enable-workspaces") as local:
        async with MlflowApi(local.url) as api:
            for workspace in ("team-a", "team-b"):
                await _create_workspace(api, workspace)
        async with exporting(
            local.url, None, experiment={"default": "mine"}, workspace="team-a"
        ) as exporter:
            await send(exporter, batch({}))
            header = BatchContext(headers=(("x-mlflow-workspace", "team-b"),))
            await send(exporter, batch({}, context=header))
            nowhere = BatchContext(headers=(("x-mlflow-workspace", "team-c"),))
            with pytest.raises(Retry) as caught:
                await send(exporter, batch({}, context=nowhere))
        for workspace in ("team-a", "team-b"):
            async with MlflowApi(local.url, headers={"X-MLFLOW-WORKSPACE": workspace}) as api:
                experiment = await api.experiment("mine")
                assert 1 == len(await api.trace_ids(experiment["experiment_id"]))

    assert ("destination", True) == (caught.value.scope, bool(caught.value.advice))


async def _create_workspace(api: MlflowApi, name: str) -> None:
    assert api._session is not None
    body = {"name": name}
    async with api._session.post(f"{api.url}/api/3.0/mlflow/workspaces", json=body) as answer:
        assert answer.status in (200, 201), await answer.text()


@pytest.mark.skipif(
    importlib.util.find_spec("flask_wtf") is None,
    reason="MLflow's basic authentication needs the package flask-wtf: pip install 'mlflow[auth]'",
)
async def test_basic_auth(tmp_path: Path) -> None:
    """Right credentials deliver; wrong ones and none hold everything, and say what to set."""
    environment = {"MLFLOW_FLASK_SERVER_SECRET_KEY": "not-a-" + "secret"}
    (tmp_path / "auth.ini").write_text(_auth_settings(tmp_path))
    environment["MLFLOW_AUTH_CONFIG_PATH"] = str(tmp_path / "auth.ini")
    async with server(tmp_path, "--app-name", "basic-auth", environment=environment) as local:
        right = {"username": ADMIN[0], "password": ADMIN[1]}
        async with exporting(
            local.url, None, experiment={"default": "mine"}, auth=right
        ) as exporter:
            await send(exporter, batch({}))
        wrong = {"username": ADMIN[0], "password": "wrong"}
        failures = [
            await parked(local.url, experiment={"default": "mine"}, auth=wrong),
            await parked(local.url, experiment={"default": "mine"}),
            await parked(local.url, experiment={"default": 0}),
            await parked(local.url, experiment={"default": 0}, auth={"token": "t"}),
        ]
        async with MlflowApi(local.url, ADMIN) as api:
            found = await api.trace_ids((await api.experiment("mine"))["experiment_id"])
            user = {"username": "gateway", "password": ADMIN[1]}
            await api.call("POST", "/api/2.0/mlflow/users/create", json=user)
        async with exporting(local.url, None, experiment={"default": "own"}, auth=user) as exporter:
            await send(exporter, batch({}))
            readable = batch({}, resource={"mlflow.experiment": "mine"})
            with pytest.raises(Retry) as caught:
                await send(exporter, readable)
        async with MlflowApi(local.url, ADMIN) as api:
            own = await api.trace_ids((await api.experiment("own"))["experiment_id"])

    assert (1, 1) == (len(found), len(own))
    assert ("destination", True) == (caught.value.scope, "EDIT" in (caught.value.advice or ""))
    assert {"exporter"} == {failure.scope for failure in failures}
    assert all("exporters.mlflow.auth" in (failure.advice or "") for failure in failures)


def _auth_settings(folder: Path) -> str:
    lines: Sequence[str] = (
        "[mlflow]",
        "default_permission = READ",
        f"database_uri = sqlite:///{folder / 'auth.db'}",
        f"admin_username = {ADMIN[0]}",
        f"admin_password = {ADMIN[1]}",
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
    )
    return "\n".join(lines)
