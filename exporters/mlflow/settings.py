"""Settings of the ``mlflow`` exporter, and the addresses that follow from them."""

from typing import Literal, NamedTuple

import msgspec
from yarl import URL

from exporters.http_settings import parse_url, reveal_headers
from exporters.mlflow.names import (
    explain_template,
    is_run_id,
    is_workspace,
    text_of,
)
from gateway import tenants
from gateway.config.types import FilePath
from gateway.plugin import Config, HttpExporterConfig, Secret

TRACES_PATH = "/v1/traces"
DATABRICKS_TRACES_PATH = "/api/2.0/otel/v1/traces"
DATABRICKS_TABLE_HEADER = "X-Databricks-UC-Table-Name"


class RuleConfig(tenants.RuleConfig):
    """One of ``experiment.rules``; globs are case-sensitive, and a missing attribute fits none."""

    def validate(self) -> None:
        """Refuse what could never name an experiment."""
        _check_experiment(text_of(self.experiment) or "", "experiment")


class ExperimentConfig(Config):
    """Settings of ``experiment``: where traces go, and what to do where they cannot."""

    default: str | int = "llm-traces"
    """Name or numeric id of the experiment for traces that nothing else routes."""

    from_header: bool = True
    """Whether senders may choose by the headers ``x-mlflow-experiment-id``, ``x-mlflow-run-id``
    and ``x-mlflow-workspace``; for a tenant with ``experiment`` or ``rules`` its own
    ``from_header`` decides."""

    rules: list[RuleConfig] = msgspec.field(default_factory=list)
    """The first one that matches wins."""

    create_missing: bool = True
    """Whether experiments that do not exist are created, at most 100 an hour and tenant."""

    deleted: Literal["refuse", "restore"] = "refuse"
    """What to do about a deleted experiment: keep its spans until somebody restores it, or
    restore it. MLflow itself would take the spans and show them nowhere."""

    def validate(self) -> None:
        """Refuse what could never name an experiment."""
        text = text_of(self.default) or ""
        if "{" in text or "}" in text:
            raise ValueError(
                "default: it must do for every trace, so that no {attribute} may stand in it; "
                "use a rule"
            )
        _check_experiment(text, "default")


class AuthConfig(Config):
    """Settings of ``auth``: user and password, or a bearer token."""

    username: str | None = None
    """User of MLflow's basic authentication."""

    password: Secret | None = None
    """Password of the user."""

    token: Secret | None = None
    """Bearer token, for a proxy, an OIDC plugin or Databricks; MLflow's own basic
    authentication takes none."""

    token_file: FilePath | None = None
    """File that holds the bearer token; read again when it changes."""

    def validate(self) -> None:
        """Require one way of authentication, complete."""
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: set both or none")
        ways = [self.username is not None, self.token is not None, self.token_file is not None]
        if sum(ways) > 1:
            raise ValueError("set only one of username with password, token, and token_file")
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            raise ValueError("username: no colon and no line break may stand in it")
        token = self.token.reveal().strip() if self.token is not None else "-"
        if not (token and token.isascii() and token.isprintable()):
            raise ValueError(
                "token: expected one line of ASCII; is an environment variable not set?"
            )


class DatabricksConfig(Config):
    """Settings of ``databricks``: traces go to a table of Unity Catalog, not to an experiment."""

    table: str
    """The table of spans, ``catalog.schema.prefix_otel_spans``. Link its schema to an
    experiment first."""

    def validate(self) -> None:
        """Require a full table name."""
        parts = self.table.split(".")
        if len(parts) != 3 or not all(parts) or not self.table.isprintable():
            raise ValueError(
                f'table: expected "catalog.schema.prefix_otel_spans", found "{self.table}"'
            )


class MlflowConfig(HttpExporterConfig):
    """Settings of ``mlflow``."""

    endpoint: str = "http://127.0.0.1:5000"
    """Address of the MLflow server, with its ``--static-prefix`` if it has one; an address that
    ends in ``/v1/traces`` means the same server."""

    experiment: ExperimentConfig = msgspec.field(default_factory=ExperimentConfig)
    """Where traces go."""

    workspace: str | None = None
    """Workspace, for a server that runs with ``--enable-workspaces``."""

    run_id: str | None = None
    """Run that traces are linked to."""

    auth: AuthConfig = msgspec.field(default_factory=AuthConfig)
    """Credentials for the server. Those of senders are never passed on."""

    databricks: DatabricksConfig | None = None
    """Set for Databricks only."""

    def validate(self) -> None:
        """Require an address of a server, and settings that it can understand."""
        _check_endpoint(self.endpoint)
        names = reveal_headers(self)
        if "Authorization" in names and self.auth != AuthConfig():
            raise ValueError("headers.Authorization contradicts auth: set one of them")
        for key in ("x-mlflow-experiment-id", "x-mlflow-run-id", "x-mlflow-workspace"):
            if key in names:
                raise ValueError(f"headers.{key}: use {_OWN_SETTING[key]} instead")
        if self.workspace is not None and not is_workspace(self.workspace):
            raise ValueError(f'workspace: "{self.workspace}" is no name of a workspace')
        if self.run_id is not None and not is_run_id(self.run_id):
            raise ValueError(f'run_id: "{self.run_id}" is no id of a run')
        if is_databricks(self) and not databricks_table(self):
            raise ValueError(
                'set databricks.table to the table of spans, such as "main.llm.app_otel_spans"'
            )


_OWN_SETTING = {
    "x-mlflow-experiment-id": "experiment.default",
    "x-mlflow-run-id": "run_id",
    "x-mlflow-workspace": "workspace",
}


def _check_experiment(text: str, key: str) -> None:
    reason = explain_template(text)
    if reason:
        raise ValueError(f"{key}: {reason}")


def _check_endpoint(text: str) -> None:
    try:
        url = parse_url(text)
    except ValueError as error:
        raise ValueError(
            f"endpoint: {error}; MLflow must run as a server (mlflow server), a folder or a "
            "database alone takes no traces"
        ) from error
    if url.user is not None or url.password is not None:
        raise ValueError("endpoint: put user and password into auth, where they never print")
    if url.query_string or url.fragment:
        raise ValueError("endpoint: the address must end before any ? or #")


class Addresses(NamedTuple):
    """Where a server listens."""

    base: str
    """Scheme, host, port and static prefix; REST paths are added to it."""
    traces_path: str


def addresses(config: MlflowConfig) -> Addresses:
    """Return the addresses that ``endpoint`` means."""
    base = config.endpoint.rstrip("/")
    if is_databricks(config):
        base = base.removesuffix(DATABRICKS_TRACES_PATH).removesuffix("/api/2.0/otel")
        return Addresses(base, DATABRICKS_TRACES_PATH)
    return Addresses(base.removesuffix(TRACES_PATH), TRACES_PATH)


def is_databricks(config: MlflowConfig) -> bool:
    """Return whether traces go to Databricks, by its settings or by its address."""
    path = URL(config.endpoint).path.rstrip("/")
    return config.databricks is not None or path in (DATABRICKS_TRACES_PATH, "/api/2.0/otel")


def databricks_table(config: MlflowConfig) -> str:
    """Return the table for Databricks; empty where there is none."""
    if config.databricks is not None:
        return config.databricks.table
    return reveal_headers(config).get(DATABRICKS_TABLE_HEADER, "")
