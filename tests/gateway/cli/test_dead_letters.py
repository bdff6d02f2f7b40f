"""What ``spangate dead-letters`` promises: to show, save, send again and remove."""

import base64
import json
from pathlib import Path

import pytest
from typer.testing import Result

from gateway.queue.dead_letters import DeadLetter, LetterFile
from gateway.testing import batch
from tests.gateway.cli.support import call

CONFIG = """
receivers: {otlp: {protocols: {http: {endpoint: "127.0.0.1:0"}}}}
exporters: {file: {path: "OUT"}, file/gone: {path: "OUT"}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [file]}}}
"""


class Bench:
    """A configuration with three dead letters."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "out.jsonl"
        self.config = folder / "gateway.yaml"
        self.config.write_text(CONFIG.replace("OUT", str(self.out)))
        self.data = folder / "data"
        self.file = LetterFile(self.data / "dead-letters")
        self.file.add(
            [self._letter("one"), self._letter("two"), self._letter("three", "file/gone")]
        )

    @staticmethod
    def _letter(name: str, exporter: str = "file") -> DeadLetter:
        one = batch({"text": name}, name=name)
        (span,) = one.spans
        return DeadLetter(
            time_unix_ns=1_700_000_000_000_000_000,
            exporter=exporter,
            destination="somewhere",
            reason="the destination refused it",
            attempts=3,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            name=name,
            request=base64.b64encode(one.encode()).decode(),
        )

    def call(self, *arguments: str | Path) -> Result:
        options: list[str | Path] = [
            "--config",
            self.config,
            "--set",
            f"service.data_dir={self.data}",
        ]
        return call("dead-letters", *arguments, *options)

    def names(self) -> list[str]:
        return [letter.name for letter in self.file.read()]

    def id_of(self, name: str) -> str:
        return next(letter.id for letter in self.file.read() if letter.name == name)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_list_says_what_and_why(bench: Bench) -> None:
    """Id, time, span id, name, destination, tries and reason of each."""
    shown = bench.call("list")
    assert 0 == shown.exit_code
    line = shown.stdout.splitlines()[1]
    letter = next(bench.file.read())
    for fact in (letter.id, letter.span_id, "one", "somewhere", "3", "refused it", "2023-11-14"):
        assert fact in line
    assert "3 dead letters" in shown.stdout


def test_list_as_json(bench: Bench) -> None:
    """The same for scripts, without the spans' content."""
    listed = json.loads(bench.call("list", "--output", "json", "--exporter", "file").stdout)
    assert ["one", "two"] == [one["name"] for one in listed]
    assert "request" not in listed[0]


def test_a_trace_is_named_as_people_have_it(bench: Bench) -> None:
    """By MLflow's id as well as by OpenTelemetry's; what is none is refused."""
    trace = next(letter.trace_id for letter in bench.file.read() if letter.name == "two")

    for written in (trace, f"tr-{trace.upper()}"):
        found = json.loads(bench.call("list", "--trace", written, "--output", "json").stdout)
        assert ["two"] == [letter["name"] for letter in found]
    assert 2 == bench.call("drop", "--trace", "rubbish").exit_code
    assert 3 == len(bench.names())


def test_show_has_the_span(bench: Bench) -> None:
    """One letter with its span as OTLP JSON; an unknown id is told."""
    shown = json.loads(bench.call("show", bench.id_of("two")).stdout)
    assert "two" == shown["request"]["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"]
    unknown = bench.call("show", "nonsense")
    assert (1, True) == (unknown.exit_code, "no dead letter nonsense" in unknown.stderr)


def test_export_writes_requests(bench: Bench, tmp_path: Path) -> None:
    """A request a line; the letters stay."""
    path = tmp_path / "dead.jsonl"
    assert 0 == bench.call("export", "--to", path).exit_code
    assert 3 == len(path.read_text().splitlines())
    assert 3 == len(bench.names())


def test_drop_needs_a_choice(bench: Bench) -> None:
    """Nothing goes without saying which; what was named goes, audited."""
    assert 2 == bench.call("drop").exit_code
    dropped = bench.call("drop", bench.id_of("one"))
    assert 0 == dropped.exit_code
    assert ["two", "three"] == bench.names()
    assert '"audit": true' in dropped.stderr


def test_replay_sends_and_removes(bench: Bench) -> None:
    """What arrives is removed; what cannot be sent stays with the reason, and the code is 1."""
    done = bench.call("replay", "--all")
    assert 1 == done.exit_code
    assert "2 of 3 dead letters sent" in done.stdout
    assert "exporter file/gone is in no pipeline" in done.stderr
    assert ["three"] == bench.names()
    sent = [json.loads(line) for line in bench.out.read_text().splitlines()]
    spans = [
        span["name"]
        for request in sent
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert ["one", "two"] == sorted(spans)


def test_replay_of_all_that_there_is(bench: Bench) -> None:
    """Where everything arrives the code is 0."""
    assert 0 == bench.call("replay", "--exporter", "file").exit_code
    assert ["three"] == bench.names()
