"""Policies made of policies."""

from collections.abc import Sequence

from processors.tail_sampling.policy_settings import CompositeConfig
from processors.tail_sampling.shares import PerSecond
from processors.tail_sampling.view import Mark, Policy, View


class And(Policy):
    """Match where all do; the later are not asked once one does not."""

    def __init__(self, policies: Sequence[Policy], *, drops: bool = False) -> None:
        self._policies = policies
        self.drops = drops

    def matches(self, view: View) -> bool:
        """Return whether all do."""
        return all(policy.matches(view) for policy in self._policies)

    def mark(self) -> Mark | None:
        """Return the mark of the smallest share among them."""
        marks = [mark for policy in self._policies if (mark := policy.mark()) is not None]
        return min(marks, key=lambda mark: mark.share, default=None)


class Not(Policy):
    """Match where another does not."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    def matches(self, view: View) -> bool:
        """Return whether it does not."""
        return not self._policy.matches(view)


class Composite(Policy):
    """
    Match as many traces as fit a rate that policies share.

    The first policy that matches decides: where its part is used up, the trace does not match,
    whatever the policies behind it say.
    """

    def __init__(self, config: CompositeConfig, policies: Sequence[Policy]) -> None:
        named = {
            sub.name: policy
            for sub, policy in zip(config.composite_sub_policy, policies, strict=True)
        }
        rates = _rates(config)
        order = dict.fromkeys((*config.policy_order, *named))
        self._policies = [(named[name], PerSecond(rates[name])) for name in order]

    def matches(self, view: View) -> bool:
        """Return whether the first policy that matches has as many spans left."""
        for policy, budget in self._policies:
            if policy.matches(view):
                return budget.take(view.trace.span_count, view.trace.now_unix_ns)
        return False


def _rates(config: CompositeConfig) -> dict[str, float]:
    """Return the spans per second of each policy."""
    total = config.max_total_spans_per_second
    rates = {one.policy: total * one.percent / 100 for one in config.rate_allocation}
    others = [policy.name for policy in config.composite_sub_policy if policy.name not in rates]
    left = max(0.0, total - sum(rates.values()))
    return rates | {name: left / len(others) for name in others}
