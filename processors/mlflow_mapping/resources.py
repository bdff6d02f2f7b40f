"""Resource attributes: MLflow makes a tag of the trace of each, so noise and secrets must go."""

from gateway.plugin import Resource
from processors.mlflow_mapping.globs import Globs

DROPPED = (
    "process.*", "host.*", "os.*", "container.*", "telemetry.distro.*", "webengine.*", "faas.*",
    "device.*", "cloud.account.id", "cloud.resource_id", "k8s.pod.uid", "k8s.pod.ip",
    "k8s.node.*", "k8s.*.uid", "k8s.*.label.*", "k8s.*.annotation*", "aws.*", "gcp.*", "azure.*",
    "heroku.*", "browser.*", "user_agent.*", "service.instance.id", "*command_line*",
    "*password*", "*secret*", "*token*", "*api_key*", "*apikey*", "*api-key*", "*authorization*",
    "*credential*", "*private_key*",
)  # fmt: skip
"""What is dropped unless the settings say otherwise: machine details and what smells of secrets."""


_REMEMBERED = 1000


class ResourceFilter:
    """
    Decide which resource attributes stay.

    Args:
        names: which of them go.

    """

    def __init__(self, names: Globs) -> None:
        self._names = names
        self._doomed: dict[tuple[str, ...], frozenset[str]] = {}

    def apply(self, resource: Resource) -> None:
        """Drop what is not wanted."""
        keys = resource.attributes.names()
        doomed = self._doomed.get(keys)
        if doomed is None:
            doomed = frozenset(filter(self._names.dropped, keys))
            if len(self._doomed) >= _REMEMBERED:
                self._doomed.clear()
            self._doomed[keys] = doomed
        if doomed:
            resource.attributes.discard(doomed)
