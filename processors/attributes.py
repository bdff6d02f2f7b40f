"""Insert, change, hash and delete attributes of spans, with the Collector's actions."""

from gateway.plugin import Batch, Config, Processor
from processors.actions import ActionConfig, step
from processors.matching import MatchConfig, span_filter


class AttributesConfig(Config):
    """Settings of ``attributes``."""

    actions: tuple[ActionConfig, ...]
    """What to do with the attributes of each span, in this order."""

    include: MatchConfig | None = None
    """Which spans are changed; unset: all."""

    exclude: MatchConfig | None = None
    """Which of those are left alone."""

    def validate(self) -> None:
        """Check that there is something to do."""
        if not self.actions:
            raise ValueError("actions: expected at least one, as in [{key: team, action: delete}]")


class Attributes(Processor[AttributesConfig]):
    """
    Insert, update, hash, convert and delete attributes of spans with the Collector's actions.

    Fails closed: who deletes or hashes an attribute counts on it.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: AttributesConfig) -> None:
        super().__init__(config)
        self._steps = [step(action) for action in config.actions]
        self._meant = span_filter(config.include, config.exclude)

    def process(self, batch: Batch) -> Batch:
        """Run the actions on the spans that are meant, in place."""
        context, meant, steps = batch.context, self._meant, self._steps
        for span in batch:
            if meant is None or meant(span):
                attributes = span.attributes
                for run in steps:
                    run(attributes, context)
        return batch
