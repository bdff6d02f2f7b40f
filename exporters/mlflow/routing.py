"""Choose an experiment for a resource's spans, and refuse what a tenant may not use."""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

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
from gateway.tenants import RuleConfig, TenantConfig

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


class Router:
    """
    Decide by header, attribute, rules and defaults, in the order that the guide gives.

    Args:
        find_tenant: settings of a tenant by its name.
        name_of: what the experiment of an id in a workspace is called, ``None`` while unknown.

    """

    def __init__(
        self,
        config: MlflowConfig,
        *,
        find_tenant: Callable[[str], TenantConfig | None],
        name_of: Callable[[str, str], str | None],
    ) -> None:
        self._find_tenant = find_tenant
        self._name_of = name_of
        self._tenants: dict[str, _Tenant] = {}
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
        tenant = self._tenant(context.tenant)
        headers = _Headers(context if self._from_header and tenant.headers_count else None)
        choice = headers.experiment or self._choose(tenant, resource.attributes)
        number = decimal_id(choice)
        destination = Destination(
            id=number or "",
            name="" if number else choice,
            workspace=headers.workspace or self._workspace,
            run=headers.run or self._run,
            tenant=context.tenant,
        )
        self._check(tenant, destination)
        return destination.key

    def allows(self, destination: Destination, name: str) -> bool:
        """Return whether a destination's tenant may use the experiment of this name and id."""
        globs = self._tenant(destination.tenant).globs
        return not globs or _passes(globs, name, destination.id)

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

    def _tenant(self, name: str) -> _Tenant:
        settings = self._find_tenant(name) if name else None
        tenant = self._tenants.get(name)
        if tenant is None or tenant.settings is not settings:
            tenant = self._tenants[name] = _Tenant(name, settings)
        return tenant

    def _choose(self, tenant: _Tenant, attributes: Mapping[str, Value]) -> str:
        """Return the first choice that can be an experiment; an impossible name counts as none."""
        asked = text_of(attributes.get(EXPERIMENT_ATTRIBUTE))
        choices = (
            asked.strip() if asked else None,
            *(rule.apply(attributes) for rule in tenant.rules),
            *(rule.apply(attributes) for rule in self._rules),
            tenant.default,
        )
        for choice in choices:
            if choice and explain_name(choice) is None:
                return choice
        return self._default

    def _check(self, tenant: _Tenant, destination: Destination) -> None:
        if not tenant.globs:
            return
        known = destination.name
        if destination.id:
            known = self._name_of(destination.workspace, destination.id) or ""
        if _passes(tenant.globs, known, destination.id):
            return
        hint = ""
        if destination.id and not known:
            hint = (
                " (the gateway does not know yet what it is called: send its name in the "
                f"resource attribute {EXPERIMENT_ATTRIBUTE})"
            )
        raise Forbidden(
            f'tenant "{tenant.name}" may not write to {destination}{hint}; it may use: '
            + ", ".join(tenant.globs)
        )


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
