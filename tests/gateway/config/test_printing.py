"""What printing a configuration promises: all of it, loadable again, and no secret."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.loader import load
from gateway.config.printing import to_yaml
from tests.gateway.config.support import FRAME, FULL, REGISTRY, InnerConfig, Loading, SampleConfig

SECRET = "hunter" + "2-and-more"


def test_what_is_printed_loads_as_the_same_settings(loading: Loading) -> None:
    """Printed and loaded again, a configuration is what it was."""
    loaded = loading.load(FULL)

    again = loading.load(to_yaml(loaded))

    assert loaded.service == again.service
    for kind in ("receivers", "processors", "exporters"):
        before, after = getattr(loaded, kind), getattr(again, kind)
        assert list(before) == list(after)
        for name in before:
            assert before[name].config == after[name].config
            assert before[name].on_error == after[name].on_error


texts = st.text(st.characters(codec="utf-8", exclude_characters="@"), max_size=20)


@settings(deadline=None)
@given(text=texts, key=texts.filter(bool))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str, key: str) -> None:
    """Dollar signs, quotes, line breaks and words that YAML knows are the same after loading."""
    loading = Loading(tmp_path_factory.getbasetemp())
    loaded = loading.load(FRAME + "  sample: {}")
    config = SampleConfig(text=text, by_key={key: InnerConfig(name=text)}, keys=(text, key))
    loaded.processors["sample"].config = config

    assert config == loading.load(to_yaml(loaded), registry=REGISTRY).processors["sample"].config


def test_prints_every_default(loading: Loading) -> None:
    """What was not written is printed as it will be run; what is off stays away."""
    printed = yaml.safe_load(to_yaml(loading.load(FRAME + "  sample: {}")))

    assert "5s" == printed["processors"]["sample"]["wait"]
    assert 500 == printed["exporters"]["sink"]["batch"]["max_spans"]
    assert "127.0.0.1:8888" == printed["service"]["telemetry"]["metrics"]["endpoint"]
    assert {"side", "rule", "password", "file"}.isdisjoint(printed["processors"]["sample"])


@pytest.mark.parametrize(
    "written",
    [
        f"password: {SECRET}",
        f"tokens: [{SECRET}]",
        f"headers: {{x: {SECRET}}}",
        "password: '${env:TOKEN}'",
        f"text: http://user:{SECRET}@host/",
    ],
)
def test_prints_no_secret(loading: Loading, written: str) -> None:
    """A secret is four stars, and loads again."""
    printed = to_yaml(loading.load(FRAME + f"  sample: {{{written}}}", environ={"TOKEN": SECRET}))

    assert SECRET not in printed
    assert "****" in printed
    loading.load(printed)


def test_the_loaded_settings_do_not_show_secrets(loading: Loading) -> None:
    """Not even a log line with the whole settings does."""
    assert SECRET not in repr(loading.load(FRAME + f"  sample: {{password: {SECRET}}}"))


def test_prints_where_a_plugin_is_found(loading: Loading) -> None:
    """``use`` is printed so that it works from anywhere."""
    loading.write(
        "from gateway.plugin import Config, Processor\n\n\nclass A(Processor[Config]): ...\n",
        "a.py",
    )

    printed = yaml.safe_load(to_yaml(loading.load(FRAME + "  sample: {use: ./a.py:A}")))

    assert {"use": f"{loading.folder}/a.py:A"} == printed["processors"]["sample"]


def test_the_default_prints_and_loads(loading: Loading) -> None:
    """What `spangate print-config` shows can be the start of a configuration of one's own."""
    loaded = load([], environ={})
    path = loading.write(to_yaml(loaded))

    again = load([path], environ={})

    assert loaded.exporters["mlflow"].config == again.exporters["mlflow"].config
    assert loaded.receivers["otlp"].config == again.receivers["otlp"].config
    assert to_yaml(loaded) == to_yaml(again)


def test_own_settings_come_before_those_of_the_base() -> None:
    """An exporter's endpoint is not buried under its queue."""
    printed = yaml.safe_load(to_yaml(load([], environ={})))

    assert "endpoint" == next(iter(printed["exporters"]["mlflow"]))
