"""Components that tests load by ``use:``."""

import asyncio
from typing import ClassVar

from gateway.plugin import (
    Batch,
    Busy,
    Config,
    Deliver,
    Exporter,
    ExporterConfig,
    Processor,
    Receiver,
    Reject,
    Retry,
)


class SayConfig(Config):
    """Settings of ``Say``."""

    what: str = "nothing"
    """``reject``, ``busy``, ``retry`` or ``crash``; anything else lets the batch pass."""


class Say(Processor[SayConfig]):
    """Answer every batch as told."""

    def process(self, batch: Batch) -> Batch:
        what = self.config.what
        if what == "reject":
            raise Reject("not like this")
        if what == "busy":
            raise Busy("too much", after=7)
        if what == "retry":
            raise Retry("not now", after=3)
        if what == "crash":
            raise KeyError("bug")
        return batch


class TagConfig(Config):
    """Settings of ``Tag``."""

    value: str = "x"
    """What to write."""


class Tag(Processor[TagConfig]):
    """Append a value to the attribute ``tag``, so that order shows."""

    def process(self, batch: Batch) -> Batch:
        for span in batch:
            span.attributes["tag"] = f"{span.attributes.get('tag', '')}{self.config.value}"
        return batch


class AsyncTag(Tag):
    """The same on the event loop."""

    async def process(self, batch: Batch) -> Batch:  # type: ignore[override] # async is allowed
        await asyncio.sleep(0)
        return super().process(batch)


class DropNamed(Processor[TagConfig]):
    """Drop the spans with a certain name."""

    def process(self, batch: Batch) -> Batch:
        for span in batch:
            if span.name == self.config.value:
                batch.drop(span)
        return batch


class Keep(Exporter[ExporterConfig]):
    """Keep what comes, by the exporter's instance; ``down`` makes it refuse for now."""

    everything: ClassVar[list["Keep"]] = []

    def __init__(self, config: ExporterConfig) -> None:
        super().__init__(config)
        self.requests: list[bytes] = []
        self.down = False
        self.everything.append(self)

    async def export(self, batch: Batch) -> None:
        if self.down:
            raise Retry("down")
        self.requests.append(batch.encode())


class Rubbish(Receiver[Config]):
    """Hand over what is no request, and keep what the engine says to it."""

    said: ClassVar[list[str]] = []

    async def listen(self, deliver: Deliver) -> None:
        try:
            await deliver(Batch(b"rubbish"))
        except Reject as refusal:
            self.said.append(refusal.reason)
