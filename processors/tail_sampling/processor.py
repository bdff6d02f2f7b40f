"""Keep or drop whole traces by policies."""

from gateway.plugin import Batch, Context, Drop, Keep, Trace, TraceProcessor, Wait
from processors.conditions import Teller
from processors.tail_sampling.policies import make
from processors.tail_sampling.settings import TailSamplingConfig
from processors.tail_sampling.terms import Mapper
from processors.tail_sampling.view import View

NO_POLICY = "no_policy_matched"


class TailSampling(TraceProcessor[TailSamplingConfig]):
    """
    Keep or drop whole traces once they have come, by what is in them.

    Fails open: a trace that cannot be judged is kept.
    """

    on_error = "pass"
    stability = "beta"

    def __init__(self, config: TailSamplingConfig) -> None:
        super().__init__(config)
        cache = config.decision_cache
        self.max_traces = config.num_traces
        self.remembered = (
            cache.sampled_cache_size or config.num_traces,
            cache.non_sampled_cache_size or config.num_traces,
        )
        self._teller = Teller()
        self._mapper = Mapper()
        policies = [(one.name, make(one, lambda: self._teller)) for one in config.policies]
        # first those that drop: they beat all others, which then spend no budget on the trace
        self._policies = sorted(policies, key=lambda named: not named[1].drops)
        self._marks = {name: mark for name, policy in self._policies if (mark := policy.mark())}

    async def start(self, context: Context) -> None:
        """Take what is needed to tell of conditions that cannot be evaluated."""
        self._teller = Teller(context)

    def decide(self, trace: Trace) -> Keep | Drop | Wait:
        """Wait as long as configured, then ask the policies in order."""
        most = self.config.maximum_trace_size_bytes
        if most and trace.size_bytes > most:
            return Drop("maximum_trace_size_bytes")
        if trace.ending is None:
            left_s = self._left_s(trace)
            if left_s > 0:
                return Wait(left_s)
        elif trace.ending == "stopping" and self.config.drop_pending_traces_on_shutdown:
            return Drop("drop_pending_traces_on_shutdown")
        return self._judge(View(trace, self._mapper))

    def _left_s(self, trace: Trace) -> float:
        left_s = self.config.decision_wait - trace.age_s
        after_root = self.config.decision_wait_after_root_received
        if after_root and trace.root_age_s is not None:
            left_s = min(left_s, after_root - trace.root_age_s)
        return left_s

    def _judge(self, view: View) -> Keep | Drop:
        matched: list[str] = []
        for name, policy in self._policies:
            if not policy.matches(view):
                continue
            if policy.drops:
                return Drop(name)
            matched.append(name)
            if self.config.sample_on_first_match:
                break
        return Keep(self._decisive(matched)) if matched else Drop(NO_POLICY)

    def _decisive(self, matched: list[str]) -> str:
        """Return the policy that gave the trace its best chance: certain ones before others."""
        marks = self._marks
        return max(matched, key=lambda name: marks[name].share if name in marks else 2.0)

    def release(self, batch: Batch, reason: str) -> Batch:
        """Let spans that were kept by chance say which share they stand for."""
        mark = self._marks.get(reason)
        if mark is not None:
            for span in batch:
                state = mark.on(span.peek.trace_state)
                if state != span.peek.trace_state:
                    span.proto.trace_state = state
        return batch
