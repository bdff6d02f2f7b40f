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

    def apply(self, resource: Resource) -> None:
        """Drop what is not wanted."""
        doomed = [
            position
            for position, field in enumerate(resource.peek.attributes)
            if self._drop(field.key.lower()) and not self._keep(field.key.lower())
        ]
        if doomed:
            fields = resource.proto.attributes
            for key in {fields[position].key for position in doomed}:
                del resource.attributes[key]


def _compile(globs: Sequence[str]) -> Callable[[str], object]:
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs) or "(?!)").match
