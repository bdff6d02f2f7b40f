"""Choose an experiment for a resource's spans, and refuse what a tenant may not use."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from exporters.mlflow.claims import Claims
from exporters.mlflow.destinations import Destination
from exporters.mlflow.names import (
    Template,
    decimal_id,
    explain_name,
    is_run_id,
    is_workspace,
    text_of,
)
from exporters.mlflow.settings import MlflowConfig, databricks_table, is_databricks
from gateway.plugin import BatchContext, Forbidden, Reject, Resource, Value
from gateway.tenants import RuleConfig, TenantConfig, Tenants

EXPERIMENT_HEADER = "x-mlflow-experiment-id"
RUN_HEADER = "x-mlflow-run-id"
WORKSPACE_HEADER = "x-mlflow-workspace"
EXPERIMENT_ATTRIBUTE = "mlflow.experiment"


class Rule:
    """A rule made ready: globs that must all fit, and a name with attributes in it."""

    def __init__(self, settings: RuleConfig) -> None:
        self._globs = tuple(settings.match.items())
        self._template = Template(text_of(settings.experiment) or "")

    @property
    def fixed(self) -> str | None:
        """The experiment, where it does not depend on attributes."""
        return self._template.fill({})

    def apply(self, attributes: Mapping[str, Value]) -> str | None:
        """Return the experiment for a resource, ``None`` where the rule does not match it."""
        for key, glob in self._globs:
            text = text_of(attributes.get(key))
            if text is None or not fnmatchcase(text, glob):
                return None
        return self._template.fill(attributes)


class _Choice(NamedTuple):
    """An experiment, and whether the sender had a say in it."""

    experiment: str
    by_sender: bool


class _Tenant:
    """A tenant's settings made ready; without settings, somebody who may do everything."""

    def __init__(self, name: str, settings: TenantConfig | None) -> None:
        self.name = name
        self.settings = settings
        self.rules = [Rule(rule) for rule in settings.rules] if settings else []
        self.default = text_of(settings.experiment) or "" if settings else ""
        self.globs = tuple(settings.experiments) if settings else ()
        self.headers_count = (
            settings is None or settings.from_header or not (self.rules or self.default)
        )

    @property
    def fixed(self) -> set[str]:
        """Experiments that its settings alone lead to."""
        return {self.default, *(rule.fixed or "" for rule in self.rules)} - {""}


class Router:
    """
    Decide by header, attribute, rules and defaults, in the order that the guide gives.

    Args:
        tenants: the settings of all tenants, as they are now.
        name_of: what the experiment of an id in a workspace is called, ``None`` while unknown.

    """

    def __init__(
        self,
        config: MlflowConfig,
        *,
        tenants: Callable[[], Tenants],
        name_of: Callable[[str, str], str | None],
    ) -> None:
        self._everyone = tenants
        self._name_of = name_of
        self._tenants: dict[str, _Tenant] = {}
        self._claims = Claims()
        self._version = -1
        self._from_header = config.experiment.from_header
        self._rules = [Rule(rule) for rule in config.experiment.rules]
        self._default = text_of(config.experiment.default) or ""
        self._workspace = config.workspace or ""
        self._run = config.run_id or ""
        self._table = databricks_table(config) if is_databricks(config) else ""

    def route(self, context: BatchContext, resource: Resource) -> str:
        """
        Return the key of the destination.

        Raises:
            Reject: a header is not what MLflow takes.
            Forbidden: the tenant may not write there.

        """
        if self._table:
            return Destination(table=self._table).key
        self._keep_up()
        tenant = self._tenant(context.tenant)
        headers = _Headers(context if self._from_header and tenant.headers_count else None)
        choice = (
            _Choice(headers.experiment, by_sender=True)
            if headers.experiment
            else self._choose(tenant, resource.attributes)
        )
        number = decimal_id(choice.experiment)
        destination = Destination(
            id=number or "",
            name="" if number else choice.experiment,
            workspace=headers.workspace or self._workspace,
            run=headers.run or self._run,
            tenant=context.tenant,
        )
        self._check(tenant, destination, by_sender=choice.by_sender)
        return destination.key

    def allows(self, destination: Destination, name: str) -> bool:
        """
        Return whether a destination's tenant may use the experiment of this name and id.

        A tenant that nobody knows any more, or in this process, may use none but its destination.
        """
        self._keep_up()
        tenant = self._tenant(destination.tenant)
        if not tenant.name:
            return True
        if tenant.settings is None:
            return False
        if tenant.globs:
            return _passes(tenant.globs, name, destination.id)
        return not self._claims.of_others(tenant.name, name, destination.id)

    def still_allows(self, destination: Destination, name: str) -> bool:
        """
        Return whether a destination that was chosen for a tenant may be written to now.

        Settings may have changed since, before a restart or while its spans were dead letters.
        """
        self._keep_up()
        tenant = self._tenant(destination.tenant)
        if tenant.settings is None:
            return True
        texts = {name, destination.id} - {""}
        if not tenant.globs and not texts.isdisjoint({self._default, *tenant.fixed}):
            return True
        return self.allows(destination, name)

    @property
    def version(self) -> int:
        """Grows whenever another answer may be due."""
        return self._everyone().version

    def fixed(self) -> list[Destination]:
        """Return the destinations that the settings name, whoever sends."""
        texts = [self._default, *(rule.fixed for rule in self._rules)]
        return [
            Destination(id=number, workspace=self._workspace)
            if (number := decimal_id(text))
            else Destination(name=text, workspace=self._workspace)
            for text in dict.fromkeys(texts)
            if text
        ]

    def _keep_up(self) -> None:
        """Learn whose experiments are whose again after the tenants have changed."""
        everyone = self._everyone()
        if everyone.version != self._version:
            self._claims, self._version = Claims(everyone), everyone.version

    def _tenant(self, name: str) -> _Tenant:
        settings = self._everyone().get(name) if name else None
        tenant = self._tenants.get(name)
        if tenant is None or tenant.settings is not settings:
            tenant = self._tenants[name] = _Tenant(name, settings)
        return tenant

    def _choose(self, tenant: _Tenant, attributes: Mapping[str, Value]) -> _Choice:
        """Return the first choice that can be an experiment; an impossible name counts as none."""
        asked = text_of(attributes.get(EXPERIMENT_ATTRIBUTE))
        choices = (
            (asked.strip() if asked else None, True),
            *((rule.apply(attributes), rule.fixed is None) for rule in tenant.rules),
            *((rule.apply(attributes), True) for rule in self._rules),
            (tenant.default, False),
        )
        for experiment, by_sender in choices:
            if experiment and explain_name(experiment) is None:
                return _Choice(experiment, by_sender)
        return _Choice(self._default, by_sender=False)

    def _check(self, tenant: _Tenant, destination: Destination, *, by_sender: bool) -> None:
        """
        Make sure that a tenant may write there.

        Raises:
            Forbidden: it may not.

        """
        if tenant.globs and destination.workspace != self._workspace:
            raise Forbidden(
                f'tenant "{tenant.name}" may not choose a workspace: its list of experiments is '
                "about the one of the gateway"
            )
        known = destination.name
        if destination.id:
            known = self._known_name(destination)
        if tenant.globs:
            if not _passes(tenant.globs, known, destination.id):
                may = "it may use: " + ", ".join(tenant.globs)
                raise _forbidden(tenant, destination, may)
        elif by_sender and self._is_of_others(tenant, destination, known):
            raise _forbidden(tenant, destination, "it may be another tenant's")

    def _is_of_others(self, tenant: _Tenant, destination: Destination, known: str) -> bool:
        if not tenant.name:
            return False
        if not known and destination.workspace != self._workspace:
            return False  # is looked up, and asked about again, when it is sent to
        return self._claims.of_others(tenant.name, known, destination.id)

    def _known_name(self, destination: Destination) -> str:
        """Return what an id is called; ids of MLflow are the same in whatever workspace."""
        name = self._name_of(destination.workspace, destination.id)
        return name or self._name_of(self._workspace, destination.id) or ""


def _forbidden(tenant: _Tenant, destination: Destination, why: str) -> Forbidden:
    """Return the same text whether the gateway knows an id or not, which is nobody's business."""
    hint = ""
    if destination.id:
        hint = (
            "; where the gateway cannot tell what an id is called, send the name in the resource "
            f"attribute {EXPERIMENT_ATTRIBUTE}"
        )
    return Forbidden(f'tenant "{tenant.name}" may not write to {destination}: {why}{hint}')


class _Headers:
    """
    What a sender chose by headers.

    Raises:
        Reject: a value is not what MLflow takes.

    """

    def __init__(self, context: BatchContext | None) -> None:
        self.experiment = self.run = self.workspace = ""
        if context is None or not context.headers:
            return
        experiment = (context.header(EXPERIMENT_HEADER) or "").strip()
        if experiment:
            self.experiment = decimal_id(experiment) or ""
            if not self.experiment:
                raise Reject(
                    f"{EXPERIMENT_HEADER}: expected the decimal id of an experiment, found "
                    f'"{_shown(experiment)}"; to choose by name set the resource attribute '
                    f"{EXPERIMENT_ATTRIBUTE}"
                )
        self.run = (context.header(RUN_HEADER) or "").strip()
        if self.run and not is_run_id(self.run):
            raise Reject(f'{RUN_HEADER}: "{_shown(self.run)}" is no id of a run')
        self.workspace = (context.header(WORKSPACE_HEADER) or "").strip()
        if self.workspace and not is_workspace(self.workspace):
            raise Reject(f'{WORKSPACE_HEADER}: "{_shown(self.workspace)}" is no workspace')


def _passes(globs: Iterable[str], name: str, number: str) -> bool:
    """Return whether a name, or an id that is listed as such, is on an allow list."""
    return any(
        glob == "*" or (number and glob == number) or (name and fnmatchcase(name, glob))
        for glob in globs
    )


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:60])
