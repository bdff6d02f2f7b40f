"""Settings of ``tail_sampling``, under the Collector's names."""

from typing import Annotated

import msgspec

from gateway.plugin import Config, Duration
from processors.tail_sampling.policy_settings import PolicyConfig

Size = Annotated[int, msgspec.Meta(ge=0)]


class DecisionCacheConfig(Config):
    """For how many decided traces late spans follow the decision."""

    sampled_cache_size: Size = 0
    """Kept traces that are remembered; 0 for ``num_traces``."""

    non_sampled_cache_size: Size = 0
    """Dropped traces that are remembered; 0 for ``num_traces``."""


class TailSamplingConfig(Config):
    """Settings of ``tail_sampling``."""

    policies: tuple[PolicyConfig, ...] = ()
    """What decides: a trace that a ``drop`` policy matches is dropped, else one that any other
    matches is kept, else it is dropped. At least one."""

    decision_wait: Duration = Duration(30)
    """How long to gather, from when a trace's first span was received."""

    decision_wait_after_root_received: Duration = Duration(0)
    """Decide so long after the root was received, if that is earlier; 0 for not at all."""

    num_traces: Annotated[int, msgspec.Meta(ge=1)] = 50_000
    """Traces that may be undecided at once; beyond, the oldest is decided early, on what has
    come."""

    expected_new_traces_per_sec: Size = 0
    """Taken for the Collector's sake; memory grows with what comes."""

    decision_cache: DecisionCacheConfig = msgspec.field(default_factory=DecisionCacheConfig)
    """How many decisions are remembered for late spans, also across restarts."""

    sample_on_first_match: bool = False
    """Ask no further policy once one has matched; ``drop`` policies are always asked first."""

    drop_pending_traces_on_shutdown: bool = False
    """Drop what is undecided on stopping instead of deciding on what is there; concerns queues in
    memory, since on disk it stays undecided until the next start."""

    maximum_trace_size_bytes: Size = 0
    """Drop a trace at once when its spans exceed this; 0 for no limit."""

    def validate(self) -> None:
        """Check that there are policies, each with a name of its own."""
        if not self.policies:
            raise ValueError(
                "policies: expected at least one, as in "
                "[{name: errors, type: status_code, status_code: {status_codes: [ERROR]}}]"
            )
        names: set[str] = set()
        mistakes: list[str] = []
        for at, policy in enumerate(self.policies):
            if policy.name in names:
                mistakes.append(f'policies[{at}].name: "{policy.name}" stands twice')
            names.add(policy.name)
        if mistakes:
            raise ValueError(*mistakes)
