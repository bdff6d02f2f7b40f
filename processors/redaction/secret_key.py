"""The key of the pseudonyms, kept where it survives restarts and only its owner reads it."""

import os
import secrets
from pathlib import Path

_BYTES = 32


def load_or_create(folder: Path) -> bytes:
    """
    Return the key kept in a folder, made on first use; several processes get the same one.

    Raises:
        OSError: it can be neither read nor written.
        ValueError: the file holds no key.

    """
    path = folder / "hmac.key"
    if not path.exists():
        _create(path)
    key = path.read_bytes().strip()
    if len(key) < _BYTES:
        raise ValueError(
            f"{path} holds no key: expected {2 * _BYTES} hexadecimal digits; delete it to get "
            "a new one (pseudonyms change) or set hmac_key"
        )
    return key


def _create(path: Path) -> None:
    """Write the whole key first, then give it its name, so that nobody reads half of it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_hex(_BYTES).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another worker was first
    finally:
        draft.unlink()
