"""Write our configuration out of a Collector's."""

from typing import Any, NamedTuple

import yaml

from gateway.migrate import exporters, processors, receivers, service
from gateway.migrate.auth import Authenticators
from gateway.migrate.pruning import prune
from gateway.migrate.source import Note, Section, read

_KNOWN = ("receivers", "processors", "exporters", "extensions", "connectors", "service")


class Migration(NamedTuple):
    """What came of it."""

    text: str
    """YAML that the gateway takes."""

    notes: list[Note]
    """What has no counterpart, what was added, and what to look at; in the order of the file."""


def migrate(text: str, name: str) -> Migration:
    """
    Return our configuration for that of a Collector.

    Args:
        text: YAML.
        name: of the file, for the first line of what is written.

    Raises:
        MigrationError: it cannot be read, or nothing of it is for traces.

    """
    root, report = read(text)
    whole = Section(root, (), report)
    given: dict[str, dict[str, Any]] = {key: whole.take(key) or {} for key in _KNOWN}
    whole.finish()
    authenticators = Authenticators(given["extensions"], report)
    received = receivers.migrate(given["receivers"], authenticators, report)
    processed = processors.migrate(given["processors"], report)
    sent = exporters.migrate(given["exporters"], authenticators, report)
    section = Section(given["service"], ("service",), report)
    parts = service.Parts(received, processed, sent, given["connectors"])
    pipelines = service.pipelines(section.take("pipelines") or {}, parts, report)
    telemetry = service.telemetry(section, given["extensions"], report)
    section.finish()
    config = {
        "receivers": received,
        "processors": processed.settings,
        "exporters": sent.settings,
        "service": {"pipelines": pipelines} | ({"telemetry": telemetry} if telemetry else {}),
    }
    _leave_out_unused(config)
    names = {f"processors.{ours}": theirs for theirs, ours in processed.names.items()}
    names |= {f"exporters.{ours}": theirs for theirs, ours in sent.names.items()}
    prune(config, names, report)
    body = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)
    return Migration(f"# Written by spangate migrate from {name}.\n{body}", report.notes())


def _leave_out_unused(config: dict[str, Any]) -> None:
    """Take out components that no pipeline names: their only users were not for traces."""
    pipelines = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in pipelines for name in pipeline[kind]}
        config[kind] = {name: one for name, one in config[kind].items() if name in used}
