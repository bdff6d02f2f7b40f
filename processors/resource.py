"""Insert, change, hash and delete attributes of resources, with the Collector's actions."""

from gateway.plugin import Batch, Config, Processor
from processors.actions import ActionConfig, step


class ResourceConfig(Config):
    """Settings of ``resource``."""

    attributes: tuple[ActionConfig, ...]
    """What to do with the attributes of each resource, in this order."""

    def validate(self) -> None:
        """Check that there is something to do."""
        if not self.attributes:
            raise ValueError(
                "attributes: expected at least one action, as in [{key: host.ip, action: delete}]"
            )


class Resource(Processor[ResourceConfig]):
    """
    Insert, update, hash, convert and delete resource attributes with the Collector's actions.

    MLflow makes a trace tag of each resource attribute. Fails closed, as ``attributes`` does.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: ResourceConfig) -> None:
        super().__init__(config)
        self._steps = [step(action) for action in config.attributes]

    def process(self, batch: Batch) -> Batch:
        """Run the actions on each resource once, in place."""
        context = batch.context
        for resource in batch.resources:
            for run in self._steps:
                run(resource.attributes, context)
        return batch
