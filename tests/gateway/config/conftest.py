"""Loading of configurations from texts."""

from pathlib import Path

import pytest

from tests.gateway.config.support import Loading


@pytest.fixture
def loading(tmp_path: Path) -> Loading:
    """Write files in a folder of the test's own."""
    return Loading(tmp_path)
