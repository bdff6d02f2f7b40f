"""
What ``spangate migrate`` makes of configurations as the Collector's documentation shows them.

``python -m tests.gateway.migrate.test_migration`` writes the expected files anew.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from gateway.config.loader import decode
from gateway.migrate import ottl
from gateway.migrate.migration import migrate
from gateway.migrate.source import MigrationError

COLLECTORS = Path(__file__).parents[2] / "data" / "collectors"
EXPECTED = COLLECTORS / "expected"
FILES = sorted(COLLECTORS.glob("*.yaml"))


class Environment(Mapping[str, str]):
    """Every variable is set."""

    def __getitem__(self, key: str) -> str:
        return "127.0.0.1:1" if "ENDPOINT" in key else "127.0.0.1"

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def result(path: Path) -> str:
    """Return what is written, and the notes as comments below."""
    done = migrate(path.read_text("utf-8"), path.name)
    notes = "".join(f"# line {note.line}: {note.path}: {note.text}\n" for note in done.notes)
    return done.text + notes


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_written(path: Path) -> None:
    """The configuration and the notes are those expected."""
    assert (EXPECTED / path.name).read_text("utf-8") == result(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_written_is_valid(path: Path, tmp_path: Path) -> None:
    """The gateway takes it, once the variables and files that it names are there."""
    text = migrate(path.read_text("utf-8"), path.name).text
    (tmp_path / "key").write_text("not-a-real-key")
    text = text.replace("${file:/run/secrets/key}", f"${{file:{tmp_path / 'key'}}}")
    assert decode(text, tmp_path, Environment()).service.pipelines


@pytest.mark.parametrize("name", ["everything", "operator", "configmap"])
def test_every_line_of_a_note_is_there(name: str) -> None:
    """A note stands at the line of what it speaks of, wherever in the file that is."""
    text = (COLLECTORS / f"{name}.yaml").read_text("utf-8")
    lines = text.splitlines()
    for note in migrate(text, "x").notes:
        keys = [key for key in note.path.split(".") if not key.isdigit()]
        names = [*keys, note.text.partition(": ")[2]]  # a statement is named by its text
        assert any(name in lines[note.line - 1] for name in names), note


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not valid YAML"),
        ("- a", "no configuration of a Collector"),
        ("mode: daemonset\nconfig: {}", "no key `service` with `pipelines`"),
        ("service: {pipelines: {metrics: {}}}", "no pipeline for traces"),
        (
            """
receivers: {zipkin: {}}
exporters: {debug: {}}
service: {pipelines: {traces: {receivers: [zipkin], exporters: [debug]}}}
""",
            "no pipeline for traces",
        ),
    ],
)
def test_what_cannot_be_migrated(text: str, says: str) -> None:
    """The message says what is missing and what to give instead."""
    with pytest.raises(MigrationError, match=says):
        migrate(text, "x")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('attributes["a"] == "b" and not IsRootSpan()', 'attributes["a"] == "b" && !is_root'),
        ('name == "and" or kind.string == "x"', 'name == "and" || kind == "x"'),
        ('(attributes["n"] + 1) * 2 > 3.5', '(attributes["n"] + 1) * 2 > 3.5'),
        ('Len(attributes["a"]) > 0', 'size(attributes["a"]) > 0'),
        ('IsMatch(name, "^/(a|b) , ! x&&(")', 'IsMatch(name, "^/(a|b) , ! x&&(")'),
        ("status.code == STATUS_CODE_ERROR", "status.code == STATUS_CODE_ERROR"),
        (
            "end_time_unix_nano - start_time_unix_nano > 1000",
            "end_time_unix_nano - start_time_unix_nano > 1000",
        ),
    ],
)
def test_conditions(given: str, expected: str) -> None:
    """Operators, names and functions are ours."""
    assert expected == ottl.condition(given)


@pytest.mark.parametrize(
    "given",
    ["Unknown(name)", 'cache["x"] == 1', "TraceID(0x01) == trace_id", 'name == "open', "a ? b : c"],
)
def test_conditions_without_counterpart(given: str) -> None:
    """Nothing is made up: what we lack is named."""
    with pytest.raises(ottl.UnsupportedError):
        ottl.condition(given)


def main() -> None:
    """Write the expected files."""
    EXPECTED.mkdir(exist_ok=True)
    for path in FILES:
        text = result(path)
        yaml.safe_load(text)
        (EXPECTED / path.name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
