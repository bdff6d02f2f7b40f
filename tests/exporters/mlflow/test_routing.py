"""Which experiment a resource's spans go to."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.mlflow import Mlflow, destinations
from exporters.mlflow.destinations import Destination
from exporters.mlflow.routing import Router
from exporters.mlflow.settings import MlflowConfig
from gateway.otlp.values import Value
from gateway.plugin import BatchContext, Forbidden, Reject
from gateway.tenants import RuleConfig, TenantConfig, Tenants
from gateway.testing import batch, component

Attributes = dict[str, Value]


def route(
    experiment: dict[str, Any],
    resource: Attributes | None = None,
    headers: dict[str, str] | None = None,
    tenant: TenantConfig | None = None,
    names: dict[str, str] | None = None,
    *,
    others: Sequence[TenantConfig] = (),
    **settings: object,
) -> Destination:
    """Return where an exporter with these settings sends a resource's spans."""
    config: MlflowConfig = component(Mlflow, experiment=experiment, **settings).config
    tenants = Tenants({each.name: each for each in (*([tenant] if tenant else []), *others)})
    router = Router(
        config,
        tenants=lambda: tenants,
        name_of=lambda _workspace, number: (names or {}).get(number),
    )
    context = BatchContext(
        tenant=tenant.name if tenant else "", headers=tuple(sorted((headers or {}).items()))
    )
    return destinations.parse(
        router.route(context, batch({}, resource=resource or {}).resources[0])
    )


def by_header(value: str) -> dict[str, str]:
    """Return the headers of a sender that chooses an experiment."""
    return {"x-mlflow-experiment-id": value}


RULES = {
    "default": "llm-traces",
    "rules": [
        {"match": {"service.name": "checkout-*"}, "experiment": "checkout"},
        {"match": {"team": "*"}, "experiment": "team-{team}"},
    ],
}


def test_default_takes_what_nothing_else_routes() -> None:
    """Without header, attribute and matching rule the default decides."""
    assert Destination(name="llm-traces") == route(RULES, {"service.name": "search"})


def test_default_may_be_an_id() -> None:
    """A default of digits is an id, as a number or as text."""
    assert Destination(id="7") == route({"default": 7})
    assert Destination(id="7") == route({"default": "007"})


def test_first_matching_rule_wins() -> None:
    """Of two rules that match the first one decides."""
    resource: Attributes = {"service.name": "checkout-api", "team": "pay"}

    assert Destination(name="checkout") == route(RULES, resource)


def test_template_is_filled_from_the_resource() -> None:
    """A rule's template takes the resource's attribute."""
    assert Destination(name="team-pay") == route(RULES, {"team": "pay"})


def test_attribute_comes_before_rules() -> None:
    """``mlflow.experiment`` on the resource wins over rules and default."""
    resource: Attributes = {"service.name": "checkout-api", "mlflow.experiment": "mine"}

    assert Destination(name="mine") == route(RULES, resource)


@pytest.mark.parametrize("value", ["12", 12, " 12 ", "0012"])
def test_attribute_of_digits_is_an_id(value: Value) -> None:
    """``mlflow.experiment`` takes a name or an id."""
    assert Destination(id="12") == route(RULES, {"mlflow.experiment": value})


def test_header_comes_before_the_attribute() -> None:
    """The header wins over everything else."""
    resource: Attributes = {"mlflow.experiment": "mine"}

    assert Destination(id="5") == route(RULES, resource, by_header("5"))


def test_header_counts_only_where_the_settings_let_it() -> None:
    """With ``from_header: false`` the routing headers are as if not sent."""
    headers = {**by_header("5"), "x-mlflow-run-id": "r1", "x-mlflow-workspace": "w"}

    assert Destination(name="d") == route({"default": "d", "from_header": False}, {}, headers)


def test_empty_header_counts_as_none() -> None:
    """An empty header does not reach MLflow, which would take it for experiment 0."""
    assert Destination(name="llm-traces") == route(RULES, {}, by_header("  "))


@pytest.mark.parametrize("value", ["checkout", "1.5", "-1", "0x1", "\u0661", "1" * 30])
def test_header_that_is_no_id_is_rejected(value: str) -> None:
    """As by MLflow itself, and with how to choose by name."""
    with pytest.raises(Reject, match=r"mlflow\.experiment"):
        route(RULES, {}, by_header(value))


def test_run_and_workspace_come_from_headers_before_settings() -> None:
    """A sender's run and workspace win over those of the settings."""
    headers = {"x-mlflow-run-id": "abc", "x-mlflow-workspace": "team-a"}
    settings: dict[str, Any] = {"run_id": "def", "workspace": "team-b"}

    assert Destination(name="d", run="abc", workspace="team-a") == route(
        {"default": "d"}, {}, headers, **settings
    )
    assert Destination(name="d", run="def", workspace="team-b") == route(
        {"default": "d"}, {}, **settings
    )


@pytest.mark.parametrize(
    "headers", [{"x-mlflow-run-id": "a\nb"}, {"x-mlflow-workspace": "../x"}], ids=str
)
def test_run_and_workspace_must_be_possible(headers: dict[str, str]) -> None:
    """A header that MLflow could not take is refused to the sender."""
    with pytest.raises(Reject):
        route(RULES, {}, headers)


@pytest.mark.parametrize(
    ("glob", "value", "matches"),
    [
        ("checkout-*", "checkout-api", True),
        ("checkout-*", "Checkout-api", False),
        ("v[12]", "v2", True),
        ("?", "ab", False),
        ("8*", 8080, True),
        ("true", True, True),
        ("1.5", 1.5, True),
        ('["a","b"]', ["a", "b"], False),
        ("*a*", ["a", "b"], True),
        ("*", "", True),
        ("*", None, False),
        ("*", b"x", False),
    ],
)
def test_globs_match_the_text_of_values(glob: str, value: Value, matches: bool) -> None:
    """Globs are case-sensitive and see other types as JSON writes them; bytes match nothing."""
    rules = [{"match": {"key": glob}, "experiment": "hit"}]

    got = route({"default": "miss", "rules": rules}, {"key": value})

    assert ("hit" if matches else "miss") == got.name


def test_all_globs_of_a_rule_must_match() -> None:
    """A rule with two globs needs both attributes; a missing one fits not even ``*``."""
    rules = [{"match": {"a": "*", "b": "*"}, "experiment": "both"}]

    assert "d" == route({"default": "d", "rules": rules}, {"a": "1"}).name
    assert "both" == route({"default": "d", "rules": rules}, {"a": "1", "b": "2"}).name


@pytest.mark.parametrize(
    "value", ["", "x" * 300, "a\nb", "a\x00b", "zero\u200bwidth", "\ud7ff\u2028"]
)
def test_impossible_names_fall_through(value: str) -> None:
    """A name that MLflow could not hold, from a template or a sender, is passed over."""
    rules = [{"match": {}, "experiment": "{team}"}, {"match": {}, "experiment": "second"}]

    got = route({"rules": rules}, {"team": value, "mlflow.experiment": value})

    assert "second" == got.name


def test_names_may_be_in_any_language() -> None:
    """Letters of any script, spaces and slashes are fine in a name."""
    assert "équipe/заказы 1" == route(RULES, {"mlflow.experiment": "équipe/заказы 1"}).name


def tenant(**settings: Any) -> TenantConfig:
    """Return a tenant with these settings."""
    return TenantConfig(name="search", **settings)


def test_tenant_rules_come_before_the_rules_and_its_experiment_after() -> None:
    """Order: attribute, the tenant's rules, the rules, the tenant's experiment, the default."""
    mine = tenant(
        experiment="search-llm",
        rules=[RuleConfig(match={"service.name": "checkout-api"}, experiment="search-checkout")],
    )

    assert "asked" == route(RULES, {"mlflow.experiment": "asked"}, tenant=mine).name
    assert "search-checkout" == route(RULES, {"service.name": "checkout-api"}, tenant=mine).name
    assert "checkout" == route(RULES, {"service.name": "checkout-web"}, tenant=mine).name
    assert "search-llm" == route(RULES, {"service.name": "else"}, tenant=mine).name


def test_header_of_a_tenant_with_its_own_routing_does_not_count() -> None:
    """With ``experiment`` or ``rules`` a tenant's headers count only if it says so."""
    strict = tenant(experiment="search-llm")
    loose = tenant(experiment="search-llm", from_header=True)
    plain = tenant()

    assert "search-llm" == route(RULES, {}, by_header("5"), strict).name
    assert "5" == route(RULES, {}, by_header("5"), loose).id
    assert "5" == route(RULES, {}, by_header("5"), plain).id


def test_exporter_without_from_header_overrules_tenants() -> None:
    """``from_header: false`` of the exporter holds for every tenant."""
    loose = tenant(experiment="search-llm", from_header=True)

    got = route({"default": "d", "from_header": False}, {}, by_header("5"), loose)

    assert "search-llm" == got.name


def test_destination_says_whose_it_is() -> None:
    """The tenant is part of the key, so that its limits hold when sending."""
    assert "search" == route(RULES, tenant=tenant()).tenant


ALLOWED = {"experiments": ["search-*", "12"]}


@pytest.mark.parametrize(
    ("resource", "headers"),
    [
        ({"mlflow.experiment": "payroll"}, {}),
        ({"mlflow.experiment": "Search-x"}, {}),
        ({"team": "pay"}, {}),
        ({}, {}),
        ({}, by_header("13")),
        ({"mlflow.experiment": "13"}, {}),
        ({"mlflow.experiment": "14"}, {}),
    ],
    ids=str,
)
def test_allow_list_holds_for_every_way_of_choosing(
    resource: Attributes, headers: dict[str, str]
) -> None:
    """A tenant with ``experiments`` is refused everything else, also by default and by id."""
    with pytest.raises(Forbidden, match="search"):
        route(RULES, resource, headers, tenant(**ALLOWED), names={"13": "payroll"})


def test_allow_list_lets_through_what_it_names() -> None:
    """Names by glob, ids that are listed, and ids whose name is known to be allowed."""
    mine = tenant(**ALLOWED)
    names = {"15": "search-15"}

    assert "search-a" == route(RULES, {"mlflow.experiment": "search-a"}, tenant=mine).name
    assert "12" == route(RULES, {}, by_header("12"), mine).id
    assert "15" == route(RULES, {}, by_header("15"), mine, names).id


def test_glob_of_an_allow_list_does_not_match_ids() -> None:
    """A glob such as ``1*`` is about names: it opens no ids."""
    with pytest.raises(Forbidden):
        route(RULES, {}, by_header("13"), tenant(experiments=["1*"]))


def test_unknown_id_is_refused_with_the_way_out() -> None:
    """An id whose name is unknown is refused, and the sender is told to name the experiment."""
    with pytest.raises(Forbidden, match=r"mlflow\.experiment"):
        route(RULES, {}, by_header("99"), tenant(**ALLOWED))


# --- what belongs to another tenant

PAY = TenantConfig(
    name="pay",
    experiment="pay-llm",
    rules=[RuleConfig(match={"a": "b"}, experiment="pay-batch")],
    experiments=["pay-*", "77"],
)
OPS = TenantConfig(name="ops", experiments=["*"])
NAMES = {"5": "pay-llm", "6": "free", "77": "odd"}


def reach(mine: TenantConfig, resource: Attributes, headers: dict[str, str]) -> str:
    """Return where a tenant gets beside others, "refused" where it does not."""
    experiment = {**RULES, "rules": [*RULES["rules"], {"match": {"to": "*"}, "experiment": "{to}"}]}
    try:
        got = route(experiment, resource, headers, mine, NAMES, others=(PAY, OPS))
    except Forbidden:
        return "refused"
    return got.name or got.id


@pytest.mark.parametrize(
    ("resource", "headers"),
    [
        ({"mlflow.experiment": "pay-llm"}, {}),
        ({"mlflow.experiment": " Pay-LLM "}, {}),
        ({"mlflow.experiment": "pay-batch"}, {}),
        ({"mlflow.experiment": "pay-new"}, {}),
        ({"mlflow.experiment": "5"}, {}),
        ({"mlflow.experiment": "77"}, {}),
        ({"mlflow.experiment": "99"}, {}),
        ({"to": "pay-llm"}, {}),
        ({"to": "5"}, {}),
        ({}, by_header("5")),
        ({}, by_header("005")),
        ({}, by_header("77")),
        ({}, by_header("99")),
    ],
    ids=str,
)
@pytest.mark.parametrize("own", [{}, {"experiment": "search-llm", "from_header": True}], ids=str)
def test_what_others_call_their_own_is_refused(
    own: dict[str, Any], resource: Attributes, headers: dict[str, str]
) -> None:
    """A tenant without an allow list may still not write to what another's settings name."""
    assert "refused" == reach(tenant(**own), resource, headers)


@pytest.mark.parametrize(
    ("own", "resource", "headers", "expected"),
    [
        ({}, {"mlflow.experiment": "free"}, {}, "free"),
        ({}, {}, by_header("6"), "6"),
        ({}, {}, {}, "llm-traces"),
        ({"experiment": "pay-llm"}, {}, {}, "pay-llm"),
        ({"experiment": "pay-llm"}, {"mlflow.experiment": "pay-llm"}, {}, "pay-llm"),
        ({"experiment": "pay-llm"}, {"mlflow.experiment": "pay-batch"}, {}, "refused"),
        ({"experiments": ["pay-a*"]}, {"mlflow.experiment": "pay-abc"}, {}, "pay-abc"),
        ({"experiment": "mine"}, {}, by_header("5"), "mine"),
    ],
    ids=str,
)
def test_what_is_shared_or_free_is_open(
    own: dict[str, Any], resource: Attributes, headers: dict[str, str], expected: str
) -> None:
    """Nobody's experiments, the tenant's own, and those that its settings share are open."""
    assert expected == reach(tenant(**own), resource, headers)


def test_own_template_opens_no_foreign_experiment() -> None:
    """A rule that takes its name from attributes is checked like any wish of the sender."""
    mine = tenant(rules=[RuleConfig(match={"team": "*"}, experiment="{team}-llm")])

    assert "refused" == reach(mine, {"team": "pay"}, {})
    assert "search-llm" == reach(mine, {"team": "search"}, {})


def test_allow_list_is_about_one_workspace() -> None:
    """A tenant with an allow list cannot leave for a workspace where the names are others'."""
    mine = tenant(experiments=["search-*"])
    wish: Attributes = {"mlflow.experiment": "search-a"}

    with pytest.raises(Forbidden, match="workspace"):
        route(RULES, wish, {"x-mlflow-workspace": "team-b"}, mine)
    assert "search-a" == route(RULES, wish, {"x-mlflow-workspace": "w"}, mine, workspace="w").name


def test_refusals_tell_nothing_of_others() -> None:
    """The answer is the same for an id that exists and for one that does not."""
    texts = set()
    for number in ("5", "99"):
        with pytest.raises(Forbidden) as caught:
            route(RULES, {}, by_header(number), tenant(**ALLOWED), NAMES, others=(PAY,))
        texts.add(caught.value.reason.replace(number, "N"))

    assert 1 == len(texts)
    assert "pay" not in texts.pop()


def test_nobody_knows_what_an_unknown_tenant_may_do() -> None:
    """Where the tenant of a destination is not known, traces follow nowhere for it."""
    config: MlflowConfig = component(Mlflow).config
    tenants = Tenants({"pay": PAY})
    router = Router(config, tenants=lambda: tenants, name_of=lambda _workspace, _number: None)

    allowed = [
        router.allows(Destination(id="5", tenant=name), "pay-llm") for name in ("", "pay", "gone")
    ]

    assert [True, True, False] == allowed


def test_databricks_has_one_destination() -> None:
    """Databricks stores in a table, whatever the sender asks for."""
    got = route(
        RULES,
        {"mlflow.experiment": "mine"},
        by_header("5"),
        endpoint="https://dbc.example.com",
        databricks={"table": "main.llm.app_otel_spans"},
    )

    assert Destination(table="main.llm.app_otel_spans") == got


@given(
    header=st.text(max_size=40),
    asked=st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()),
    team=st.text(max_size=300),
)
def test_nothing_a_sender_writes_breaks_routing(
    header: str, asked: str | float | None, team: str
) -> None:
    """Whatever comes, it is an experiment that MLflow could hold, or a plain refusal."""
    try:
        got = route(RULES, {"mlflow.experiment": asked, "team": team}, by_header(header))
    except Reject:
        return

    assert bool(got.name) != bool(got.id)
    assert not got.id or 0 <= int(got.id) < 2**63
    assert got == destinations.parse(got.key)
    assert len(got.name) <= 250
    assert got.name.isprintable()
