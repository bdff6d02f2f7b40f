"""What a user may write under ``exporters.mlflow``, and what is said about the rest."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from exporters.mlflow import MlflowConfig
from exporters.mlflow.settings import addresses, is_databricks
from gateway.config.loader import load
from gateway.config.problems import ConfigError

DOCS = Path(__file__).parents[3] / "docs" / "exporters" / "mlflow.md"

FRAME = """\
receivers: {{otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters:
  mlflow:
{settings}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [mlflow]}}}}}}
"""


def loaded(folder: Path, settings: str) -> MlflowConfig:
    """Return the settings as the loader reads them."""
    path = folder / "gateway.yaml"
    path.write_text(FRAME.format(settings=textwrap.indent(textwrap.dedent(settings), "    ")))
    config = load([path]).exporters["mlflow"].config
    assert isinstance(config, MlflowConfig)
    return config


def test_numbers_are_experiments_too(tmp_path: Path) -> None:
    """An id may be written as a number, in the default and in rules."""
    config = loaded(
        tmp_path, "experiment: {default: 12, rules: [{match: {team: a}, experiment: 7}]}"
    )

    assert (12, 7) == (config.experiment.default, config.experiment.rules[0].experiment)


def test_token_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    """As every path in a configuration."""
    config = loaded(tmp_path, "auth: {token_file: token}")

    assert str(tmp_path / "token") == config.auth.token_file


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://mlflow:5000", "http://mlflow:5000"),
        ("http://mlflow:5000/", "http://mlflow:5000"),
        ("https://host/mlf/", "https://host/mlf"),
        ("https://host/mlf/v1/traces", "https://host/mlf"),
    ],
)
def test_endpoint_means_the_server(endpoint: str, base: str) -> None:
    """A static prefix stays, ``/v1/traces`` goes."""
    assert (base, "/v1/traces") == addresses(MlflowConfig(endpoint=endpoint))


@pytest.mark.parametrize("path", ["", "/", "/api/2.0/otel", "/api/2.0/otel/v1/traces"])
def test_databricks_address(tmp_path: Path, path: str) -> None:
    """With a table every way to write the address means the same."""
    config = loaded(
        tmp_path,
        f"endpoint: https://dbc.example.com{path}\ndatabricks: {{table: a.b.c_otel_spans}}\n",
    )

    assert is_databricks(config)
    assert ("https://dbc.example.com", "/api/2.0/otel/v1/traces") == addresses(config)


WRONG = [
    ("endpoint: sqlite:///mlflow.db", "exporters.mlflow.endpoint", "mlflow server"),
    ("endpoint: databricks", "exporters.mlflow.endpoint", "http"),
    ("endpoint: http://ada:pw@mlflow:5000", "exporters.mlflow.endpoint", "auth"),
    ("endpoint: http://mlflow:5000/#/experiments/1", "exporters.mlflow.endpoint", "before"),
    ("experiment: {default: ''}", "exporters.mlflow.experiment.default", "empty"),
    ("experiment: {default: 'team-{team}'}", "exporters.mlflow.experiment.default", "rule"),
    (f"experiment: {{default: {'x' * 300}}}", "exporters.mlflow.experiment.default", "250"),
    (
        "experiment: {rules: [{match: {}, experiment: 'a{b'}]}",
        "exporters.mlflow.experiment.rules[0].experiment",
        "brace",
    ),
    ("experiment: {deleted: ignore}", "exporters.mlflow.experiment.deleted", "restore"),
    ("auth: {username: ada}", "exporters.mlflow.auth", "both"),
    ("auth: {token: t, token_file: f}", "exporters.mlflow.auth", "only one"),
    ("auth: {token: ''}", "exporters.mlflow.auth.token", "environment"),
    ("{auth: {token: t}, headers: {authorization: x}}", "exporters.mlflow.headers", "auth"),
    ("headers: {x-mlflow-experiment-id: '1'}", "exporters.mlflow.headers", "experiment.default"),
    ("workspace: Team_A", "exporters.mlflow.workspace", "Team_A"),
    ("run_id: 'a b'", "exporters.mlflow.run_id", "a b"),
    ("endpoint: https://h/api/2.0/otel/v1/traces", "exporters.mlflow", "databricks.table"),
    ("databricks: {table: spans}", "exporters.mlflow.databricks.table", "catalog.schema"),
    ("experimnt: {}", "exporters.mlflow.experimnt", "experiment"),
]


@pytest.mark.parametrize(("settings", "where", "words"), WRONG, ids=[one[0] for one in WRONG])
def test_mistake_is_refused_with_its_place(
    tmp_path: Path, settings: str, where: str, words: str
) -> None:
    """Each mistake is found before anything runs, where it stands, with what to do."""
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, settings)

    (problem,) = caught.value.problems
    assert problem.path.startswith(where)
    assert words in f"{problem.message} {problem.hint}"
    assert "pw" not in str(caught.value)


def _examples() -> list[str]:
    return re.findall(r"```yaml\n(exporters:.*?)```", DOCS.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", _examples(), ids=["all", "databricks"])
def test_examples_of_the_guide_are_valid(
    tmp_path: Path, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the guide shows can be used as it is."""
    for name in ("MLFLOW_PASSWORD", "DATABRICKS_TOKEN"):
        monkeypatch.setenv(name, "not-a-" + "secret")
    monkeypatch.chdir(tmp_path)
    settings = example.split("  mlflow:\n", 1)[1]

    config = loaded(tmp_path, settings)

    assert config.endpoint == yaml.safe_load(example)["exporters"]["mlflow"]["endpoint"]
