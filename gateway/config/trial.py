"""Import what a configuration names in a process of its own first: a plugin may take it down."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.blame import short
from gateway.config.loader import ConfigError, Loaded, Problem, read

LIMIT_S = 120.0
_DONE = "spangate: read to the end"
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)
_HINT = "importing a plugin must do nothing but define things: open what is needed in start()"


def read_apart(
    paths: Sequence[Path], overrides: Sequence[str], environ: Mapping[str, str]
) -> Loaded:
    """
    Return what :func:`gateway.config.loader.read` does, once another process came through it.

    Raises:
        ConfigError: every mistake found, or that reading takes a process down or does not end.

    """
    wrong = _wrong(json.dumps([[str(path) for path in paths], list(overrides)]), environ)
    if wrong:
        where = ", ".join(map(str, paths)) or "the built-in default"
        raise ConfigError([Problem(where, "", wrong, _HINT)])
    return read(paths, overrides, environ=environ)


def _wrong(asked: str, environ: Mapping[str, str]) -> str:
    """Return what another process died of; empty where it came to the end."""
    path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
    try:
        result = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-P", "-m", "gateway.config.trial"],
            env={**environ, "PYTHONPATH": path},
            input=asked,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"importing its plugins did not end within {LIMIT_S:g} s"
    if _DONE in result.stdout.splitlines():
        return ""
    frames = [(file, int(line)) for file, line in reversed(_FRAME.findall(result.stderr))]
    at = short(frames)
    code = result.returncode
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return f"importing its plugins ends the process ({how})" + (f" at {at}" if at else "")


def main() -> None:
    """Read what standard input names; mistakes are for the process that asked to tell."""
    paths, overrides = json.load(sys.stdin)
    with contextlib.suppress(ConfigError):
        read([Path(path) for path in paths], overrides)
    print(f"\n{_DONE}", flush=True)  # noqa: T201 - for the process that asked
    os._exit(0)  # threads that an import left running are not waited for


if __name__ == "__main__":
    main()
