"""Resource attributes: MLflow makes a tag of the trace of each, so noise and secrets must go."""

import fnmatch
import re
from collections.abc import Callable, Sequence

from gateway.plugin import Resource

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
        drop: globs of what goes; upper and lower case do not matter.
        keep: globs of what stays although ``drop`` names it.

    """

    def __init__(self, drop: Sequence[str], keep: Sequence[str]) -> None:
        self._drop = _compile(drop)
        self._keep = _compile(keep)
        self._doomed: dict[tuple[str, ...], frozenset[str]] = {}

    def apply(self, resource: Resource) -> None:
        """Drop what is not wanted."""
        keys = resource.attributes.names()
        doomed = self._doomed.get(keys)
        if doomed is None:
            doomed = frozenset(key for key in keys if self._is_doomed(key.lower()))
            if len(self._doomed) >= _REMEMBERED:
                self._doomed.clear()
            self._doomed[keys] = doomed
        if doomed:
            resource.attributes.discard(doomed)

    def _is_doomed(self, key: str) -> bool:
        return bool(self._drop(key)) and not self._keep(key)


def _compile(globs: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs) or "(?!)").match
