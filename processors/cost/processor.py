"""Write what calls of models cost as ``mlflow.llm.cost``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.plugin import Batch, Context, Processor
from processors.cost.book import PriceBook, installed
from processors.cost.explain import Explanation, Question, explain
from processors.cost.price_file import read_price_file
from processors.cost.pricing import Pricing
from processors.cost.settings import CostConfig
from processors.cost.unknown import UnknownModels


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
        self.unknown_models = UnknownModels()
        self._pricing = Pricing(PriceBook(rules), self.unknown_models, config.reported)

    async def start(self, context: Context) -> None:
        """Say which prices are used."""
        context.logger.info(
            "calls of models are priced",
            catalogue=installed(),
            prices_file=self.config.prices_file,
        )

    def process(self, batch: Batch) -> Batch:
        """Write costs in place; the batch keeps its spans and their order."""
        self._pricing.write(batch)
        return batch

    @staticmethod
    def explain(question: Mapping[str, Any], config: CostConfig) -> Explanation:
        """
        Say how a call would be priced, for people.

        Args:
            question: the fields of :class:`~processors.cost.explain.Question`.
            config: whose prices are asked for.

        """
        return explain(Question(**question), config)
