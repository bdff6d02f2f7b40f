"""What exporters know of tenants, whichever receiver they come by."""

from gateway.tenants import TenantConfig, Tenants


def tenant(name: str, **settings: object) -> TenantConfig:
    """Return a tenant."""
    return TenantConfig(name=name, **settings)  # type: ignore[arg-type] # fields by name


def test_tenants_of_several_receivers_are_known() -> None:
    """Each receiver replaces its own tenants alone, and every change can be noticed."""
    tenants = Tenants()
    tenants.publish("otlp", {"a": tenant("a"), "b": tenant("b")})
    tenants.publish("otlp/2", {"c": tenant("c")})
    before = tenants.version

    tenants.publish("otlp", {"a": tenant("a")})

    assert {"a", "c"} == {each.name for each in tenants}
    assert tenants.get("b") is None
    assert tenants.version > before


def test_one_name_means_one_tenant() -> None:
    """The same tenant may come by two receivers with other credentials, not with other rights."""
    tenants = Tenants()
    tenants.publish("otlp", {"a": tenant("a", experiments=["a-*"], client_cert="x")})

    assert "" == tenants.clash("otlp/2", tenant("a", experiments=["a-*"], client_cert="y"))
    assert "" == tenants.clash("otlp", tenant("a", experiments=["b-*"]))
    assert "on receiver otlp" in tenants.clash("otlp/2", tenant("a", experiments=["b-*"]))
