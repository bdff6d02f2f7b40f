"""A PostgreSQL server of the test's own, from Debian's packages."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAMS = ("postgres", "initdb", "pg_isready")
_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
_READY_S = 60.0
_POLL_S = 0.1


def binaries() -> Path | None:
    """Return the folder of the server's programs, ``None`` where there is none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += [path.parent for path in sorted(_DEBIAN.glob("*/bin/postgres"), reverse=True)]
    return next((f for f in folders if all((f / name).exists() for name in _PROGRAMS)), None)


@contextmanager
def running(port: int, *, fsync: bool = False) -> Iterator[str]:
    """Run a server for the time of a block; yield the address of a database for MLflow."""
    programs = binaries()
    assert programs is not None
    # Not in pytest's folder, which an unprivileged user may not enter.
    with tempfile.TemporaryDirectory(prefix="spangate-pg-") as name:
        folder = Path(name)
        user = _give_away(folder)
        with (folder / "log").open("wb") as log:

            def start(*command: str) -> "subprocess.Popen[bytes]":
                return subprocess.Popen(command, user=user, stdout=log, stderr=log, cwd=folder)

            data = str(folder / "data")
            made = start(str(programs / "initdb"), "-D", data, "-U", "mlflow", "-A", "trust")
            assert made.wait() == 0, (folder / "log").read_text()
            server = start(
                str(programs / "postgres"), "-D", data, "-p", str(port), "-k", str(folder),
                "-c", "listen_addresses=127.0.0.1", "-c", f"fsync={'on' if fsync else 'off'}",
            )  # fmt: skip
            try:
                _wait_until_ready(programs, port)
                yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
            finally:
                server.send_signal(signal.SIGINT)  # ends it without waiting for its clients
                server.wait()


def _give_away(folder: Path) -> int | None:
    """Give a folder to an unprivileged user where we are root; return the user's id."""
    if os.geteuid() != 0:
        return None
    user = pwd.getpwnam(_UNPRIVILEGED)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user.pw_uid


def _wait_until_ready(programs: Path, port: int) -> None:
    deadline = time.monotonic() + _READY_S
    probe = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(probe, check=False).returncode != 0:
        assert time.monotonic() < deadline, "PostgreSQL did not get ready"
        time.sleep(_POLL_S)
