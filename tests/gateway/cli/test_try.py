"""What ``spangate try`` promises: what a pipeline would do, without sending anything."""

import gzip
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.batch import Batch
from gateway.cli import app
from gateway.otlp.json import decode_request
from gateway.testing import batch

CONFIG = """
receivers: {otlp: {protocols: {http: }}}
processors:
  tag: {use: "tests.gateway.plugins_for_tests:Tag"}
  drop: {use: "tests.gateway.plugins_for_tests:DropNamed", value: span}
  filter: {traces: {span: ["span.name == 'noise'"]}}
  say: {use: "tests.gateway.plugins_for_tests:Say", what: reject}
  bug: {use: "tests.gateway.plugins_for_tests:Say", what: crash}
  redaction: {}
  tail_sampling:
    policies:
      - {name: errors, type: status_code, status_code: {status_codes: [ERROR]}}
      - {name: root, type: and, and: {and_sub_policy: [{name: pair, type: span_count,
          span_count: {min_spans: 2}}]}}
exporters: {debug: }
service:
  pipelines:
    traces: {receivers: [otlp], processors: [tag], exporters: [debug]}
    traces/drop: {receivers: [otlp], processors: [drop], exporters: [debug]}
    traces/filter: {receivers: [otlp], processors: [filter], exporters: [debug]}
    traces/safe: {receivers: [otlp], processors: [redaction], exporters: [debug]}
    traces/no: {receivers: [otlp], processors: [say], exporters: [debug]}
    traces/tail: {receivers: [otlp], processors: [tag, tail_sampling], exporters: [debug]}
    traces/bug: {receivers: [otlp], processors: [bug], exporters: [debug]}
"""


class Try:
    """Run the command on a saved request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "gateway.yaml"
        self.config.write_text(CONFIG)

    def __call__(self, body: bytes, *options: str, stdin: bool = False) -> Result:
        file = self.folder / "request"
        file.write_bytes(body)
        arguments = ["try", "--config", str(self.config), *options, "-" if stdin else str(file)]
        return CliRunner().invoke(app, arguments, input=body if stdin else None)

    def spans(self, body: bytes, *options: str, stdin: bool = False) -> list[dict[str, object]]:
        """Return the attributes of the spans that come out as JSON."""
        result = self(body, "--pipeline", "traces", "--output", "json", *options, stdin=stdin)
        assert 0 == result.exit_code, result.output
        out = Batch(decode_request(result.stdout.encode()).SerializeToString())
        return [dict(span.attributes) for span in out]


@pytest.fixture
def try_(tmp_path: Path) -> Try:
    return Try(tmp_path)


def test_reads_every_form(try_: Try) -> None:
    """Protobuf, OTLP JSON, both gzipped, and standard input give the same result."""
    saved = batch({"a": 1})
    protobuf, text = saved.encode(), saved.to_json().encode()
    for body in (protobuf, text, gzip.compress(protobuf), gzip.compress(text), b"\n " + text):
        assert [{"a": 1, "tag": "x"}] == try_.spans(body)
    assert [{"a": 1, "tag": "x"}] == try_.spans(protobuf, stdin=True)


def test_json_is_all_that_stdout_holds(try_: Try) -> None:
    """With ``--output json`` standard output is one JSON document."""
    result = try_(batch({}).encode(), "--pipeline", "traces", "--output", "json")
    assert ["resourceSpans"] == list(json.loads(result.stdout))


def test_the_table_shows_before_and_after(try_: Try) -> None:
    """The table names the attribute that changed, with both values."""
    shown = try_(batch({"tag": "old"}).encode(), "--pipeline", "traces").stdout
    assert "old" in shown
    assert "oldx" in shown
    assert "1 span in, 1 out" in shown


def test_brackets_are_shown(try_: Try) -> None:
    """What stands in brackets, as replacements do, is shown and no markup."""
    shown = try_(batch({"tag": "[email] [/b] "}).encode(), "--pipeline", "traces").stdout
    assert "[email] [/b] x" in shown


def test_a_change_far_inside_a_text_is_shown(try_: Try) -> None:
    """Of a long text the part is shown where before and after differ."""
    text = 500 * "a" + "the end"
    shown = try_(batch({"tag": text}).encode(), "--pipeline", "traces").stdout
    assert "the endx" in shown.replace("\n", "")
    assert "(508 characters)" in " ".join(shown.replace("│", " ").split())


def test_protobuf_that_looks_like_json_is_read(try_: Try) -> None:
    """A request whose length is the code of a brace is still protobuf."""
    bodies = (batch({}, name=n * "n").encode() for n in range(200))
    body = next(body for body in bodies if body.startswith(b"\n{"))
    assert [{"tag": "x"}] == try_.spans(body)


def test_findings_are_shown(try_: Try) -> None:
    """What redaction would replace is listed with its type and length, never itself."""
    text = "write to ada@" + "example.org please"
    shown = try_(batch({"note": text}).encode(), "--pipeline", "traces/safe").stdout
    assert "redaction found" in shown
    assert "email" in shown
    assert "15" in shown


def test_dropped_spans_are_shown(try_: Try) -> None:
    """A span that a processor drops is marked so."""
    assert "dropped" in try_(batch({}).encode(), "--pipeline", "traces/drop").stdout


def test_what_dropped_a_span_is_shown(try_: Try) -> None:
    """The processor, and the rule of it where it says one."""
    shown = try_(batch({}, name="noise").encode(), "--pipeline", "traces/filter").stdout

    assert "filter: span.name == 'noise'" in " ".join(shown.split())


def test_the_end_of_the_file_ends_every_wait(try_: Try) -> None:
    """Whole traces are judged; each is shown with the policy that decided."""
    saved = batch({"n": 1}, {"n": 2})
    others = batch({"n": 3}, {"n": 4}, one_trace=False)
    others.spans[1].proto.status.code = 2  # type: ignore[assignment] # numbers are the enumeration's
    body = saved.encode() + others.encode()

    table = try_(body, "--pipeline", "traces/tail")
    out = try_(body, "--pipeline", "traces/tail", "--output", "json")

    rows = [line.split() for line in table.stdout.splitlines()]
    by_trace = {row[1]: " ".join(row) for row in rows if len(row) > 5}
    assert "kept" in by_trace[saved.spans[0].trace_id.hex()]
    assert "root" in by_trace[saved.spans[0].trace_id.hex()]
    assert "dropped" in by_trace[others.spans[0].trace_id.hex()]
    assert "errors" in by_trace[others.spans[1].trace_id.hex()]
    left = Batch(decode_request(out.stdout.encode()).SerializeToString())
    assert [1, 2, 4] == [span.attributes["n"] for span in left]


@pytest.mark.parametrize(
    ("pipeline", "says"),
    [("traces/no", "processor say: not like this"), ("traces/bug", "processor bug failed")],
)
def test_a_refused_batch_exits_1(try_: Try, pipeline: str, says: str) -> None:
    """Processor and reason stand on stderr, nothing on stdout."""
    result = try_(batch({}).encode(), "--pipeline", pipeline, "--output", "json")
    assert 1 == result.exit_code
    assert says in result.stderr
    assert "" == result.stdout


def test_what_a_plugin_failed_with_is_told(try_: Try) -> None:
    """Whoever tries a plugin learns the error with its text, file and line."""
    result = try_(batch({}).encode(), "--pipeline", "traces/bug")
    assert "KeyError: 'bug' at plugins_for_tests.py:" in result.stderr


@pytest.mark.parametrize("body", [b"\x00garbage", b"{", b'{"resourceSpans": 3}', b"\x1f\x8bno"])
def test_what_is_no_request_exits_2(try_: Try, body: bytes) -> None:
    """A file that is no trace request ends in a sentence that says what is expected."""
    result = try_(body, "--pipeline", "traces")
    assert 2 == result.exit_code
    assert "is no trace request" in result.stderr


def test_a_file_that_is_not_there_exits_2(try_: Try) -> None:
    """The message says that it cannot be read, not what it should hold."""
    result = CliRunner().invoke(app, ["try", "--config", str(try_.config), "--pipeline",
                                      "traces", "absent.json"])  # fmt: skip
    assert 2 == result.exit_code
    assert "cannot read absent.json: No such file" in result.stderr


def test_a_damaged_gzip_file_exits_2(try_: Try) -> None:
    """Whatever is damaged in it, it ends in a sentence."""
    body = gzip.compress(bytes(range(256)))
    for at in range(2, len(body), 20):
        result = try_(body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :], "--pipeline", "traces")
        assert 2 == result.exit_code


def test_a_choice_of_pipelines_is_asked_for(try_: Try) -> None:
    """With several pipelines and no choice, the names are listed."""
    result = try_(batch({}).encode())
    assert 2 == result.exit_code
    assert "traces, traces/drop, traces/filter, traces/safe" in result.stderr
