"""Policies about attributes of spans and resources, and conditions on them."""

from collections.abc import Callable
from functools import lru_cache

from processors.conditions import ErrorMode, Faults, Teller, any_of, compile_all
from processors.expressions import Subject
from processors.patterns import Pattern
from processors.tail_sampling.policy_settings import (
    BooleanAttributeConfig,
    ConditionConfig,
    NumericAttributeConfig,
    StringAttributeConfig,
)
from processors.tail_sampling.view import Policy, View

_DEFAULT_CACHE = 128


class NumericAttribute(Policy):
    """Match by a number among the attributes."""

    def __init__(self, config: NumericAttributeConfig) -> None:
        self._key = config.key
        self._low = float("-inf") if config.min_value is None else config.min_value
        self._high = float("inf") if config.max_value is None else config.max_value
        self._inverted = config.invert_match

    def matches(self, view: View) -> bool:
        """Return whether one is in the range, or with ``invert_match`` none."""
        values = (attributes.get(self._key) for attributes in view.attributes())
        found = any(
            self._low <= value <= self._high
            for value in values
            if isinstance(value, int | float) and not isinstance(value, bool)
        )
        return found != self._inverted


class StringAttribute(Policy):
    """Match by a text among the attributes."""

    def __init__(self, config: StringAttributeConfig) -> None:
        self._key = config.key
        self._inverted = config.invert_match
        self._fits: Callable[[str], bool] = frozenset(config.values).__contains__
        if config.enabled_regex_matching:
            patterns = [Pattern(value) for value in config.values]
            cached = lru_cache(maxsize=config.cache_max_size or _DEFAULT_CACHE)
            self._fits = cached(lambda text: any(one.found_in(text) for one in patterns))

    def matches(self, view: View) -> bool:
        """Return whether one fits, or with ``invert_match`` none."""
        texts = (attributes.text(self._key) for attributes in view.attributes())
        found = any(self._fits(text) for text in texts if text is not None)
        return found != self._inverted


class BooleanAttribute(Policy):
    """Match by a truth value among the attributes."""

    def __init__(self, config: BooleanAttributeConfig) -> None:
        self._key, self._value = config.key, config.value
        self._inverted = config.invert_match

    def matches(self, view: View) -> bool:
        """Return whether one is as wanted, or with ``invert_match`` none."""
        values = (attributes.get(self._key) for attributes in view.attributes())
        found = any(value is self._value for value in values)
        return found != self._inverted


class ConditionMet(Policy):
    """Match where a span or a span event meets a condition."""

    def __init__(self, config: ConditionConfig, teller: Callable[[], Teller]) -> None:
        self._mode: ErrorMode = config.error_mode
        self._of_spans = compile_all("span", config.span, "span")
        self._of_events = compile_all("spanevent", config.spanevent, "spanevent")
        self._teller = teller

    def matches(self, view: View) -> bool:
        """
        Return whether one does.

        Raises:
            Reject: a condition cannot be evaluated and ``error_mode`` is ``propagate``.

        """
        subject, faults = Subject(view.trace.context), Faults(self._mode)
        span_met = any_of(self._of_spans, subject, faults)
        event_met = any_of(self._of_events, subject, faults)
        found = False
        for span in view.spans:
            subject.look_at(span)
            if span_met():
                found = True
                break
            for event in span.peek.events if self._of_events else ():
                subject.event = event
                found = found or bool(event_met())
        self._teller().tell(faults)
        return found
