"""Change spans, their events, scopes and resources by small statements."""

from collections.abc import Iterator
from itertools import groupby

from gateway.plugin import Attributes, Batch, Config, Context, Processor
from processors.conditions import ErrorMode, Faults, Teller
from processors.expressions import Level, Subject
from processors.statements import Statement, StatementConfig
from processors.targets import Fields


class TransformConfig(Config):
    """Settings of ``transform``."""

    statements: tuple[StatementConfig, ...]
    """What to change, in this order."""

    error_mode: ErrorMode = "ignore"
    """What happens where an expression cannot be evaluated: ``ignore`` logs and leaves the span as
    it is, ``silent`` does so without the log, ``propagate`` refuses the batch."""

    def validate(self) -> None:
        """Check that there is something to do."""
        if not self.statements:
            raise ValueError(
                "statements: expected at least one, as in [{delete: [http.request.header]}]"
            )


class Transform(Processor[TransformConfig]):
    """
    Set, compute, rename, delete, shorten and replace, on what meets a condition.

    Fails closed: a statement may be there to remove what must not be stored.
    """

    on_error = "reject"
    stability = "beta"

    def __init__(self, config: TransformConfig) -> None:
        super().__init__(config)
        statements = [Statement(statement) for statement in config.statements]
        self._groups = [list(group) for _, group in groupby(statements, lambda one: one.level)]
        self._teller = Teller()

    async def start(self, context: Context) -> None:
        """Take what is needed to tell of expressions that cannot be evaluated."""
        self._teller = Teller(context)

    def process(self, batch: Batch) -> Batch:
        """
        Run the statements in place, those of one context in a row together.

        Raises:
            Reject: an expression cannot be evaluated and ``error_mode`` is ``propagate``.

        """
        subject, faults = Subject(batch.context), Faults(self.config.error_mode)
        for group in self._groups:
            changes = [one.bind(subject, faults) for one in group]
            for fields in _places(batch, group[0].level, subject):
                for change in changes:
                    change(subject, fields)
        self._teller.tell(faults)
        return batch


def _places(batch: Batch, level: Level, subject: Subject) -> Iterator[Fields]:
    """Let ``subject`` look at each thing of a level in turn; yield its attributes."""
    if level == "resource":
        for subject.resource in batch.resources:
            yield subject.resource.attributes
    elif level == "scope":
        for span in {id(span.scope): span for span in batch}.values():
            subject.look_at(span)
            yield span.scope.attributes
    else:
        for span in batch:
            subject.look_at(span)
            if level == "span":
                yield span.attributes
                continue
            for subject.event in span.peek.events:
                yield Attributes(batch, subject.event.attributes)
