"""Importing a component does nothing else: no files, no network, no threads, no output."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from gateway.contract.report import Report

PROBE = Path(__file__).with_name("probe.py")
LIMIT_S = 120.0
_HINT = "do it in start(): a module is imported for `spangate components` and `validate` too"


def check_import(report: Report) -> None:
    """Import the component's module in a Python of its own and see what it does."""
    module = sys.modules.get(report.component.__module__)
    if module is None or module.__name__ == "__main__" or not getattr(module, "__file__", None):
        return  # typed at a prompt, or the script that runs now
    for breach in _effects(*_target(module)):
        where, _, what = breach.partition(": ")
        report.add("importing the module", what, _HINT, where)


def _target(module: ModuleType) -> tuple[str, str]:
    """Return name and file of what to import."""
    return module.__name__, str(Path(module.__file__ or "").resolve())


@functools.cache
def _effects(name: str, file: str) -> list[str]:
    path = os.pathsep.join(dict.fromkeys(entry or os.getcwd() for entry in sys.path))  # noqa: PTH109 - as Python reads the path
    result = subprocess.run(  # noqa: S603 - our own probe
        [sys.executable, "-B", str(PROBE), name, file],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
        stdin=subprocess.DEVNULL,
    )
    where = Path(file).name
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no reason given"])[-1]
        return [f"{where}: in a Python of its own failed: {last}"]
    effects: list[str] = json.loads(result.stdout.splitlines()[-1])
    return effects
