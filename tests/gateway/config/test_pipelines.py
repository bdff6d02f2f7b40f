"""What the whole of a configuration promises: that its parts fit together."""

import textwrap

import pytest

from tests.gateway.config.support import Loading

PARTS = """\
receivers: {otlp: {}}
processors: {memory_limiter: {}, redaction: {}, sample: {}}
exporters: {sink: {}, sink/two: {}}
"""
BEFORE = 'only memory_limiter may stand before "redaction", so that nothing sees what it removes'
TRACES = (
    "only traces are taken: send metrics to a Collector; other_signals of the receiver can "
    "discard them"
)
UNREDACTED = (
    "service.pipelines.traces has no redaction: PII and secrets in spans reach the disk through "
    "the queue of sink"
)


def configured(pipelines: str) -> str:
    """Return a configuration with these pipelines, from line 6 on."""
    return PARTS + "service:\n  pipelines:\n" + textwrap.indent(textwrap.dedent(pipelines), "    ")


def test_pipelines_share_components(loading: Loading) -> None:
    """Several pipelines may name the same components, in their own order."""
    loaded = loading.load(
        configured("""\
            traces: {receivers: [otlp], processors: [], exporters: [sink, sink/two]}
            traces/two: {receivers: [otlp], processors: [redaction, sample], exporters: [sink]}
        """)
    )

    assert ["traces", "traces/two"] == list(loaded.service.pipelines)
    assert ["sink", "sink/two"] == loaded.service.pipelines["traces"].exporters
    assert ["redaction", "sample"] == loaded.service.pipelines["traces/two"].processors


@pytest.mark.parametrize(
    ("pipeline", "path", "message", "hint"),
    [
        (
            "traces: {receivers: [otpl], exporters: [sink]}",
            "traces.receivers[0]",
            'receiver "otpl" is not defined',
            'did you mean "otlp"?',
        ),
        (
            "traces: {receivers: [otlp], exporters: [mlflow]}",
            "traces.exporters[0]",
            'exporter "mlflow" is not defined',
            "define it under exporters, or name one of: sink, sink/two",
        ),
        (
            "traces: {receivers: [otlp], processors: [batch], exporters: [sink]}",
            "traces.processors[0]",
            'processor "batch" is not defined',
            "batching is each exporter's own: exporters.<id>.batch {max_spans, flush_timeout}",
        ),
        (
            "traces: {receivers: [otlp], processors: [sink], exporters: [sink]}",
            "traces.processors[0]",
            'processor "sink" is not defined',
            '"sink" stands under exporters, not under processors',
        ),
        (
            "traces: {receivers: [otlp], exporters: [sink, sink]}",
            "traces.exporters[1]",
            '"sink" stands twice',
            "remove one of the two",
        ),
        (
            "traces: {exporters: [sink]}",
            "traces.receivers",
            "a pipeline needs a receiver",
            "name at least one of: otlp",
        ),
        (
            "traces: {receivers: [otlp], exporters: []}",
            "traces.exporters",
            "a pipeline needs an exporter",
            "name at least one of: sink, sink/two",
        ),
        (
            "traces: {receivers: [otlp], processors: [sample, memory_limiter], exporters: [sink]}",
            "traces.processors[1]",
            '"memory_limiter" must be the first processor',
            "move it to the front",
        ),
        (
            "traces: {receivers: [otlp], processors: [sample, redaction], exporters: [sink]}",
            "traces.processors[1]",
            BEFORE,
            "move it to the front, or behind memory_limiter",
        ),
        (
            "metrics: {receivers: [otlp], exporters: [sink]}",
            "metrics",
            'unknown pipeline "metrics"',
            TRACES,
        ),
        (
            "traces/: {receivers: [otlp], exporters: [sink]}",
            "traces/",
            'unknown pipeline "traces/"',
            "name it traces or traces/NAME",
        ),
        (
            "traces: {receiver: [otlp], receivers: [otlp], exporters: [sink]}",
            "traces.receiver",
            'unknown key "receiver"',
            'did you mean "receivers"?',
        ),
    ],
)
def test_says_what_does_not_fit(
    loading: Loading, pipeline: str, path: str, message: str, hint: str
) -> None:
    """Each mistake names its place and what to do."""
    found = loading.problems(configured(pipeline))

    assert [("gateway.yaml:6", f"service.pipelines.{path}", message, hint)] == [
        tuple(problem) for problem in found
    ]


def test_memory_limiter_may_stand_before_redaction(loading: Loading) -> None:
    """The default order is right."""
    order = "[memory_limiter, redaction, sample]"

    loaded = loading.load(
        configured(f"traces: {{receivers: [otlp], processors: {order}, exporters: [sink]}}")
    )

    assert [] == [warning for warning in loaded.warnings if "redaction" in warning]


def test_a_broken_component_is_not_dangling(loading: Loading) -> None:
    """A component with a mistake is reported once, not again where a pipeline names it."""
    text = configured("traces: {receivers: [otlp], processors: [sample], exporters: [sink]}")

    [problem] = loading.problems(text.replace("sample: {}", "sample: {count: x}"))

    assert "processors.sample.count" == problem.path


def test_reports_pipelines_beside_a_broken_service(loading: Loading) -> None:
    """A mistake elsewhere in service hides none in its pipelines."""
    found = loading.problems(
        configured("traces: {receivers: [nope], exporters: [sink]}") + "\n  workers: none\n"
    )

    assert ["service.pipelines.traces.receivers[0]", "service.workers"] == [p.path for p in found]


def test_several_workers_need_a_queue_on_disk(loading: Loading) -> None:
    """A queue in memory belongs to one process."""
    text = configured("traces: {receivers: [otlp], exporters: [sink]}")
    memory = text.replace("sink: {}", "sink: {sending_queue: {storage: memory}}")

    assert 1 == loading.load(memory).service.workers
    for workers in ("2", "auto"):
        [problem] = loading.problems(memory, overrides=[f"service.workers={workers}"])
        assert "exporters.sink.sending_queue.storage" == problem.path
        assert f"storage: memory needs service.workers: 1, found {workers}" == problem.message


def test_warns_of_what_is_hardly_meant(loading: Loading) -> None:
    """Unused components, and a disk that sees what nobody redacted."""
    loaded = loading.load(configured("traces: {receivers: [otlp], exporters: [sink]}"))

    assert [
        "processors.memory_limiter is defined, but no pipeline uses it",
        "processors.redaction is defined, but no pipeline uses it",
        "processors.sample is defined, but no pipeline uses it",
        "exporters.sink/two is defined, but no pipeline uses it",
        UNREDACTED,
    ] == loaded.warnings


def test_who_has_redacted_before_is_not_warned(loading: Loading) -> None:
    """A second tier of gateways says so instead of redacting again."""
    loaded = loading.load(
        configured("traces: {receivers: [otlp], exporters: [sink], redacted_upstream: true}")
    )

    assert UNREDACTED not in loaded.warnings


@pytest.mark.parametrize("pipelines", ["", "traces: 5", "traces: [a]", "5"])
def test_refuses_pipelines_that_are_none(loading: Loading, pipelines: str) -> None:
    """A pipeline is a mapping of lists."""
    assert loading.problems(PARTS + "service: {pipelines: {" + pipelines + "}}")
