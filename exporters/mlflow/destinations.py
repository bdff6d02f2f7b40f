"""The key of a destination: which experiment, in which workspace, for which run and tenant."""

from functools import lru_cache

import msgspec


class Destination(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Where spans go; exactly one of ``name``, ``id`` and ``table`` is set.

    Its key is compact JSON, which people can read in a dead letter and which outlives restarts.
    """

    name: str = ""
    """Name of the experiment."""
    id: str = ""
    """Id of the experiment."""
    table: str = ""
    """Table of spans in Databricks."""
    workspace: str = ""
    run: str = ""
    tenant: str = ""
    """Whose spans they are, so that what a tenant may create and reach is known when sending."""

    @property
    def key(self) -> str:
        """The text that the engine keeps."""
        return _encode(self)

    def __str__(self) -> str:
        if self.table:
            return f"table {self.table}"
        text = f"experiment {self.name}" if self.name else f"experiment id {self.id}"
        return text + (f" in workspace {self.workspace}" if self.workspace else "")


@lru_cache(maxsize=4096)
def parse(key: str) -> Destination:
    """
    Read a key.

    Raises:
        ValueError: it is none.

    """
    return msgspec.json.decode(key, type=Destination)


def _encode(destination: Destination) -> str:
    return msgspec.json.encode(destination).decode()
