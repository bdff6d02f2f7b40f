"""What ``resource`` promises: the Collector's actions, once for each resource."""

from pathlib import Path

from gateway.plugin import BatchContext
from gateway.testing import batch, processor
from processors.resource import Resource
from tests.processors.configuring import problems


def test_changes_resources() -> None:
    """All kinds of actions work on a resource; its spans are left alone."""
    made = batch(
        {"host.ip": "kept"},
        {},
        resource={"host.ip": "10.0.0.1", "user": "ada", "k8s.pod": "p", "port": "80"},
        context=BatchContext(tenant="search"),
    )
    actions = [
        {"key": "host.ip", "action": "delete"},
        {"key": "team", "action": "insert", "from_context": "auth.tenant"},
        {"key": "pod", "action": "upsert", "from_attribute": "k8s.pod"},
        {"key": "port", "action": "convert", "converted_type": "int"},
        {"key": "user", "action": "update", "value": "someone"},
    ]

    out = processor(Resource, attributes=actions).process(made)

    assert {"user": "someone", "k8s.pod": "p", "port": 80, "team": "search", "pod": "p"} == dict(
        out.resources[0].attributes
    )
    assert [{"host.ip": "kept"}, {}] == [dict(span.attributes) for span in out]


def test_no_change_leaves_the_received_bytes() -> None:
    """A batch to which nothing happens is forwarded as it came."""
    made = batch({}, resource={"team": "search"})
    actions = [
        {"key": "team", "action": "upsert", "value": "search"},
        {"key": "no", "action": "delete"},
    ]

    assert processor(Resource, attributes=actions).process(made).untouched


def test_needs_something_to_do(tmp_path: Path) -> None:
    """Without actions it is a mistake."""
    [missing] = problems(tmp_path, "resource", "{}")
    [empty] = problems(tmp_path, "resource", "{attributes: []}")

    assert "processors.resource.attributes" == missing.path == empty.path
    assert "{key: host.ip, action: delete}" in empty.message
