"""What team_routing promises."""

import asyncio

import pytest

from gateway.plugin import Batch
from gateway.testing import FakeContext, batch, check_contract, processor
from team_routing import TeamRouting

RULES = [
    {"team": "research", "model": "gpt-4*", "experiment": "{team}-llm"},
    {"team": "payments", "service": "checkout-*"},
]


def routed(sent: Batch, context: FakeContext | None = None) -> dict[str, object]:
    """Return the resource attributes that come out."""
    routing = processor(TeamRouting, rules=RULES)
    asyncio.run(routing.start(context or FakeContext()))
    [resource] = routing.process(sent).resources
    return dict(resource.attributes)


@pytest.mark.parametrize(
    ("service", "model", "team"),
    [
        ("checkout-web", "gpt-5-mini", "payments"),
        ("checkout-web", "gpt-4o", "research"),
        ("search", "gpt-5-mini", "unowned"),
    ],
)
def test_the_first_rule_that_matches_names_the_team(service: str, model: str, team: str) -> None:
    """Service and model decide; without a rule nobody owns it."""
    sent = batch({"mlflow.llm.model": model}, resource={"service.name": service})

    assert team == routed(sent)["team"]


def test_a_rule_may_choose_the_experiment() -> None:
    """The team's name stands in the experiment's."""
    sent = batch({}, {"mlflow.llm.model": "gpt-4o"})

    assert {"team": "research", "mlflow.experiment": "research-llm"} == routed(sent)


def test_what_the_application_says_stays() -> None:
    """A team or an experiment that is there already is kept."""
    mine = {"team": "mine", "service.name": "checkout-web"}

    assert mine == routed(batch({}, resource=mine))


def test_teams_are_counted() -> None:
    """Once for each resource."""
    context = FakeContext()
    routed(batch({}, {}, resource={"service.name": "checkout-web"}), context)

    assert 1 == context.meter.value("team_routing", team="payments")


def test_rules_behind_a_catch_all_are_a_mistake() -> None:
    """The message says which one to move."""
    with pytest.raises(ValueError, match=r"rules\[0\]: it matches everything"):
        processor(TeamRouting, rules=[{"team": "all"}, *RULES])


def test_keeps_the_contract() -> None:
    """What every processor promises."""
    check_contract(TeamRouting, rules=RULES)
