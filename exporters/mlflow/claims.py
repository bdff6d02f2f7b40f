"""Which experiments belong to which tenants, by what their settings name."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from exporters.mlflow.names import Template, decimal_id, text_of
from gateway.tenants import TenantConfig

_WILD = frozenset("*?[")


class Claims:
    """
    What tenants call their own: experiments that their settings name, and globs they may use.

    A tenant without an allow list may write everywhere but there. A bare ``*`` claims nothing.
    """

    def __init__(self, tenants: Iterable[TenantConfig] = ()) -> None:
        self._owners: dict[str, set[str]] = {}
        self._globs: dict[str, set[str]] = {}
        for tenant in tenants:
            for text in _named(tenant):
                self._owners.setdefault(_same(text), set()).add(tenant.name)
            for glob in tenant.experiments:
                kind = self._globs if _WILD & set(glob) else self._owners
                if glob.strip("*"):
                    kind.setdefault(_same(glob), set()).add(tenant.name)

    def of_others(self, tenant: str, name: str, number: str) -> bool:
        """
        Return whether an experiment belongs to another tenant and not to this one.

        Args:
            tenant: who wants to write there.
            name: what the experiment is called, ``""`` while that is not known.
            number: its id, ``""`` where only the name is known.

        """
        name = _same(name)
        owners = self._owners.get(name, set()) | self._owners.get(number, set())
        if tenant in owners:
            return False
        if not name:  # whose it is cannot be told
            return bool(owners) or any(found - {tenant} for found in self._all())
        for glob, found in self._globs.items():
            if fnmatchcase(name, glob):
                owners = owners | found
        return bool(owners) and tenant not in owners

    def _all(self) -> list[set[str]]:
        return [*self._owners.values(), *self._globs.values()]


def _same(text: str) -> str:
    """Return what texts have in common that MLflow on MySQL takes for the same name."""
    return text.strip().casefold()


def _named(tenant: TenantConfig) -> set[str]:
    """Return the experiments, by name or id, that a tenant's settings name without a template."""
    texts = [text_of(tenant.experiment), *(fixed(text_of(r.experiment)) for r in tenant.rules)]
    return {decimal_id(text) or text for text in texts if text}


def fixed(template: str | None) -> str | None:
    """Return what a template always gives, ``None`` where it depends on attributes."""
    return Template(template or "").fill({})
