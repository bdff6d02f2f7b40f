"""Which resource attributes reach MLflow as tags."""

from gateway.batch import Batch
from gateway.otlp.values import Value
from gateway.testing import batch, processor
from processors.mlflow_mapping import MlflowMapping

RESOURCE: dict[str, Value] = {
    "service.name": "shop",
    "service.version": "1.2",
    "deployment.environment.name": "prod",
    "k8s.namespace.name": "shop",
    "team": "sky",
    "mlflow.experiment": "shop",
    "process.pid": 7,
    "process.command_line": "python app.py --key x",
    "host.name": "vm",
    "os.type": "linux",
    "service.instance.id": "i",
    "my.API_KEY": "not-a-real-" + "key",
}


def left(**settings: object) -> set[str]:
    """Return the keys left after mapping."""
    spans = batch({}, resource=RESOURCE)
    out = Batch(processor(MlflowMapping, **settings).process(spans).encode())
    return set(out.resources[0].attributes)


def test_machine_details_and_what_smells_of_secrets_are_dropped() -> None:
    """What routing and people look for stays."""
    assert {
        "service.name", "service.version", "deployment.environment.name", "k8s.namespace.name",
        "team", "mlflow.experiment",
    } == left()  # fmt: skip


def test_keep_is_an_exception() -> None:
    """A glob in ``keep`` wins."""
    assert "host.name" in left(resource_attributes={"keep": ["host.*"]})
    assert "os.type" not in left(resource_attributes={"keep": ["host.*"]})


def test_drop_replaces_the_list() -> None:
    """With a list of one's own nothing else is dropped."""
    assert RESOURCE.keys() - {"team"} == left(resource_attributes={"drop": ["te?m"]})


def test_nothing_to_drop_drops_nothing() -> None:
    """An empty list switches the filter off."""
    assert RESOURCE.keys() == left(resource_attributes={"drop": []})
