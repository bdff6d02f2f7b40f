"""The ``mlflow_mapping`` processor."""

import msgspec

from gateway.plugin import Batch, Config, Processor
from processors.mlflow_mapping import dialects
from processors.mlflow_mapping.globs import Globs
from processors.mlflow_mapping.mapper import Mapper
from processors.mlflow_mapping.resources import DROPPED, ResourceFilter


class ResourceAttributesConfig(Config):
    """Which resource attributes reach MLflow, which makes a tag of the trace of each."""

    drop: tuple[str, ...] = DROPPED
    """Globs of what is dropped: machine details, and names that smell of secrets."""

    keep: tuple[str, ...] = ()
    """Globs of what stays although ``drop`` names it."""


class TraceTagsConfig(Config):
    """Which tags and plain values of metadata on a root span become tags of its trace."""

    drop: tuple[str, ...] = ()
    """Globs of tags that are not written, such as ``*``; the span's own attributes still tell
    them."""

    keep: tuple[str, ...] = ()
    """Globs of tags that are written although ``drop`` names them."""


class MlflowMappingConfig(Config):
    """Settings of ``mlflow_mapping``."""

    keep_source_attributes: bool = True
    """Copy instead of move: the instrumentation's own attributes stay beside MLflow's. ``false``
    drops those that the result says again, word for word, which makes traces smaller."""

    resource_attributes: ResourceAttributesConfig = msgspec.field(
        default_factory=ResourceAttributesConfig
    )
    """Which resource attributes reach MLflow."""

    trace_tags: TraceTagsConfig = msgspec.field(default_factory=TraceTagsConfig)
    """Which tags of a trace are written. Each takes MLflow a quarter of the time of a span."""


class MlflowMapping(Processor[MlflowMappingConfig]):
    """
    Write what each span says, in whatever dialect, in the terms of MLflow.

    Nothing is taken away that the result does not say, and a value that MLflow would fail on is
    put right. Spans that say nothing about models get a type and no more.
    """

    on_error = "pass"

    def __init__(self, config: MlflowMappingConfig) -> None:
        super().__init__(config)
        tags, resource = config.trace_tags, config.resource_attributes
        self._mapper = Mapper(
            dialects.ALL,
            move=not config.keep_source_attributes,
            tags=Globs(tags.drop, tags.keep),
        )
        self._filter = ResourceFilter(Globs(resource.drop, resource.keep))

    def process(self, batch: Batch) -> Batch:
        """Map in place; the batch keeps its spans and their order."""
        self._mapper.write(batch)
        for resource in batch.resources:
            self._filter.apply(resource)
        return batch
