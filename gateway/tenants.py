"""Tenants: who may send, where their spans go, and how many they may send."""

from collections.abc import Iterator, Mapping

import msgspec

from gateway.config.types import Config, FilePath, Secret


class RuleConfig(Config):
    """One routing rule: where spans go whose resource attributes match."""

    match: dict[str, str]
    """Globs by resource attribute, such as ``service.name: "checkout-*"``; all must match."""

    experiment: str | int
    """Name or id of the experiment; ``{attribute}`` stands for a resource attribute's value."""


class BasicConfig(Config):
    """Settings of ``basic``: a user name and a password, as HTTP basic authentication has them."""

    username: str
    """User name; without a colon."""

    password: Secret
    """Password."""

    def validate(self) -> None:
        """Refuse a user name that cannot be sent."""
        if not self.username or ":" in self.username:
            raise ValueError("username must not be empty nor hold a colon")


class QuotaConfig(Config):
    """Settings of ``quota``: how much a tenant may send; unset is without limit."""

    spans_per_second: float | None = None
    """Spans a second, on average."""

    mib_per_second: float | None = None
    """MiB a second, on average, decompressed."""

    burst: int | None = None
    """Spans that may come at once after a pause; a second's worth where unset. Bytes may burst
    for as many seconds as spans."""

    def validate(self) -> None:
        """Refuse quotas that let nothing through."""
        for name in ("spans_per_second", "mib_per_second", "burst"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(
                    f"{name} must be above 0, found {value}; leave it out for no limit"
                )
        if self.burst is not None and self.spans_per_second is None:
            raise ValueError("burst needs spans_per_second")


class TenantConfig(Config):
    """
    One tenant: how it proves who it is, where its spans go, and its quota.

    Any one of its credentials is enough.
    """

    name: str
    """Name in logs, metrics and dead letters."""

    tokens: list[Secret] = msgspec.field(default_factory=list)
    """Tokens, sent as ``Authorization: Bearer TOKEN`` or ``x-api-key: TOKEN``."""

    tokens_file: FilePath | None = None
    """File with one token a line; read again when it changes. Lines with ``#`` are comments."""

    basic: BasicConfig | None = None
    """User name and password, sent as ``Authorization: Basic``."""

    client_cert: str | None = None
    """Glob on the common name of the client's certificate; needs ``tls.client_ca_file``."""

    experiment: str | int | None = None
    """Name or id of the experiment for spans that no rule matches."""

    rules: list[RuleConfig] = msgspec.field(default_factory=list)
    """Rules that come before the exporter's; the first match wins."""

    experiments: list[str] = msgspec.field(default_factory=list)
    """Globs of the experiments the tenant may write to; empty allows all."""

    from_header: bool = False
    """Whether the sender's ``x-mlflow-*`` headers count although there are ``experiment`` or
    ``rules``; without those they always do."""

    quota: QuotaConfig = msgspec.field(default_factory=QuotaConfig)
    """How much the tenant may send."""

    trusted: bool = False
    """Whether the tenant may speak for others, as a node's Collector does: the resource attribute
    ``auth.tenant_attribute`` then says whose spans they are."""

    def validate(self) -> None:
        """Require a name and a credential."""
        if not self.name:
            raise ValueError("name must not be empty")
        if not (self.tokens or self.tokens_file or self.basic or self.client_cert):
            raise ValueError(
                f'tenant "{self.name}" has no credential: set tokens, tokens_file, basic or '
                "client_cert"
            )
        if not all(self.tokens):
            raise ValueError(
                f'tenant "{self.name}" has an empty token; is an environment variable not set?'
            )


class Tenants:
    """The settings of every authenticated tenant, by name, whichever receiver knows it."""

    def __init__(self, tenants: Mapping[str, TenantConfig] | None = None) -> None:
        self._by_receiver: dict[str, Mapping[str, TenantConfig]] = {}
        self._tenants: dict[str, TenantConfig] = {}
        self.version = 0
        """Grows whenever settings change: what was concluded from older ones is void."""
        if tenants:
            self.publish("", tenants)

    def publish(self, receiver: str, tenants: Mapping[str, TenantConfig]) -> None:
        """Make a receiver's tenants known, instead of those that it had before."""
        self._by_receiver[receiver] = dict(tenants)
        self._tenants = {
            name: tenant for known in self._by_receiver.values() for name, tenant in known.items()
        }
        self.version += 1

    def clash(self, receiver: str, tenant: TenantConfig) -> str:
        """Return why a receiver cannot have a tenant beside those of others, ``""`` if it can."""
        for other, known in self._by_receiver.items():
            if other == receiver or tenant.name not in known:
                continue
            if _rights(known[tenant.name]) != _rights(tenant):
                return (
                    f'tenant "{tenant.name}" has other rules or experiments on receiver {other}; '
                    "give it the same on both, or another name"
                )
        return ""

    def get(self, name: str) -> TenantConfig | None:
        """Return a tenant's settings; ``None`` for ``""``, the sender of an open receiver."""
        return self._tenants.get(name)

    @property
    def several(self) -> bool:
        """Whether there is more than one, so that each gets its share only."""
        return len(self._tenants) > 1

    def __iter__(self) -> Iterator[TenantConfig]:
        return iter(self._tenants.values())


def _rights(tenant: TenantConfig) -> tuple[object, ...]:
    return tenant.experiment, tenant.rules, tenant.experiments, tenant.from_header
