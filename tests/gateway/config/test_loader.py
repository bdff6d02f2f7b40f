"""What loading promises: layers, overrides, defaults, and only one kind of error."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.loader import ConfigError, load, load_part
from gateway.config.problems import Problems
from gateway.config.reader import Reader
from gateway.config.settings import Settings
from tests.gateway.config.support import FRAME, REGISTRY, InnerConfig, Loading, SampleConfig

PIPELINES = "service: {pipelines: {traces: {receivers: [otlp], exporters: [sink]}}}\n"
SMALL = "receivers: {otlp: }\nexporters: {sink: }\n" + PIPELINES


def sample(loaded: Settings) -> SampleConfig:
    """Return the settings of ``sample``."""
    config = loaded.processors["sample"].config
    assert isinstance(config, SampleConfig)
    return config


def test_later_files_win(loading: Loading) -> None:
    """Maps merge, lists and values are replaced."""
    first = FRAME + "  sample: {count: 1, keys: [a, b], side: {wait: 1s, key_file: k}}"
    second = "processors: {sample: {keys: [c], side: {wait: 2s}}}\n"

    config = sample(loading.load(first, second))

    assert (1, ("c",)) == (config.count, config.keys)
    assert config.side is not None
    assert (2.0, str(loading.folder / "k")) == (config.side.wait, config.side.key_file)


def test_nothing_in_a_later_file_replaces_what_stood_before(loading: Loading) -> None:
    """``key:`` with nothing after it sets a component back to its defaults, as in the Collector."""
    first = FRAME + "  sample: {count: 7}"

    assert 1 == sample(loading.load(first, "processors: {sample: }")).count
    assert 7 == sample(loading.load(first, "")).count


def test_a_mistake_is_placed_in_the_file_that_made_it(loading: Loading) -> None:
    """Of two merged files the error names the one with the mistake."""
    found = loading.problems(FRAME + "  sample: {count: 1}", "\nprocessors: {sample: {oops: 1}}")

    assert ["1.yaml:2"] == [problem.where for problem in found]


def test_paths_are_relative_to_their_own_file(loading: Loading) -> None:
    """A path from a file in another folder is looked up there."""
    (loading.folder / "sub").mkdir()
    first = loading.write(FRAME + "  sample: {}")
    second = loading.write("processors: {sample: {file: key.pem}}", "sub/more.yaml")

    config = sample(load([first, second], registry=REGISTRY, environ={}))

    assert str(loading.folder / "sub" / "key.pem") == config.file


@pytest.mark.parametrize(
    ("override", "field", "expected"),
    [
        ("processors.sample.count=5", "count", 5),
        ("processors.sample.keys=[x, y]", "keys", ("x", "y")),
        ("processors.sample.text=a=b", "text", "a=b"),
        ("processors.sample.text='5'", "text", "5"),
        ("processors.sample.wait=2s", "wait", 2.0),
        ("processors.sample.text=${env:E}", "text", "from env"),
        ("processors.sample.count=", "count", 1),
        ("processors.sample={count: 3}", "count", 3),
    ],
)
def test_overrides_win(loading: Loading, override: str, field: str, expected: object) -> None:
    """``--set`` is above all files; its value is YAML."""
    loaded = loading.load(
        FRAME + "  sample: {count: 2}", overrides=[override], environ={"E": "from env"}
    )

    assert expected == getattr(sample(loaded), field)


def test_an_override_may_name_a_new_component(loading: Loading) -> None:
    """Keys that are not there yet are made, also under an id with a slash."""
    loaded = loading.load(SMALL, overrides=["processors.sample/two.count=4"])

    config = loaded.processors["sample/two"].config
    assert isinstance(config, SampleConfig)
    assert 4 == config.count


@pytest.mark.parametrize(
    ("override", "where", "message"),
    [
        ("count", "--set", 'expected --set a.b.c=value, found "count"'),
        ("a..b=1", "--set a..b", "expected --set a.b.c=value"),
        ("=1", "--set ", "expected --set a.b.c=value"),
        ("processors.sample.count=[", "--set processors.sample.count", "not valid YAML"),
        (
            "processors.sample.keys.a=1",
            "--set processors.sample.keys.a",
            "there is a list at this place, with no keys in it",
        ),
        (
            "processors.sample.coutn=1",
            "--set processors.sample.coutn",
            'unknown key "coutn"',
        ),
    ],
)
def test_says_what_is_wrong_with_an_override(
    loading: Loading, override: str, where: str, message: str
) -> None:
    """A mistake on the command line names the option."""
    [problem] = loading.problems(FRAME + "  sample: {keys: [a]}", overrides=[override])

    assert where == problem.where
    assert message in problem.message


def test_an_override_does_not_show_its_value(loading: Loading) -> None:
    """A secret on the command line is not repeated."""
    secret = "hunter" + "2-and-more"
    found = loading.problems(
        FRAME + "  sample: {}", overrides=[f"processors.sample.password=[{secret}]"]
    )

    assert secret not in str(found)


def test_reports_unset_variables_beside_other_mistakes(loading: Loading) -> None:
    """All in one go: what cannot be expanded hides nothing else."""
    found = loading.sample_problems("count: ${env:NONE}\nshare: x\noops: 1")

    assert ["count", "share", "oops"] == [problem.path.split(".")[-1] for problem in found]


def test_reports_all_broken_files(loading: Loading) -> None:
    """Every file that is no YAML is named."""
    assert ["gateway.yaml:1", "1.yaml:1"] == [p.where for p in loading.problems("a: [", "b: {")]


@pytest.mark.parametrize("text", ["[]", "just a text", "5"])
def test_a_configuration_is_a_mapping(loading: Loading, text: str) -> None:
    """Anything else is refused."""
    assert "expected a mapping of receivers" in loading.problems(text)[0].message


def test_an_empty_file_lacks_a_pipeline(loading: Loading) -> None:
    """There is nothing to run."""
    [problem] = loading.problems("")

    assert ("service.pipelines", "there is no pipeline") == (problem.path, problem.message)


@pytest.mark.parametrize("key", ["procesors", "receiver", "extensions", "x-common"])
def test_unknown_parts_are_refused(loading: Loading, key: str) -> None:
    """Only receivers, processors, exporters and service are known."""
    [problem] = loading.problems(SMALL + f"{key}: {{}}")

    assert (key, f'unknown key "{key}"') == (problem.path, problem.message)
    assert problem.hint


def test_data_dir_comes_from_the_environment_unless_set(loading: Loading) -> None:
    """SPANGATE_DATA_DIR counts where the configuration says nothing."""
    environ = {"SPANGATE_DATA_DIR": "/data"}

    assert "./spangate-data" == loading.load(SMALL).service.data_dir
    assert "/data" == loading.load(SMALL, environ=environ).service.data_dir
    own = SMALL + "  \n"
    own = own.replace("service: {", "service: {data_dir: ./own, ")
    assert "./own" == loading.load(own, environ=environ).service.data_dir


def test_the_built_in_default_loads() -> None:
    """Without a file the gateway has a configuration of its own, after the environment."""
    loaded = load([], environ={"MLFLOW_TRACKING_URI": "http://mlflow.example:5000"})

    assert ["otlp"] == list(loaded.receivers)
    assert "http://mlflow.example:5000" == loaded.exporters["mlflow"].config.endpoint  # type: ignore[attr-defined] # MLflow's own settings
    assert [] == loaded.warnings


def test_overrides_apply_to_the_built_in_default() -> None:
    """A single setting can be changed without a file."""
    loaded = load([], ["service.telemetry.metrics.endpoint=127.0.0.1:0"], environ={})

    assert "127.0.0.1:0" == loaded.service.telemetry.metrics.endpoint


def test_loads_a_part(tmp_path: Path) -> None:
    """A file of another kind, such as a tenant's, is typed and checked in the same way."""
    path = tmp_path / "part.yaml"
    path.write_text("name: a\nsize: 3")
    assert InnerConfig(name="a", size=3) == load_part(path, InnerConfig)

    path.write_text("nmae: a\nsize: 30")
    with pytest.raises(ConfigError) as caught:
        load_part(path, InnerConfig)
    assert 3 == len(caught.value.problems)


KEYS = [
    *("receivers", "processors", "exporters", "service", "pipelines", "traces", "telemetry"),
    *("otlp", "sample", "sample/x", "sink", "use", "on_error", "type", "workers", "<<"),
    *("side", "inner", "rule", "count", "wait", "file", "password", "pair", "by_key"),
]
SCALARS = ["${env:X}", "${", "$$", "sample", "otlp", "sink", "5s", "!!set", "*a", "&a"]
yaml_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(SCALARS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=25,
)


def only_config_errors(folder: Path, text: bytes) -> None:
    """Load a text; nothing but ConfigError may come of it."""
    path = folder / "fuzz.yaml"
    path.write_bytes(text)
    with contextlib.suppress(ConfigError):
        load([path], registry=REGISTRY, environ={"X": text[:20].decode(errors="replace")})


@settings(max_examples=200, deadline=None)
@given(text=st.binary(max_size=60))
def test_no_bytes_crash_it(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    """Whatever a file holds, the answer is settings or a ConfigError."""
    only_config_errors(tmp_path_factory.getbasetemp(), text)


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="abc:-?[]{}&*!|>'\"%@`#,\n\t ~<=$0159.exn", max_size=60))
def test_no_yaml_crashes_it(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever YAML's own characters add up to, the answer is settings or a ConfigError."""
    only_config_errors(tmp_path_factory.getbasetemp(), text.encode())


@settings(max_examples=300, deadline=None)
@given(tree=yaml_like)
def test_no_structure_crashes_it(tmp_path_factory: pytest.TempPathFactory, tree: object) -> None:
    """Whatever stands at whatever key, the answer is settings or a ConfigError."""
    only_config_errors(tmp_path_factory.getbasetemp(), repr_yaml(tree).encode(errors="replace"))


@settings(max_examples=100, deadline=None)
@given(values=st.dictionaries(st.sampled_from(list(SampleConfig.__struct_fields__)), yaml_like))
def test_no_settings_crash_it(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    """Whatever the settings of a component are, the answer is settings or a ConfigError."""
    text = FRAME + f"  sample: {repr_yaml(values)}"
    only_config_errors(tmp_path_factory.getbasetemp(), text.encode(errors="replace"))


def repr_yaml(tree: object) -> str:
    """Write a tree in YAML's flow style; texts are left bare where that is risky."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {repr_yaml(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(repr_yaml, tree)) + "]"
    if tree is None:
        return "null"
    return str(tree)


def test_finds_the_same_mistakes_however_it_is_read(loading: Loading) -> None:
    """A text without lines of its own, such as an override, has the same problems."""
    problems = Problems()
    Reader({}, problems).read_text("a: [", "--set a", loading.folder, lines=False)

    with pytest.raises(ConfigError) as caught:
        problems.raise_any()
    assert "--set a" == caught.value.problems[0].where
