"""Print traces as readable trees on the terminal."""

import asyncio
import sys

from rich.console import Console

from exporters.debug_tree import Verbosity, trees
from gateway.plugin import Batch, Context, Exporter, ExporterConfig, Reject

_WIDTH = 1_000_000_000  # never crop: the terminal wraps, and a file takes lines of any length


class DebugConfig(ExporterConfig):
    """Settings of ``debug``."""

    verbosity: Verbosity = "basic"
    """``basic`` shows name, type, duration, tokens and errors of each span; ``normal`` adds
    resource and attributes, shortened; ``detailed`` shows all of every span."""


class Debug(Exporter[DebugConfig]):
    """
    Show what arrives on stderr, one tree a trace; for developing, not for production.

    Colours only on a terminal, and never with ``NO_COLOR``.
    """

    stability = "beta"

    def __init__(self, config: DebugConfig) -> None:
        super().__init__(config)
        self._turn = asyncio.Lock()

    async def start(self, context: Context) -> None:
        """Warn that what is printed is what was sent."""
        context.logger.info("printing traces to stderr", verbosity=self.config.verbosity)

    async def export(self, batch: Batch) -> None:
        """
        Return once the batch is printed, with one write.

        Raises:
            Reject: nobody can read it, since stderr is closed.

        """
        async with self._turn:
            try:
                await asyncio.to_thread(self._print, batch)
            except OSError as error:
                raise Reject(f"cannot print to stderr: {error.strerror}") from error

    def _print(self, batch: Batch) -> None:
        console = Console(file=sys.stderr, width=_WIDTH)
        with console.capture() as captured:
            for tree in trees(batch, self.config.verbosity):
                console.print(tree, soft_wrap=True)
        sys.stderr.write(captured.get())
        sys.stderr.flush()
