"""What the JSON Schema promises: to be one, and to agree with the loader."""

from typing import Any

import pytest
import yaml

from gateway.config.loader import DEFAULT
from gateway.config.schema import schema
from gateway.registry import KINDS, Registry
from tests.gateway.config.support import FRAME, FULL, REGISTRY, Loading

jsonschema = pytest.importorskip("jsonschema")


def accepts(text: str, registry: Registry = REGISTRY) -> bool:
    """Return whether an editor would find nothing wrong with a text."""
    validator = jsonschema.Draft202012Validator(schema(registry))
    return bool(validator.is_valid(yaml.safe_load(text)))


@pytest.mark.parametrize("registry", [REGISTRY, Registry()])
def test_is_a_schema(registry: Registry) -> None:
    """The schema is valid itself."""
    jsonschema.Draft202012Validator.check_schema(schema(registry))


def test_accepts_the_default() -> None:
    """The built-in configuration, references and all, fits."""
    assert accepts(DEFAULT.read_text(encoding="utf-8"), Registry())


@pytest.mark.parametrize(
    "text",
    [
        FULL,
        FRAME + "  sample:",
        FRAME + "  sample: {count: '${env:N}', flag: '${env:F}', mode: '${env:M}'}",
        FRAME + "  sample: {wait: '${env:W:-5s}', share: '${env:S}', text: '${env:T}'}",
        FRAME + "  sample: {wait: 0, text: 12, workers: auto, id: 12}",
        FRAME + "  sample: {side: , password: abc, tokens: ['${env:T}']}",
        FRAME + "  sample/two: {rule: {type: by_name, name: a}}",
        FRAME + "  mine: {use: './a.py:A', anything: [1]}",
        FRAME + "  sample: {use: './a.py:A', anything: [1]}",
    ],
)
def test_accepts_what_is_right(text: str) -> None:
    """Nothing that loads is marked as wrong."""
    assert accepts(text)


@pytest.mark.parametrize(
    "settings",
    [
        "cuont: 1",
        "count: many",
        "flag: 'true'",
        "mode: medium",
        "wait: 5 seconds",
        "inner: [{size: 3}]",
        "inner: [{name: a, size: 50}]",
        "keys: a",
        "side: on",
        "on_error: ignore",
    ],
)
def test_marks_what_the_loader_refuses(loading: Loading, settings: str) -> None:
    """An editor shows these mistakes before anything is run."""
    text = FRAME + f"  sample: {{{settings}}}"

    assert not accepts(text)
    assert loading.problems(text)


@pytest.mark.parametrize(
    "text", ["receiver: {}", "exporters: {snik: {}}", "service: {worker: 1}", "[]"]
)
def test_marks_unknown_parts(text: str) -> None:
    """Unknown keys and types are marked at every level."""
    assert not accepts(text)


def test_tells_what_fields_are_for() -> None:
    """Editors show the documentation and the default of a field."""
    whole = schema(REGISTRY)
    own: dict[str, Any] = whole["properties"]["processors"]["patternProperties"][
        "^sample(/[^/\\s]+)?$"
    ]["anyOf"][0]

    assert ("A whole number.", 1) == (
        own["properties"]["count"]["description"],
        own["properties"]["count"]["default"],
    )
    assert "5s" == own["properties"]["wait"]["default"]
    assert "default" not in own["properties"]["password"]
    assert "Settings of sending_queue." == whole["$defs"]["QueueConfig"]["description"]


def test_every_field_of_ours_is_documented() -> None:
    """No built-in setting is without a word of explanation."""
    whole = schema(Registry())
    patterns = [whole["properties"][kind]["patternProperties"] for kind in KINDS]
    structs = {
        **{name: one for name, one in whole["$defs"].items() if "properties" in one},
        **{name: one["anyOf"][0] for found in patterns for name, one in found.items()},
    }

    assert [] == [
        f"{name}.{key}"
        for name, one in structs.items()
        for key, setting in one["properties"].items()
        if not setting.get("description")
    ]
