"""Find the calls of models in a batch and write what they cost."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.otlp.ready import number_attribute
from gateway.plugin import Batch, BatchContext, LlmCall, Span
from gateway.telemetry import metrics
from processors.cost.book import PriceBook, Quote
from processors.cost.calls import ModelCall, read_call, written_type
from processors.cost.nesting import repeated
from processors.cost.reported import Reported, read_reported
from processors.cost.told import MODEL, NO_TYPE, OTHER_TYPES, ROLLUP, Layout, Told, layout_of
from processors.cost.unknown import UnknownModels
from processors.cost.written import COST_JSON, DIFFERENCE, REPORTED, WRITTEN_KEYS, write

_TOLERANCE: Final = 0.01
"""Part by which a reported cost may differ from ours before that counts."""

_Noted = tuple[Span, str, int, int, float | None, bool]
_note: Callable[[_Noted], LlmCall] = partial(tuple.__new__, LlmCall)
"""Make an ``LlmCall`` in half the time that calling it takes."""


class Pricing:
    """
    Price calls of models.

    Args:
        book: what they are priced by.
        unknown: counts calls that nobody has a price for.
        reported: what becomes of reported costs, as in the settings.

    """

    def __init__(self, book: PriceBook, unknown: UnknownModels, reported: str) -> None:
        self._book = book
        self._unknown = unknown
        self._reads_reported = reported != "ignore"
        self._prefers_reported = reported == "prefer_reported"
        self._compares = reported == "compare"

    def write(self, batch: Batch) -> None:
        """Write costs in place, and note each call in the batch."""
        noted = batch.calls
        calls, others = _calls_in(batch)
        quotes = [self._quote(call, batch.context) for call in calls]
        twice = repeated(calls, others) if len(calls) > 1 else set()
        unknown: Counter[str] = Counter()
        for number, call in enumerate(calls):
            if number in twice:
                call.span.attributes[ROLLUP] = True
                call.span.attributes[MODEL] = ""  # or MLflow prices it, and not the calls inside
                continue
            quote = quotes[number]
            if quote is None:
                unknown[call.model] += 1
            cost_usd = self._price(call, quote)
            noted.append(
                _note((call.span, call.model, call.taken, call.given, cost_usd, call.is_cut_off))
            )
        if unknown:
            self._unknown.add(unknown)

    def _quote(self, call: ModelCall, context: BatchContext) -> Quote | None:
        at_ns: int = call.span.core.start_time_unix_nano or context.received_unix_ns
        quote = self._book.quote(call.provider, call.model, call.tier, context.tenant, at_ns)
        if quote is not None:
            call.entry = quote.entry
        return quote

    def _price(self, call: ModelCall, quote: Quote | None) -> float | None:
        """Write the cost of a call, where it is known, and return it."""
        span, layout = call.span, call.layout
        reported = None
        if self._reads_reported and layout.reported:
            told = Told(span, layout)
            reported = read_reported({key: told.value(key) for key in layout.reported})
        if layout.is_written and (quote is not None or reported is not None):
            span.attributes.discard(WRITTEN_KEYS)
        if reported is not None and (quote is None or self._prefers_reported):
            write(span, _reported_json(reported), f"reported: {reported.key}", "", b"")
            return reported.total
        if quote is None:
            return None
        special = call.special
        rule = quote.rule if special is None else quote.rule_for(special)
        if special is None:
            amounts = quote.usual.cost(call.taken, call.given, call.cached)
        else:
            amounts = quote.price.cost(special)
        numbers = b""
        if self._compares and reported is not None:
            numbers = _comparison(amounts[2], reported)
        write(span, COST_JSON % amounts, rule, quote.catalogue, numbers)
        return amounts[2]


def _calls_in(batch: Batch) -> tuple[list[ModelCall], list[Span]]:
    """Return the calls that tell of tokens, and the spans that may be anything; note the rest."""
    calls: list[ModelCall] = []
    others: list[Span] = []
    layouts: dict[int, Layout] = {}
    for span in batch.spans:
        written = written_type(span)
        if written in OTHER_TYPES:
            continue
        call: ModelCall | None = None
        if written != NO_TYPE:
            names = span.names()
            layout = layouts.get(id(names))  # of one kind all have the same tuple
            if layout is None:
                layouts[id(names)] = layout = layout_of(names)
            call = read_call(span, layout)
        if call is not None and call.is_counted:
            calls.append(call)
            continue
        others.append(span)
        if call is not None:
            batch.calls.append(LlmCall(span, call.model, 0, 0))
    return calls, others


def _reported_json(reported: Reported) -> str:
    parts = {
        "input_cost": reported.input,
        "output_cost": reported.output,
        "total_cost": reported.total,
    }
    told = (f'"{name}":{value:.12g}' for name, value in parts.items() if value is not None)
    return "{" + ",".join(told) + "}"


def _comparison(total_usd: float, reported: Reported) -> bytes:
    difference = round(total_usd - reported.total, 12)
    if abs(difference) > _TOLERANCE * max(total_usd, reported.total):
        metrics.llm_cost_differences.inc()
    return number_attribute(REPORTED, reported.total) + number_attribute(DIFFERENCE, difference)
