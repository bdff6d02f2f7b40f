"""What whoever installs from the repository gets."""

import re
import tomllib
from pathlib import Path

from gateway.registry import KINDS, Registry

ROOT = Path(__file__).parents[1]


def normal(name: str) -> str:
    """Return a distribution's name as packaging compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_dependency() -> None:
    """What pyproject.toml asks for is in requirements.lock: run ``make lock`` after a change."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(one for extra in extras for one in extra)]
    names = {normal(re.split(r"[\[<>=!~; ]", one)[0]) for one in wanted} - {"spangate"}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = {normal(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}

    assert set() == names - locked


def test_every_component_of_ours_can_be_imported() -> None:
    """No entry point of pyproject.toml leads nowhere."""
    broken = [info for kind in KINDS for info in Registry().all(kind) if info.error]

    assert [] == broken
