"""Tell for whom a trusted tenant sends: a resource attribute names the tenant of its spans."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from gateway.otlp import values, wire
from gateway.receivers.admission import Account

NAMED = 3
SHOWN_CHARS = 60


class Share(NamedTuple):
    """The spans of a request that belong to one tenant."""

    account: Account
    entries: Sequence[wire.Entry]


class Unknown(NamedTuple):
    """The spans of a request whose tenants nobody knows."""

    spans: int
    names: list[str]

    def explain(self, attribute: str) -> str:
        """Return what is wrong with them."""
        names = ", ".join(f'"{_shown(name)}"' for name in self.names[:NAMED])
        more = f" and {len(self.names) - NAMED} more" if len(self.names) > NAMED else ""
        return f"{attribute} names no tenant of this gateway: {names}{more}"


class OnBehalf:
    """
    Sort spans by the tenant that their resource names.

    Args:
        attribute: the resource attribute that names it.
        accounts: returns the tenants by name.

    """

    def __init__(self, attribute: str, accounts: Callable[[], Mapping[str, Account]]) -> None:
        self.attribute = attribute
        self._accounts = accounts

    def sort(
        self, entries: Sequence[wire.Entry], sender: Account
    ) -> tuple[list[Share], Unknown | None]:
        """Return the spans by tenant; where no tenant is named they are the sender's own."""
        accounts = self._accounts()
        shares: dict[str, Share] = {}
        unknown: dict[str, int] = {}
        resource: bytes | None = None
        take: Callable[[wire.Entry], None] | None = None
        name = ""
        for entry in entries:
            if entry.resource is not resource:
                resource = entry.resource
                name = self._name(resource) or sender.tenant.name
                account = sender if name == sender.tenant.name else accounts.get(name)
                take = None
                if account is not None:
                    mine: list[wire.Entry] = []
                    share = shares.setdefault(name, Share(account, mine))
                    assert isinstance(share.entries, list)
                    take = share.entries.append
            if take is not None:
                take(entry)
            else:
                unknown[name] = unknown.get(name, 0) + 1
        return list(shares.values()), (
            Unknown(sum(unknown.values()), list(unknown)) if unknown else None
        )

    def _name(self, resource: bytes) -> str:
        found = ""
        for field in ResourceSpans.FromString(resource).resource.attributes:
            if field.key == self.attribute:
                value = values.decode(field.value)
                found = value if isinstance(value, str) else str(value)
        return found


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:SHOWN_CHARS])
