"""The ``Authorization`` header for MLflow, from settings or a file that may change."""

import asyncio
import base64
from collections.abc import Callable
from pathlib import Path

from exporters.mlflow.settings import AuthConfig
from gateway.plugin import Retry

_RECHECK_S = 1.0


class Credentials:
    """
    Know the current ``Authorization`` header.

    Args:
        config: user and password, token, or file; nothing for no header.
        monotonic: seconds that only grow; the file is looked at once a second at the most.

    """

    def __init__(self, config: AuthConfig, monotonic: Callable[[], float]) -> None:
        self._path = Path(config.token_file) if config.token_file else None
        self._monotonic = monotonic
        self._value = _fixed(config)
        self._seen: tuple[int, int, int] | None = None
        self._checked_at = float("-inf")

    async def headers(self) -> dict[str, str]:
        """
        Return the header, or nothing where none is configured.

        Raises:
            Retry: the file cannot be used now.

        """
        if self._path is not None and self._monotonic() - self._checked_at >= _RECHECK_S:
            await asyncio.to_thread(self._read, self._path)
            self._checked_at = self._monotonic()
        return {"Authorization": self._value} if self._value else {}

    def doubt(self) -> None:
        """Look at the file again before the next request: the server refused what it held."""
        self._checked_at = float("-inf")

    def _read(self, path: Path) -> None:
        try:
            status = path.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version == self._seen:
                return
            token = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise _unusable(path, getattr(error, "strerror", None) or "not a text") from error
        if not token or not token.isascii() or not token.isprintable():
            raise _unusable(path, "it must hold one line with the token")
        self._value = f"Bearer {token}"
        self._seen = version


def _fixed(config: AuthConfig) -> str:
    if config.username is not None and config.password is not None:
        pair = f"{config.username}:{config.password.reveal()}".encode()
        return "Basic " + base64.b64encode(pair).decode()
    return f"Bearer {config.token.reveal().strip()}" if config.token is not None else ""


def _unusable(path: Path, why: str) -> Retry:
    return Retry(
        f"cannot use the token in {path}: {why}",
        advice="put the token into the file that exporters.mlflow.auth.token_file names",
        scope="exporter",
    )
