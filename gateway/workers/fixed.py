"""Settings that cannot change while the gateway runs, since what waits on disk depends on them."""

from gateway.config.exporting import ExporterConfig, QueueConfig
from gateway.config.settings import ComponentSettings, Settings

_ADVICE = "restart for it, once nothing waits (`spangate queue status`)"


def refused(old: Settings, new: Settings) -> list[str]:
    """Return why a configuration cannot take the place of another; nothing where it can."""
    found: list[str] = []
    before, after = old.service.data_dir, new.service.data_dir
    if before != after:
        found.append(f"service.data_dir: {before} cannot become {after} in a reload; {_ADVICE}")
    for name in old.exporters.keys() & new.exporters.keys():
        was, now = _queue(old.exporters[name]), _queue(new.exporters[name])
        for key in ("storage", "num_lanes"):
            before, after = getattr(was, key), getattr(now, key)
            if before != after:
                found.append(
                    f"exporters.{name}.sending_queue.{key}: {before} cannot become {after} in a "
                    f"reload; {_ADVICE}"
                )
    return sorted(found)


def _queue(exporter: ComponentSettings) -> QueueConfig:
    config = exporter.config
    return config.sending_queue if isinstance(config, ExporterConfig) else QueueConfig()
