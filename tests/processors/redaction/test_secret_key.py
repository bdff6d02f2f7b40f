"""The key of the pseudonyms on disk."""

from pathlib import Path

import pytest

from processors.redaction.secret_key import load_or_create


def test_is_made_once(tmp_path: Path) -> None:
    """The second call reads what the first one made."""
    assert load_or_create(tmp_path) == load_or_create(tmp_path)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """A file without a key is an error that says what to do, never a weaker key."""
    (tmp_path / "hmac.key").write_text("short")

    with pytest.raises(ValueError, match="delete it to get a new one"):
        load_or_create(tmp_path)
