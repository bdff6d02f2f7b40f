"""What naming components promises: ids, types, ``use:`` and ``on_error``."""

import sys

import pytest

from gateway.config.types import Config
from gateway.registry import Registry
from tests.gateway.config.support import FRAME, REGISTRY, Loading, Sample, Sink

PLUGIN = '''\
"""A plugin."""

from gateway.plugin import Batch, Config, Processor


class TagConfig(Config):
    """Settings of a plugin."""

    team: str
    """Whose spans these are."""


class Tag(Processor[TagConfig]):
    """Name the team."""

    def process(self, batch: Batch) -> Batch:
        return batch
'''


def test_an_id_is_a_type_and_perhaps_a_name(loading: Loading) -> None:
    """Several components of a type have names."""
    text = FRAME.replace("{sink: {}}", "{sink: , sink/a-b.c: {batch: {max_spans: 3}}}")

    loaded = loading.load(text + "  sample: {}")

    assert [("sink", "sink", Sink), ("sink/a-b.c", "sink", Sink)] == [
        (one.id, one.type, one.component) for one in loaded.exporters.values()
    ]
    assert f"{loading.folder}/gateway.yaml:2" == loaded.exporters["sink"].where


@pytest.mark.parametrize("name", ["1sink", "sink/", "/x", "si-nk", "sink/a/b", "''", "sink/a b"])
def test_refuses_ids_that_are_none(loading: Loading, name: str) -> None:
    """Anything but type or type/name is refused."""
    found = loading.problems(FRAME.replace("{sink: {}}", f"{{sink: , {name}: {{}}}}"))

    assert 'expected an id such as "otlp" or "otlp/name"' in [p.message for p in found]


def test_unknown_types_are_refused_with_the_nearest(loading: Loading) -> None:
    """A misspelt type gets the right one, one of the Collector's its counterpart."""
    found = loading.problems(
        FRAME.replace("{sink: {}}", "{sink: , snik: , otlphttp: , zzz: }") + "  sample: "
    )

    assert [
        ("exporters.snik", 'unknown exporter type "snik"', 'did you mean "sink"?'),
        ("exporters.otlphttp", 'unknown exporter type "otlphttp"', "write otlp_http"),
        (
            "exporters.zzz",
            'unknown exporter type "zzz"',
            "known types: sink (see `spangate components`)",
        ),
    ] == [(problem.path, problem.message, problem.hint) for problem in found]


@pytest.mark.parametrize("body", ["5", "text", "[a]", "true"])
def test_a_body_is_a_mapping(loading: Loading, body: str) -> None:
    """Settings are keys and values."""
    [problem] = loading.problems(FRAME.replace("sink: {}", f"sink: {body}") + "  sample: ")

    assert "exporters.sink" == problem.path
    assert "expected its settings" in problem.message


def test_on_error_stands_beside_the_settings(loading: Loading) -> None:
    """A processor's policy can be overridden; others have none."""
    loaded = loading.load(FRAME + "  sample: {on_error: drop, count: 2}")
    assert ("drop", 2) == (
        loaded.processors["sample"].on_error,
        loaded.processors["sample"].config.count,  # type: ignore[attr-defined] # Sample's own
    )
    assert None is loading.load(FRAME + "  sample: {}").processors["sample"].on_error

    assert ["processors.sample.on_error"] == [
        problem.path for problem in loading.problems(FRAME + "  sample: {on_error: ignore}")
    ]
    assert ["exporters.sink.on_error"] == [
        problem.path
        for problem in loading.problems(
            FRAME.replace("sink: {}", "sink: {on_error: drop}") + "  sample: "
        )
    ]


def test_use_loads_a_file_beside_the_configuration(loading: Loading) -> None:
    """A plugin needs no packaging; its settings are checked like ours."""
    loading.write(PLUGIN, "tag.py")

    loaded = loading.load(FRAME + "  sample: {use: ./tag.py:Tag, team: search}")
    one = loaded.processors["sample"]
    assert ("sample", "Tag", "search") == (one.type, one.component.__name__, one.config.team)  # type: ignore[attr-defined] # the plugin's own
    assert f"{loading.folder}/tag.py:Tag" == one.use

    [problem] = loading.problems(FRAME + "  sample: {use: ./tag.py:Tag, taem: search}")[:1]
    assert ('unknown key "taem"', 'did you mean "team"?') == (problem.message, problem.hint)


def test_use_takes_a_module(loading: Loading) -> None:
    """An installed class needs no entry point; the type is free."""
    text = FRAME.replace("[redaction, sample]", "[redaction, mine]")

    loaded = loading.load(text + "  mine: {use: tests.gateway.config.support:Sample}")

    assert Sample is loaded.processors["mine"].component


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("./absent.py:Tag", "there is no file"),
        ("./tag.py:Tga", 'the module has no class Tga; did you mean "Tag"?'),
        ("./tag.py", 'expected "./file.py:Class" or "package.module:Class"'),
        ("./broken.py:Tag", "ZeroDivisionError: division by zero at broken.py:2"),
        ("./leaves.py:Tag", "SystemExit: 3 at leaves.py:1"),
        ("./tag.py:TagConfig", "is no component: derive it from gateway.plugin's"),
        ("nowhere.at.all:Tag", "No module named 'nowhere'"),
        ("tests.gateway.config.support:Sink", "is a Exporter, not a Processor"),
        ("5", 'expected "./file.py:Class"'),
        ("[a]", "expected a text, found a list"),
    ],
)
def test_says_why_a_plugin_cannot_be_used(loading: Loading, use: str, message: str) -> None:
    """A plugin that will not load is a problem at its ``use``, with the line of its own code."""
    loading.write(PLUGIN, "tag.py")
    loading.write("ONE = 1\nONE / 0\n", "broken.py")
    loading.write("raise SystemExit(3)\n", "leaves.py")

    [problem] = loading.problems(FRAME + f"  sample: {{use: {use}}}")

    assert ("gateway.yaml:8", "processors.sample.use") == (problem.where, problem.path)
    assert message in problem.message


def test_says_how_a_plugin_gets_what_it_imports(loading: Loading) -> None:
    """Of a missing library it is said for which Python it has to be there."""
    loading.write("import nothing_like_it.at_all\n", "needs.py")

    [problem] = loading.problems(FRAME + "  sample: {use: ./needs.py:Tag}")

    assert "No module named 'nothing_like_it'" in problem.message
    assert f"install what holds nothing_like_it for this Python ({sys.executable}" in problem.hint


def test_a_check_that_crashes_is_a_problem(loading: Loading) -> None:
    """A plugin's own mistake in ``validate`` names its line and hides nothing else."""
    crash = "    def validate(self) -> None:\n        [][1]\n"
    loading.write(PLUGIN.replace("\n\nclass Tag(", f"\n{crash}\n\nclass Tag("), "tag.py")

    [problem] = loading.problems(FRAME + "  sample: {use: ./tag.py:Tag, team: a}")

    assert "checking the settings of TagConfig failed: IndexError" in problem.message
    assert "at tag.py:13" in problem.message


def test_settings_of_a_type_that_cannot_be_read_are_a_problem(loading: Loading) -> None:
    """A plugin whose settings have types that YAML cannot hold is refused, not crashed on."""
    loading.write(PLUGIN.replace("team: str", "team: Nonsense"), "tag.py")

    [problem] = loading.problems(FRAME + "  sample: {use: ./tag.py:Tag, team: a}")

    assert "Nonsense" in problem.message


def test_an_announced_component_that_cannot_be_imported_hurts_only_its_user(
    loading: Loading,
) -> None:
    """It is an error where it is used, and nowhere else."""
    loading.write("import nothing_of_that_name\n", "broken_plugin.py")
    entries = {
        "receivers": {"otlp": "tests.gateway.config.support:Source"},
        "processors": {"broken": "nothing_of_that_name:Broken"},
        "exporters": {"sink": "tests.gateway.config.support:Sink"},
    }
    registry = Registry(entries)  # type: ignore[arg-type] # literal keys
    text = (
        "receivers: {otlp: }\nexporters: {sink: }\n"
        "service: {pipelines: {traces: {receivers: [otlp], exporters: [sink]}}}\n"
    )

    assert Config() == loading.load(text, registry=registry).receivers["otlp"].config
    [problem] = loading.problems(text + "processors: {broken: {}}", registry=registry)
    assert "cannot import nothing_of_that_name" in problem.message


@pytest.mark.parametrize("kind", ["receivers", "processors", "exporters"])
def test_the_parts_are_mappings(loading: Loading, kind: str) -> None:
    """A list of components is refused."""
    found = loading.problems(f"{kind}: [a]")

    assert (kind, "expected a mapping, found a list") in [(p.path, p.message) for p in found]


def test_the_test_registry_is_sound() -> None:
    """The components of these tests can all be used."""
    assert [] == [one.error for one in REGISTRY.all("processors") if one.error]
