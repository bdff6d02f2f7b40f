"""What tokens cost: rates per million, by size of the request, and the arithmetic."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

MTOK: Final = 1_000_000


class Usage(NamedTuple):
    """The tokens of one call of a model."""

    input: int = 0
    """All input, with that from the cache, into the cache, audio and images."""
    output: int = 0
    """All output, with reasoning, audio and images."""
    cache_read: int = 0
    cache_write: int = 0
    """All written to the cache, for five minutes or an hour."""
    cache_write_1h: int = 0
    reasoning: int = 0
    audio_input: int = 0
    audio_output: int = 0
    image_input: int = 0
    image_output: int = 0


NOTHING_SPECIAL: Final = Usage()[3:]
"""What follows input, output and what was read from the cache, in most calls."""


class Rates(NamedTuple):
    """USD per million tokens of each kind."""

    input: float = 0.0
    output: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0
    cache_write_1h: float = 0.0
    reasoning: float = 0.0
    audio_input: float = 0.0
    audio_output: float = 0.0
    cached_audio: float = 0.0
    image_input: float = 0.0
    image_output: float = 0.0
    cached_image: float = 0.0


FALLBACKS: Final = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "reasoning": "output",
    "audio_input": "input",
    "audio_output": "output",
    "cached_audio": "cache_read",
    "image_input": "input",
    "image_output": "output",
    "cached_image": "cache_read",
}
"""Kind to the kind whose rate holds where it has none of its own; in order of resolution."""


class Cost(NamedTuple):
    """USD of one call; the total also holds what is charged for the request itself."""

    input: float
    output: float
    total: float


def complete(rate: Callable[[str], float | None]) -> Rates:
    """Return all rates; a kind without one costs what the wider kind costs."""
    found = {kind: rate(kind) for kind in ("input", "output")}
    for kind, wider in FALLBACKS.items():
        own = rate(kind)
        found[kind] = found[wider] if own is None else own
    return Rates(**{kind: value or 0.0 for kind, value in found.items()})


class Price(NamedTuple):
    """
    The price of a model: ``rates[n]`` holds above ``steps[n - 1]`` input tokens.

    Reaching a step changes the rate of all tokens of the request, as vendors bill it.
    """

    rates: tuple[Rates, ...]
    steps: tuple[int, ...] = ()
    per_request: float = 0.0
    """USD for the request itself."""

    def cost(self, usage: Usage) -> Cost:
        """Return what a call costs."""
        rates = self.rates[bisect_left(self.steps, usage.input)]
        taken, given = _input(usage, rates), _output(usage, rates)
        return Cost(taken / MTOK, given / MTOK, (taken + given) / MTOK + self.per_request)

    def takes_audio_for_text(self, usage: Usage) -> bool:
        """Whether a call's audio is priced as if it were text, since it has no rate of its own."""
        rates = self.rates[0]
        return bool(
            (usage.audio_input and 0.0 < rates.audio_input == rates.input)
            or (usage.audio_output and 0.0 < rates.audio_output == rates.output)
        )

    @property
    def is_zero(self) -> bool:
        """Whether nothing is charged for any token."""
        return not any(any(rates) for rates in self.rates)

    def scaled(self, factors: Sequence[float], request_factor: float = 1.0) -> "Price":
        """Return the price with each kind's rate times its factor."""
        scaled = tuple(
            Rates(*(rate * factor for rate, factor in zip(rates, factors, strict=True)))
            for rates in self.rates
        )
        return Price(scaled, self.steps, self.per_request * request_factor)

    def discounted(self, discount: float) -> "Price":
        """Return the price less a part of it."""
        factor = 1.0 - discount
        return self.scaled([factor] * len(Rates._fields), factor)


class UsualPrice:
    """What a price says of most calls, whose tokens have nothing special; quick to reckon with."""

    __slots__ = ("_cached", "_given", "_per_request", "_steps", "_taken")

    def __init__(self, price: Price) -> None:
        self._steps = list(price.steps)
        self._taken = [rates.input for rates in price.rates]
        self._given = [rates.output for rates in price.rates]
        self._cached = [rates.cache_read for rates in price.rates]
        self._per_request = price.per_request

    def cost(self, taken: int, given: int, cached: int) -> tuple[float, float, float]:
        """Return input, output and total in USD, as :meth:`Price.cost` does."""
        at = bisect_left(self._steps, taken) if self._steps else 0
        asked = (taken - cached) * self._taken[at] + cached * self._cached[at]
        answered = given * self._given[at]
        return asked / MTOK, answered / MTOK, (asked + answered) / MTOK + self._per_request


def _input(usage: Usage, rates: Rates) -> float:
    written = max(usage.cache_write, usage.cache_write_1h)
    special = usage.audio_input + usage.image_input
    plain = usage.input - usage.cache_read - written - special
    cached_audio = cached_image = 0
    if plain < 0:  # the counts overlap: some of the sound or the pictures came from the cache
        overlap = min(-plain, usage.cache_read, special)
        cached_audio = min(overlap, usage.audio_input)
        cached_image = overlap - cached_audio
        plain = max(0, plain + overlap)
    return (
        plain * rates.input
        + (usage.cache_read - cached_audio - cached_image) * rates.cache_read
        + (written - usage.cache_write_1h) * rates.cache_write
        + usage.cache_write_1h * rates.cache_write_1h
        + (usage.audio_input - cached_audio) * rates.audio_input
        + cached_audio * rates.cached_audio
        + (usage.image_input - cached_image) * rates.image_input
        + cached_image * rates.cached_image
    )


def _output(usage: Usage, rates: Rates) -> float:
    special = usage.reasoning + usage.audio_output + usage.image_output
    plain = max(0, usage.output - special)
    return (
        plain * rates.output
        + usage.reasoning * rates.reasoning
        + usage.audio_output * rates.audio_output
        + usage.image_output * rates.image_output
    )


def checked(usage: Usage) -> Usage:
    """
    Return counters that fit together.

    Input that is less than what came from or went to the cache was counted without it; output
    that is less than its reasoning was counted without that.
    """
    if usage[3:] == NOTHING_SPECIAL and usage.cache_read <= usage.input:
        return usage
    taken, given, read, write, write_1h, thoughts, heard, sound, seen, drawn = usage
    cached = read + max(write, write_1h)
    if cached > taken:
        taken += cached
    if thoughts > given:
        given += thoughts
    heard = min(heard, taken)
    sound = min(sound, given - thoughts)
    seen = min(seen, taken - heard)
    drawn = min(drawn, given - thoughts - sound)
    return Usage(taken, given, read, write, write_1h, thoughts, heard, sound, seen, drawn)
