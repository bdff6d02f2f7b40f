"""Write what calls of models cost as ``mlflow.llm.cost``."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.otlp.ready import number_attribute
from gateway.plugin import Batch, BatchContext, Context, LlmCall, Processor, Span
from gateway.telemetry import metrics
from processors.cost.book import PriceBook, Quote, installed
from processors.cost.calls import NOT_COUNTED, ModelCall, read_call, written_type
from processors.cost.explain import Explanation, Question, explain
from processors.cost.nesting import repeated
from processors.cost.price_file import read_price_file
from processors.cost.rates import Cost as Amounts
from processors.cost.reported import Reported, read_reported
from processors.cost.settings import CostConfig
from processors.cost.told import MODEL, NO_TYPE, OTHER_TYPES, ROLLUP
from processors.cost.unknown import UnknownModels
from processors.cost.written import COST_JSON, DIFFERENCE, REPORTED, WRITTEN_KEYS, write

_TOLERANCE = 0.01
"""Part by which a reported cost may differ from ours before that counts."""


class Cost(Processor[CostConfig]):
    """
    Price calls of models by their tokens, in USD, as ``mlflow.llm.cost``.

    Prices are those of the time at which a span began. Spans that sum up others are left alone,
    and so are calls whose price nobody knows; these are counted by model.
    """

    on_error = "pass"
    stability = "beta"

    def __init__(self, config: CostConfig) -> None:
        super().__init__(config)
        rules = read_price_file(Path(config.prices_file)) if config.prices_file else ()
        self._book = PriceBook(rules)
        self._reads_reported = config.reported != "ignore"
        self._prefers_reported = config.reported == "prefer_reported"
        self._compares = config.reported == "compare"
        self.unknown_models = UnknownModels()

    async def start(self, context: Context) -> None:
        """Say which prices are used."""
        context.logger.info(
            "calls of models are priced",
            catalogue=installed(),
            prices_file=self.config.prices_file,
        )

    def process(self, batch: Batch) -> Batch:
        """Write costs in place; the batch keeps its spans and their order."""
        calls: list[ModelCall] = []
        others: list[Span] = []
        for span in batch.spans:
            written = written_type(span)
            if written in OTHER_TYPES:
                continue
            call = None if written == NO_TYPE else read_call(span)
            if call is not None and call.usage is not NOT_COUNTED:
                calls.append(call)
                continue
            others.append(span)
            if call is not None:
                batch.calls.append(LlmCall(span, call.model, 0, 0))
        quotes = [self._quote(call, batch.context) for call in calls]
        twice = repeated(calls, others) if len(calls) > 1 else ()
        unknown: Counter[str] = Counter()
        for number, (call, quote) in enumerate(zip(calls, quotes, strict=True)):
            if number in twice:
                call.span.attributes[ROLLUP] = True
                call.span.attributes[MODEL] = ""  # or MLflow prices it, and not the calls inside
                continue
            if quote is None:
                unknown[call.model] += 1
            cost_usd = self._price(call, quote)
            usage = call.usage
            batch.calls.append(
                LlmCall(call.span, call.model, usage.input, usage.output, cost_usd, call.is_cut_off)
            )
        if unknown:
            self.unknown_models.add(unknown)
        return batch

    def _quote(self, call: ModelCall, context: BatchContext) -> Quote | None:
        at_ns = call.span.core.start_time_unix_nano or context.received_unix_ns
        quote = self._book.quote(call.provider, call.model, call.tier, context.tenant, at_ns)
        if quote is not None:
            call.entry = quote.entry
        return quote

    def _price(self, call: ModelCall, quote: Quote | None) -> float | None:
        """Write the cost of a call, where it is known, and return it."""
        reported = None
        if self._reads_reported and call.layout.is_reported:
            reported = read_reported(call.span.attributes)
        if call.layout.is_written and (quote is not None or reported is not None):
            call.span.attributes.discard(WRITTEN_KEYS)
        if reported is not None and (quote is None or self._prefers_reported):
            write(call.span, _reported_json(reported), f"reported: {reported.key}", "")
            return reported.total
        if quote is not None:
            amounts = quote.price.cost(call.usage)
            numbers = b""
            if self._compares and reported is not None:
                numbers = _comparison(amounts, reported)
            rule = quote.rule_for(call.usage)
            write(call.span, COST_JSON % amounts, rule, quote.catalogue, numbers)
            return amounts.total
        return None

    @staticmethod
    def explain(question: Mapping[str, Any], config: CostConfig) -> Explanation:
        """
        Say how a call would be priced, for people.

        Args:
            question: the fields of :class:`~processors.cost.explain.Question`.
            config: whose prices are asked for.

        """
        return explain(Question(**question), config)


def _reported_json(reported: Reported) -> str:
    parts = {
        "input_cost": reported.input,
        "output_cost": reported.output,
        "total_cost": reported.total,
    }
    told = (f'"{name}":{value:.12g}' for name, value in parts.items() if value is not None)
    return "{" + ",".join(told) + "}"


def _comparison(amounts: Amounts, reported: Reported) -> bytes:
    difference = round(amounts.total - reported.total, 12)
    if abs(difference) > _TOLERANCE * max(amounts.total, reported.total):
        metrics.llm_cost_differences.inc()
    return number_attribute(REPORTED, reported.total) + number_attribute(DIFFERENCE, difference)
