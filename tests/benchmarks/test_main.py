"""What ``python -m benchmarks`` does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.__main__ import GRID, RATIOS, SCENARIOS, Row, fallen
from gateway.bench.scenario import Figures


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def row(ratio: float) -> Row:
    """Return a row of the work that is recorded first."""
    figures = Figures(
        scenario=SCENARIOS[0], requests=10, refused=0, body_bytes=1, load_s=1, drain_s=1, cpu_s=1,
        idle_rss_mib=1, peak_rss_mib=1, p50_ms=1, p99_ms=1, other_cpu=0,
    )  # fmt: skip
    return Row(figures, ratio)


def test_measures_every_kind_of_work() -> None:
    """1, 100 and 500 spans a request, LLM and plain, HTTP and gRPC, both kinds of pipeline."""
    assert 24 == len({(s.protocol, s.kind, s.spans, s.pipeline) for s in GRID})
    assert {"otlp_http", "mlflow"} == {s.exporter for s in SCENARIOS}


def test_a_ratio_that_fell_by_more_than_a_fifth_is_told() -> None:
    """The message names the work and both ratios."""
    name = str(SCENARIOS[0])

    (told,) = fallen([row(0.39)], {name: 0.5})

    assert told.startswith(f"{name}: ratio 0.390, recorded 0.500 (-22%)")


@pytest.mark.parametrize("ratio", [0.41, 0.5, 0.9])
def test_a_ratio_that_held_is_not_told(ratio: float) -> None:
    """Less than a fifth is noise, and more is no harm."""
    assert [] == fallen([row(ratio)], {str(SCENARIOS[0]): 0.5})


def test_work_without_a_record_cannot_fall() -> None:
    """A new row is recorded next time."""
    assert [] == fallen([row(0.01)], {"other": 0.5})


def test_all_that_make_bench_measures_is_recorded() -> None:
    """Each row has a ratio to be compared with."""
    recorded = json.loads(RATIOS.read_text())
    assert {str(s) for s in SCENARIOS} == set(recorded)


def test_lists_the_rows_when_none_is_meant() -> None:
    """A choice that matches nothing shows what there is."""
    ended = run("--only", "no such row")

    assert ended.returncode == 2
    assert "grpc to otlp_http, no processors, LLM spans, 500 a request" in ended.stderr


def test_records_all_rows_or_none() -> None:
    """A choice of rows would leave the others without a ratio to be compared with."""
    ended = run("--only", "plain", "--record")

    assert ended.returncode == 2
    assert "leave out --only" in ended.stderr


@pytest.mark.slow
def test_fails_loudly_where_work_has_become_slower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row is measured and printed, and a ratio out of reach ends with code 1."""
    name = "http to otlp_http, no processors, plain spans, 1 a request"
    ratios = tmp_path / "ratios.json"
    ratios.write_text(json.dumps({name: 1000.0}))
    monkeypatch.setattr(bench, "RATIOS", ratios)
    monkeypatch.setattr(bench, "AGAIN", 1)
    arguments = ["bench", "--only", name, "--seconds", "0.3", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", arguments)

    code = bench.main()

    assert 1 == code
    output = capsys.readouterr()
    assert output.out.splitlines()[2].startswith("| http | otlp_http | none | plain | 1 |")
    assert "SLOWER" in output.err
