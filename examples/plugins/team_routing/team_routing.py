"""Say which team owns a trace, by the rules of the business, and send it to that team."""

from fnmatch import fnmatchcase

from gateway.plugin import Batch, Config, Context, Processor, Resource


class Rule(Config):
    """What a team owns; globs, of which all that are given must match."""

    team: str
    """Who owns it."""

    service: str = "*"
    """Glob on the resource's ``service.name``."""

    model: str = ""
    """Glob on the model that a span calls; empty asks for none."""

    experiment: str = ""
    """Where its traces belong; ``{team}`` stands for the team. Empty leaves it to the exporter."""


class TeamRoutingConfig(Config):
    """Settings of ``team_routing``."""

    rules: tuple[Rule, ...] = ()
    """Asked in this order; the first that matches wins."""

    otherwise: str = "unowned"
    """The team of what no rule matches."""

    def validate(self) -> None:
        """Refuse rules that can never be reached."""
        for at, rule in enumerate(self.rules[:-1]):
            if rule.service == "*" and not rule.model:
                raise ValueError(
                    f"rules[{at}]: it matches everything, so that those after it are never "
                    "asked; put it last"
                )


class TeamRouting(Processor[TeamRoutingConfig]):
    """
    Write ``team`` and, where the rule says so, ``mlflow.experiment`` on each resource.

    Resource attributes become tags of the trace in MLflow, and exporters route by them. A team
    that the application names itself is kept.
    """

    on_error = "pass"  # a trace in the default experiment is better than none

    async def start(self, context: Context) -> None:
        """Keep the meter."""
        self._count = context.meter.count

    def process(self, batch: Batch) -> Batch:
        """Decide once for each resource."""
        models: dict[int, set[str]] = {}
        for span in batch:
            model = span.attributes.text("mlflow.llm.model")
            models.setdefault(id(span.resource), set()).update([model] if model else [])
        for resource in batch.resources:
            self._route(resource, models[id(resource)])
        return batch

    def _route(self, resource: Resource, models: set[str]) -> None:
        attributes = resource.attributes
        if "team" in attributes:
            return
        rule = self._rule(attributes.text("service.name") or "", models)
        team = rule.team if rule else self.config.otherwise
        attributes["team"] = team
        if rule and rule.experiment and "mlflow.experiment" not in attributes:
            attributes["mlflow.experiment"] = rule.experiment.replace("{team}", team)
        self._count("team_routing", team=team)

    def _rule(self, service: str, models: set[str]) -> Rule | None:
        for rule in self.config.rules:
            called = not rule.model or any(fnmatchcase(model, rule.model) for model in models)
            if called and fnmatchcase(service, rule.service):
                return rule
        return None
