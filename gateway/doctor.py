"""Look at everything that a configuration depends on: what it sends to, ports, data directory."""

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gateway import compiled, endpoint, lifecycle
from gateway.clock import SystemClock
from gateway.component_context import ComponentContext
from gateway.config.exporting import MIB, ExporterConfig, QueueConfig
from gateway.config.settings import PipelineConfig, Settings
from gateway.data_dir import DataDir, DataDirError
from gateway.diagnosis import Diagnosable, Finding
from gateway.gathering.gatherer import queue_settings
from gateway.plugin import TraceProcessor
from gateway.tenants import Tenants
from gateway.version import __version__

_LEAST_FREE_BYTES = 100 * MIB


async def examine(settings: Settings) -> list[Finding]:
    """Return what was found; nothing that exists is changed."""
    data_dir = Path(settings.service.data_dir)
    running = _is_running(data_dir)
    findings = [_code(), _data_dir(data_dir, running=running), _disk(settings, data_dir)]
    for where, address in _endpoints(settings):
        findings.append(_port(where, address, running=running))
    for exporter_id in _used_exporters(settings):
        findings += await _exporter(settings, exporter_id, data_dir)
    return findings


def _code() -> Finding:
    """Tell whether hot modules are compiled; they do the same without, slower."""
    return Finding(check="code", status="ok", detail=f"{__version__}, {compiled.flavour()}")


def _used_exporters(settings: Settings) -> list[str]:
    used = {one for pipeline in settings.service.pipelines.values() for one in pipeline.exporters}
    return [exporter_id for exporter_id in settings.exporters if exporter_id in used]


async def _exporter(settings: Settings, exporter_id: str, data_dir: Path) -> list[Finding]:
    chosen = settings.exporters[exporter_id]
    try:
        exporter = lifecycle.build(f"exporters.{exporter_id}", chosen.component, chosen.config)
    except lifecycle.StartError as error:
        return [Finding(check=exporter_id, status="fail", detail=str(error))]
    if not isinstance(exporter, Diagnosable):
        return []
    context = ComponentContext(
        "exporters", exporter_id, clock=SystemClock(), data_dir=data_dir, tenants=Tenants()
    )
    try:
        return await exporter.diagnose(context)
    except ValueError as error:  # a certificate that cannot be used
        return [Finding(check=exporter_id, status="fail", detail=str(error))]


def _is_running(data_dir: Path) -> bool:
    """Return whether a gateway holds the data directory."""
    if not (data_dir / "lock").exists():
        return False
    held = DataDir(data_dir)
    try:
        held.open()
    except DataDirError:
        return os.access(data_dir / "lock", os.W_OK)
    held.close()
    return False


def _data_dir(data_dir: Path, *, running: bool) -> Finding:
    check = "data directory"
    if running:
        return Finding(check=check, status="ok", detail=f"{data_dir} is used by a running gateway")
    place = _existing(data_dir)
    if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
        return Finding(check=check, status="ok", detail=f"{data_dir} can be written")
    return Finding(
        check=check,
        status="fail",
        detail=f"{data_dir} cannot be written",
        advice="name a folder this user may write to, with service.data_dir or SPANGATE_DATA_DIR",
    )


def _disk(settings: Settings, data_dir: Path) -> Finding:
    """Compare what is free with what may be written: queues and dead letters."""
    queues = [
        *(_queue(settings, exporter_id) for exporter_id in _used_exporters(settings)),
        *(_undecided(settings, pipeline) for pipeline in settings.service.pipelines.values()),
    ]
    wanted = sum(one.max_size_mib * MIB for one in queues if one and one.storage == "disk")
    if wanted:
        wanted += settings.service.dead_letters.max_size_mib * MIB
    free = shutil.disk_usage(_existing(data_dir)).free
    told = f" for queues and dead letters of at most {wanted // MIB} MiB" if wanted else ""
    detail = f"{free // MIB} MiB free{told}"
    advice = (
        "free some space, name another service.data_dir, or lower sending_queue.max_size_mib or "
        "service.dead_letters.max_size_mib"
    )
    if free < _LEAST_FREE_BYTES:
        return Finding(check="disk", status="fail", detail=detail, advice=advice)
    if free < wanted:
        return Finding(check="disk", status="warn", detail=detail, advice=advice)
    return Finding(check="disk", status="ok", detail=detail)


def _queue(settings: Settings, exporter_id: str) -> QueueConfig | None:
    config = settings.exporters[exporter_id].config
    return config.sending_queue if isinstance(config, ExporterConfig) else None


def _undecided(settings: Settings, pipeline: PipelineConfig) -> QueueConfig | None:
    """Return the queue for traces that a processor of stage 2 has not decided about."""
    chosen = [settings.processors[processor_id] for processor_id in pipeline.processors]
    if not any(issubclass(one.component, TraceProcessor) for one in chosen):
        return None
    behind = [_queue(settings, exporter_id) or QueueConfig() for exporter_id in pipeline.exporters]
    return queue_settings(behind)


def _existing(path: Path) -> Path:
    """Return the nearest folder above that is there, or the path itself."""
    path = path.absolute()
    return next((one for one in (path, *path.parents) if one.exists()), path)


def _endpoints(settings: Settings) -> Iterator[tuple[str, str]]:
    used = {one for pipeline in settings.service.pipelines.values() for one in pipeline.receivers}
    for receiver_id in settings.receivers:
        if receiver_id in used:
            config = settings.receivers[receiver_id].config
            yield from _addresses(config, f"receivers.{receiver_id}")
    yield from _addresses(settings.service.telemetry, "service.telemetry")


def _addresses(config: msgspec.Struct, where: str) -> Iterator[tuple[str, str]]:
    """Yield every ``endpoint`` inside settings."""
    for name in config.__struct_fields__:
        value = getattr(config, name)
        if name == "endpoint" and isinstance(value, str):
            yield where, value
        elif isinstance(value, msgspec.Struct):
            yield from _addresses(value, f"{where}.{name}")


def _port(where: str, address: str, *, running: bool) -> Finding:
    check = f"port {address}"
    try:
        host, port = endpoint.split(address)
        family, kind, *_, sockaddr = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as listener:
            # As servers do: a port whose last connection has just ended is free.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(sockaddr)
            listener.listen()
    except (OSError, ValueError) as error:
        if running:
            return Finding(check=check, status="ok", detail="used, by the running gateway it seems")
        reason = getattr(error, "strerror", None) or str(error)
        return Finding(
            check=check,
            status="fail",
            detail=f"cannot be opened: {reason.lower()}",
            advice=f"stop what uses it, or set another one in {where}.endpoint",
        )
    return Finding(check=check, status="ok", detail="free")
