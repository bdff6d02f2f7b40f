"""What printing a configuration promises: all of it, loadable again, and no secret."""

import pytest
import yaml

from gateway.config.loader import load
from gateway.config.printing import to_yaml
from tests.gateway.config.support import FRAME, Loading

SECRET = "hunter" + "2-and-more"
FULL = FRAME + (
    "  sample:\n"
    "    on_error: drop\n"
    "    text: a $$ and $${env:X} ü\n"
    "    mode: fast\n"
    "    wait: 1500ms\n"
    "    file: key.pem\n"
    "    inner: [{name: 'yes'}, {name: '5', size: 7}]\n"
    "    by_key: {'on': {name: c}}\n"
    "    pair: [2, b]\n"
    "    id: '12'\n"
    "    side:\n"
    "    rule: {type: by_size, size: 3}\n"
)


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


def test_own_settings_come_before_those_of_the_base() -> None:
    """An exporter's endpoint is not buried under its queue."""
    printed = yaml.safe_load(to_yaml(load([], environ={})))

    assert "endpoint" == next(iter(printed["exporters"]["mlflow"]))
