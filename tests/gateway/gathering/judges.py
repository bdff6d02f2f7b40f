"""Trace processors that tests load by ``use:``."""

from typing import ClassVar

from gateway.plugin import (
    Batch,
    Config,
    Drop,
    Duration,
    Keep,
    Retry,
    Trace,
    TraceProcessor,
    Wait,
)


class JudgeConfig(Config):
    """Settings of ``Judge``."""

    wait: Duration = Duration(0.05)
    """How long to gather."""

    fault: str = ""
    """``crash``, ``nonsense``, ``later`` or ``never`` instead of a decision."""

    most: int = 50_000
    """How many traces may be undecided."""


class Judge(TraceProcessor[JudgeConfig]):
    """Keep the traces that have a span with ``keep: true``, once they have waited long enough."""

    asked: ClassVar[list[tuple[bytes, int, str | None]]] = []
    """What was judged: trace id, number of spans, ending."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__(config)
        self.max_traces = config.most
        self.later = config.fault == "later"

    def decide(self, trace: Trace) -> Keep | Drop | Wait:
        if trace.ending is None and trace.age_s < self.config.wait:
            return Wait(self.config.wait - trace.age_s)
        if self.config.fault == "never" and trace.ending is None:
            return Wait(float("inf"))
        if self.config.fault == "crash":
            raise KeyError("bug")
        if self.config.fault == "nonsense":
            return "keep"  # type: ignore[return-value] # what a plugin may get wrong
        if self.later:
            self.later = False
            raise Retry("not yet", after=0.01)
        self.asked.append((trace.trace_id, trace.span_count, trace.ending))
        if any(span.attributes.get("keep") for span in trace.spans):
            return Keep("wanted")
        return Drop("unwanted")


class MarkingJudge(Judge):
    """The same, and note on each kept span why it was kept."""

    def release(self, batch: Batch, reason: str) -> Batch:
        for span in batch:
            span.attributes["policy"] = reason
        return batch
